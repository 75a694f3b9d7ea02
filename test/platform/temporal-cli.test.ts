import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { findTemporalCli, type TemporalCli } from '../../platform/embedded/temporal-cli';
import { TEMPORAL_CLI_VERSION } from '../../platform/versions';

let folder: string;
let servers: Server[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bursar-cli-'));
  servers = [];
});
afterEach(() => {
  for (const server of servers) server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A program that says what the real one says when asked for its version. */
const cliScript = (server: string) => `#!/bin/sh\necho "temporal version 0.0.0-DEV (Server ${server}, UI 2.42.1)"\n`;

function putProgram(path: string, script: string): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, script);
  chmodSync(path, 0o755);
  return path;
}

const cached = () => join(folder, 'cache', `temporal-cli-${TEMPORAL_CLI_VERSION}`, 'temporal');

/** A Go that needs no network: it writes the program where GOBIN says, as `go install` does. */
const goScript = (version: string) => `#!/bin/sh
case "$1" in
  env) echo "go${version}"; echo local ;;
  install) echo "$@" > ${folder}/go-was-called; echo 'github.com/temporalio/cli' >&2
    printf '${cliScript('1.29.1').replaceAll('\n', '\\n')}' > "$GOBIN/temporal"; chmod +x "$GOBIN/temporal" ;;
esac
`;

const progress: string[] = [];
const find = (options: { cliPath?: string; downloadUrl?: string } = {}): Promise<TemporalCli> => {
  progress.length = 0;
  return findTemporalCli({
    // The programs of the system (sh, tar) stay reachable; `temporal` and `go` only where a test puts them.
    searchPath: [join(folder, 'bin'), '/usr/bin', '/bin'].filter(
      (path) => !existsSync(join(path, 'temporal')) || path.startsWith(folder),
    ),
    cacheFolder: join(folder, 'cache'),
    onProgress: (text) => progress.push(text),
    downloadUrl: 'http://127.0.0.1:9/nobody-listens-here',
    ...options,
  });
};

async function vendor(answer: (url: string) => Buffer | number): Promise<string> {
  const server = createServer((request, response) => {
    const body = answer(request.url ?? '');
    if (typeof body === 'number') response.writeHead(body).end();
    else response.end(body);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/cli/archive`;
}

function archive(): Buffer {
  putProgram(join(folder, 'archive/temporal'), cliScript('1.29.1'));
  writeFileSync(join(folder, 'archive/LICENSE'), 'MIT');
  return execFileSync('tar', ['-czf', '-', '-C', join(folder, 'archive'), 'LICENSE', 'temporal']);
}

test('TEMPORAL_CLI_PATH comes before everything else', async () => {
  putProgram(join(folder, 'bin/temporal'), cliScript('1.30.0'));
  putProgram(cached(), cliScript('1.29.1'));
  const mine = putProgram(join(folder, 'mine/temporal'), cliScript('1.31.2'));
  expect(await find({ cliPath: mine })).toEqual({ path: mine, serverVersion: '1.31.2', found: 'by TEMPORAL_CLI_PATH' });
});

test('a TEMPORAL_CLI_PATH that leads nowhere is an error, not a reason to use another', async () => {
  putProgram(cached(), cliScript('1.29.1'));
  await expect(find({ cliPath: '/nowhere/temporal' })).rejects.toThrow('/nowhere/temporal is no Temporal CLI');
});

test('temporal on PATH comes before the cache', async () => {
  const path = putProgram(join(folder, 'bin/temporal'), cliScript('1.30.0'));
  putProgram(cached(), cliScript('1.29.1'));
  expect(await find()).toEqual({ path, serverVersion: '1.30.0', found: 'on PATH' });
});

test.each([
  ['is too old', cliScript('1.24.2'), 'carries the Temporal server 1.24.2'],
  ['is another program of that name', '#!/bin/sh\necho temporal 7\n', 'is no Temporal CLI'],
  ['does not run', '#!/bin/sh\nexit 3\n', 'is no Temporal CLI'],
])('a temporal on PATH that %s is passed over, and that is said', async (_case, script, said) => {
  putProgram(join(folder, 'bin/temporal'), script);
  putProgram(cached(), cliScript('1.29.1'));
  expect(await find()).toMatchObject({ path: cached(), found: 'in the cache' });
  expect(progress.join('\n')).toContain(said);
});

test('without one it is downloaded from the vendor into the cache, and found there the next time', async () => {
  const downloadUrl = await vendor(() => archive());
  expect(await find({ downloadUrl })).toEqual({ path: cached(), serverVersion: '1.29.1', found: 'by download' });
  expect(await find()).toMatchObject({ path: cached(), found: 'in the cache' });
  expect(readdirSync(dirname(cached()))).toEqual(['temporal']);
});

test.each([
  ['answers an error', () => 503],
  ['sends half an archive', () => archive().subarray(0, 120)],
  ['sends something else', () => Buffer.from('<html>a login page</html>')],
])('a vendor that %s is given up for Go, which builds the pinned version', async (_case, answer) => {
  putProgram(join(folder, 'bin/go'), goScript('1.26.8'));
  const downloadUrl = await vendor(answer);
  expect(await find({ downloadUrl })).toEqual({ path: cached(), serverVersion: '1.29.1', found: 'by go install' });
  expect(readFileSync(join(folder, 'go-was-called'), 'utf8')).toContain(`cli/cmd/temporal@v${TEMPORAL_CLI_VERSION}`);
  expect(progress.join('\n')).toMatch(/cannot be downloaded from 127\.0\.0\.1.*\n.*about three minutes, once/);
});

test('a host that cannot be reached costs seconds, not minutes', async () => {
  putProgram(join(folder, 'bin/go'), goScript('1.26.8'));
  const startedAt = Date.now();
  expect(await find()).toMatchObject({ found: 'by go install' });
  expect(Date.now() - startedAt).toBeLessThan(30_000);
});

test('where nothing works, the error says what was tried and what to install, and leaves nothing behind', async () => {
  putProgram(join(folder, 'bin/go'), goScript('1.19.8'));
  const text = await find().then(
    ({ found }) => `found ${found}`,
    (error: Error) => error.message,
  );
  expect(text).toContain('cannot be downloaded from 127.0.0.1:9');
  expect(text).toContain('needs Go 1.25.0 or newer to be built, and');
  expect(text).toContain('is 1.19.8');
  expect(text).toContain(`https://docs.temporal.io/cli, version ${TEMPORAL_CLI_VERSION}`);
  expect(text).toContain('TEMPORAL_ADDRESS');
  expect(readdirSync(dirname(cached()))).toEqual([]);
});
