/** The pages for operators name every metric and every warning that there is, and none that there is not. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildFacts } from '../../platform/build-facts';
import { createMetrics } from '../../platform/metrics';
import { PACKAGE_ROOT } from '../../platform/paths';
import { IMAGES, POSTGRES_MIN, TEMPORAL_SERVER_VERSION } from '../../platform/versions';
import { SEARCH_ATTRIBUTES } from '../../workflows/contracts/job-lifecycle';

const FOLDER = join(PACKAGE_ROOT, 'docs/operations');
const page = (name: string): string => readFileSync(join(FOLDER, name), 'utf8');
const PAGES = readdirSync(FOLDER);
const ALL = PAGES.map(page).join('\n');
const inCode = (pattern: RegExp) => new Set([...ALL.matchAll(pattern)].map(([, name]) => name as string));

test('every page is in the index', () => {
  for (const name of PAGES.filter((each) => each !== 'README.md')) expect(page('README.md')).toContain(`](${name})`);
});

test('every metric is there by the name that /metrics prints', async () => {
  const text = await createMetrics({ accountsMax: 1 }).scrape();
  const printed = [...text.matchAll(/^# TYPE (\S+)/gm)]
    .map(([, name]) => name as string)
    .filter((name) => !/^bursar_(process|nodejs)_/.test(name));
  expect([...inCode(/`((?:asbb|bursar)_[a-z_]+)`/g)].sort()).toEqual(printed.sort());
});

test('every warning and error of the log is explained', () => {
  const files = execFileSync('git', ['ls-files', '--', 'api', 'worker', 'platform', 'activities'], {
    cwd: PACKAGE_ROOT,
    encoding: 'utf8',
  });
  const source = files
    .split('\n')
    .filter((path) => path.endsWith('.ts'))
    .map((path) => readFileSync(join(PACKAGE_ROOT, path), 'utf8'))
    .join('\n');
  const calls = [...source.matchAll(/\blog(?:\.(?:warn|error|fatal)|\[level\])\((.*?)\);/gs)].map(
    ([, call]) => call as string,
  );
  const said = calls.flatMap((call) =>
    [...call.matchAll(/(?:^|, ?)'([a-z][^']+)'/g)].map(([, event]) => event as string),
  );
  expect(said.length).toBeGreaterThan(12);
  expect(said.filter((event) => event !== 'request answered' && !page('trouble.md').includes(`\`${event}\``))).toEqual(
    [],
  );
});

test('who prepares a namespace by hand is told every search attribute', () => {
  for (const { name } of SEARCH_ATTRIBUTES)
    expect(page('install.md')).toMatch(new RegExp(`(for name in .*|--name )${name}\\b`));
});

test('what the pages say of versions is what platform/versions.ts pins', () => {
  const [install, compose] = [page('install.md'), page('install-compose.md')];
  const numberOf = (image: string) => /:(\d+(?:\.\d+)*)/.exec(image)?.[1] ?? image;
  expect(install).toContain(`${TEMPORAL_SERVER_VERSION} is what Bursar is tested with`);
  expect(install).toContain(`${POSTGRES_MIN} or newer`);
  expect(compose).toContain(`PostgreSQL ${numberOf(IMAGES.postgres)}, Temporal ${numberOf(IMAGES.temporalServer)} `);
  expect(compose).toContain(`nginx ${numberOf(IMAGES.nginx)},`);
  expect(compose).toContain(`Node ${numberOf(IMAGES.node).split('.')[0]},`);
  for (const name of [...install.matchAll(/bursar-(\d+\.\d+\.\d+)\.tgz/g)].map(([, version]) => version)) {
    expect(name).toBe(buildFacts().version);
  }
});

test('every variable of the compose file is explained, and none that it does not read', () => {
  const file = readFileSync(join(PACKAGE_ROOT, 'docker-compose.yml'), 'utf8');
  const read = new Set([...file.matchAll(/\$\{([A-Z_]+):/g)].map(([, name]) => name as string));
  const explained = [...page('install-compose.md').matchAll(/^\| `([A-Z_]+)`/gm)].map(([, name]) => name as string);
  // Of the command alone, and said where it is used.
  expect(explained.sort()).toEqual([...read].filter((name) => name !== 'BURSAR_TOKEN').sort());
});
