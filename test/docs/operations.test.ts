/** The page for operators names every metric and every warning that there is, and none that there is not. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createMetrics } from '../../platform/metrics';
import { PACKAGE_ROOT } from '../../platform/paths';
import { SEARCH_ATTRIBUTES } from '../../workflows/contracts/job-lifecycle';

const PAGE = readFileSync(join(PACKAGE_ROOT, 'docs/operations/README.md'), 'utf8');
const inCode = (pattern: RegExp) => new Set([...PAGE.matchAll(pattern)].map(([, name]) => name as string));

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
  expect(said.filter((event) => event !== 'request answered' && !PAGE.includes(`\`${event}\``))).toEqual([]);
});

test('who prepares a namespace by hand is told every search attribute', () => {
  for (const { name } of SEARCH_ATTRIBUTES) expect(PAGE).toMatch(new RegExp(`(for name in .*|--name )${name}\\b`));
});
