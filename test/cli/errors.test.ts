/** What goes wrong is a sentence with what to do next, and a number that scripts can trust. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { FAULTS, isFaultCode } from '../../domain/faults';
import { PACKAGE_ROOT } from '../../platform/paths';
import { ensureBuilt } from '../helpers/built';
import { runBursar, startCli, type TestCli } from './helpers/cli';

let cli: TestCli;
beforeAll(async () => {
  cli = await startCli();
  await cli.api.account('lab', 10);
});
afterAll(() => cli.stop());

test.each([
  [['account', 'show', 'nobody'], 4, 'bursar account list'],
  [['transactions', 'show', 'txn_01JDABCDEFGHJKMNPQRSTVWXYZ'], 4, 'bursar transactions list'],
  [['hold', 'show', 'txn_01JDABCDEFGHJKMNPQRSTVWXYZ'], 4, 'bursar hold list'],
  [['cluster', 'show', 'nowhere'], 4, 'bursar cluster list'],
  [['deposit', 'lab', 'much'], 2, 'amount: "much" is not a decimal number'],
  [['deposit', 'lab', '0.1234567'], 2, 'six decimals'],
  [['deposit', 'lab', '-5'], 2, ''],
  [['account', 'create', 'lab', '--name', 'Lab', '--start', '2026-01-01', '--end', '2026-12-31'], 1, 'keeps its name'],
  [['account', 'create', 'x', '--name', 'X', '--start', '2026-02-30', '--end', '2026-12-31'], 2, '--start'],
  [['account', 'create', 'x'], 2, 'Missing: --name, --start, --end.'],
  [['account', 'list', '--limit', '0'], 2, '--limit'],
  [['transactions', 'list', '--last', 'a while'], 2, '30d'],
  [['frobnicate'], 2, "unknown command 'frobnicate'"],
  [['frobnicate', '--help'], 2, "unknown command 'frobnicate'"],
  [['help', 'frobnicate'], 2, "unknown command 'frobnicate'"],
  [['account', 'shwo', '--help'], 2, 'Did you mean show?'],
  [['account', 'shwo', 'lab'], 2, 'Did you mean show?'],
  [['check', '--account', 'lab'], 2, "required option '--partition"],
  [['check', '--account', 'lab', '--partition', 'cpu', '--time', 'soon'], 2, 'soon'],
])('bursar %j ends with %i', async (args, code, words) => {
  const ended = await cli.bursar(...args);
  expect(ended.err).toContain(words);
  expect(ended).toMatchObject({ code, out: '' });
  expect(ended.err).not.toMatch(/^\s+at /m);
});

test('a command that would take more money than there is is denied, as a job would be', async () => {
  await cli.api.account('poor', 10);
  const job = ['--account', 'poor', '--partition', 'cpu', '--cpus', '50', '--time', '01:00:00'];
  const held = (await cli.works('check', ...job, '--hold', '--json')).json as { transaction_id: string };
  for (const args of [
    ['account', 'update', 'poor', '--budget', '5.99'],
    ['withdraw', 'poor', '4.01'],
    ['check', ...job],
    ['hold', 'resize', held.transaction_id, '10.01'],
  ]) {
    expect({ args, code: (await cli.bursar(...args)).code }).toEqual({ args, code: 3 });
  }
  await cli.works('account', 'update', 'poor', '--budget', '6');
});

test('every fault ends as `bursar --help` says it does', async () => {
  const expected = (code: string, status: number): number => {
    if (status === 402 || code === 'limit_below_use' || code === 'refund_exceeds_charge') return 3;
    return { 400: 2, 404: 4, 405: 2, 413: 2, 415: 2, 503: 5 }[status] ?? 1;
  };
  const server = createServer((request, response) => {
    const code = request.url?.split('/').at(-1) ?? '';
    if (!isFaultCode(code)) return response.writeHead(500).end();
    response.writeHead(FAULTS[code].status, { 'content-type': 'application/problem+json' });
    return response.end(JSON.stringify({ code, detail: 'No.', status: FAULTS[code].status }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  for (const [code, { status }] of Object.entries(FAULTS)) {
    const ended = await runBursar(['account', 'show', code], { endpoint });
    expect({ code, exit: ended.code }).toEqual({ code, exit: expected(code, status) });
  }
  server.close();
  const help = (await cli.bursar('--help')).out;
  expect(help).toMatch(/3 {2}denied: [^\n]*\n?[\s\S]*refund beyond its charge[\s\S]*budget below/);
});

test('every wrong field is named', async () => {
  const { err, code } = await cli.bursar(
    'check',
    '--account',
    'lab',
    '--partition',
    'cpu',
    '--time',
    '1',
    '--cpus',
    'x',
    '--gpus',
    'y',
  );
  expect(code).toBe(2);
  expect(err).toMatch(/cpus: [\s\S]*gpus: /);
});

test('with --json an error is the answer of the server, on stderr', async () => {
  const { err, out } = await cli.bursar('account', 'show', 'nobody', '--json');
  expect(out).toBe('');
  expect(JSON.parse(err)).toMatchObject({ code: 'account_not_found', status: 404 });
});

test('a server that is not there ends with 5 and says how to start one', async () => {
  const ended = await runBursar(['account', 'list'], { endpoint: 'http://127.0.0.1:1' });
  expect(ended).toMatchObject({ code: 5, out: '' });
  expect(ended.err).toBe(
    'Bursar cannot be reached at http://127.0.0.1:1: nothing listens there.\n' +
      '  Start it with `bursar up`, or name another address with --endpoint or BURSAR_URL.\n',
  );
  expect(await runBursar(['account', 'list'], { endpoint: 'nonsense' })).toMatchObject({ code: 2 });
});

describe('a server that behaves badly', () => {
  let server: Server;
  let url: string;
  beforeAll(async () => {
    server = createServer((request, response) => {
      if (request.url?.includes('slow')) return;
      if (request.url?.includes('cut')) request.socket.destroy();
      else if (request.url?.includes('away')) {
        response.writeHead(503, { 'retry-after': '2', 'content-type': 'application/problem+json' });
        response.end(JSON.stringify({ code: 'ledger_unavailable', detail: 'The ledger cannot be reached.' }));
      } else {
        const status = Number(/\d+/.exec(request.url ?? '')?.[0] ?? 200);
        response.writeHead(status, { 'content-type': 'text/html' }).end('<h1>hello</h1>');
      }
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  test('does not answer: the command gives up, and its key makes repeating it safe', async () => {
    const { code, err } = await runBursar(['deposit', 'slow', '5', '--key', 'k-1', '--timeout', '0.2'], {
      endpoint: url,
    });
    expect(code).toBe(5);
    expect(err).toContain('no answer within 0.2 s');
    expect(err).toContain('--key k-1');
  });

  test('cuts the line: the key that the command made is said', async () => {
    const { code, err } = await runBursar(['deposit', 'cut', '5'], { endpoint: url });
    expect(code).toBe(5);
    expect(err).toMatch(/--key cli-\w{26}/);
  });

  test('has lost its database: 5, and when to come again', async () => {
    const { code, err } = await runBursar(['account', 'show', 'away'], { endpoint: url });
    expect(code).toBe(5);
    expect(err).toContain('Try again in 2 s.');
  });

  test.each([200, 302, 400, 404, 500])('is no Bursar at all and says %i: Bursar was not reached', async (status) => {
    const endpoint = `${url}/${status}`;
    for (const args of [['status'], ['account', 'list'], ['account', 'show', 'page']]) {
      const { code, err } = await runBursar(args, { endpoint });
      expect({ args, code }).toEqual({ args, code: 5 });
      expect(err).toContain('is not Bursar');
    }
  });
});

test.each([
  [true, 0],
  [false, 1],
])('a reader that has gone does not change the result: an audit that says %s ends with %i', async (ok, code) => {
  ensureBuilt();
  const report = { ok, accounts: 1, transactions: 1, open_holds: 0, difference: ok ? '0' : '1', findings: [] };
  let answer = () => {};
  const server = createServer((_request, response) => {
    answer = () => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(report));
    server.emit('asked');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const child = spawn(process.execPath, [join(PACKAGE_ROOT, 'bin/bursar.js'), 'audit', '--endpoint', endpoint]);
  await once(server, 'asked');
  // Before a word is written, so that every word meets a closed pipe.
  child.stdout.destroy();
  await once(child.stdout, 'close');
  answer();
  expect(await once(child, 'exit')).toEqual([code, null]);
  server.close();
});

test('what others wrote cannot steer the terminal', async () => {
  const sneaky = await cli.api.post('/api/v1/accounts/lab/deposits', {
    amount: 1,
    description: 'red \u001b[31mmoney\u001b[2J',
  });
  const { out } = await cli.works('transactions', 'show', (sneaky.body as { transaction_id: string }).transaction_id);
  expect(out).toContain('red \ufffd[31mmoney');
  expect(out).not.toContain('\u001b');
});

test('colours only in a terminal, and never where they are not wanted', async () => {
  expect((await cli.inTerminal(100, 'account', 'list')).out).toContain('\u001b[1m');
  expect((await cli.inTerminal(100, 'account', 'list', '--no-color')).out).not.toContain('\u001b');
  expect(
    (await runBursar(['account', 'list'], { endpoint: cli.url, width: 100, env: { NO_COLOR: '1' } })).out,
  ).not.toContain('\u001b');
  expect((await cli.bursar('account', 'list')).out).not.toContain('\u001b');
});
