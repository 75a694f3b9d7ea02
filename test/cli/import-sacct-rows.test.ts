/** `bursar import sacct`: what rows, names and files get wrong, and what is told of it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestDatabase } from '../helpers/database';
import { openJobsHouse } from '../ledger/jobs-house';
import { runBursar } from './helpers/cli';

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'bursar-sacct-rows-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const importing = ({ url }: Pick<TestDatabase, 'url'>, content: string | Buffer, ...args: string[]) => {
  const file = join(folder, 'sacct.log');
  writeFileSync(file, content);
  return runBursar(['import', 'sacct', file, '--cluster', 'hpc', '--database-url', url, ...args]);
};

const HEADER = 'JobID|Account|User|Submit|Start|End|Elapsed|State|NNodes|NCPUS|AllocTRES|NodeList';

/** Rows from what they have behind the account and the user. */
const log = (...rows: string[]): string => [HEADER, ...rows, ''].join('\n');
const hour = (id: number, resources: string, account = 'physics') =>
  `${id}|${account}|rkaur|2026-03-02T11:00:00|2026-03-02T12:00:00|2026-03-02T13:00:00|01:00:00|COMPLETED|${resources}|n1`;

const reported = (file: string): Record<string, string>[] =>
  (JSON.parse(readFileSync(file, 'utf8')) as { findings: Record<string, string>[] }).findings;

test('a count that sacct has shortened counts whole, and one that is none makes its row unreadable', async () => {
  await using house = await openJobsHouse();
  const report = join(folder, 'report.json');
  const text = log(hour(7, '2K|2K|'), hour(8, 'foo|bar|'), hour(9, '2|64|node=2,mem=8G,gres/gpu=4'));
  expect((await importing(house, text, '--json', '--report', report)).json).toMatchObject({
    runs: 2,
    unreadable: 1,
    cpu_hours: '2112',
    node_hours: '2050',
    gpu_hours: '4',
  });
  expect(reported(report).filter(({ kind }) => kind === 'unreadable')).toEqual([
    expect.objectContaining({ line: '3', detail: expect.stringContaining('column NNodes: "foo" is no count') }),
  ]);
});

test('in the hour that comes twice a run lasts as long as Elapsed says, and who cannot be told apart is reported', async () => {
  await using house = await openJobsHouse({ cluster: { timeZone: 'America/New_York' } });
  const report = join(folder, 'report.json');
  const night = (id: number, start: string, end: string, elapsed: string) =>
    `${id}|physics|rkaur|2026-10-31T12:00:00|2026-11-01T${start}|2026-11-01T${end}|${elapsed}|COMPLETED|1|1||n1`;
  const text = log(
    night(1, '01:10:00', '01:50:00', '01:40:00'),
    night(2, '01:30:00', '03:00:00', '01:30:00'),
    night(3, '00:30:00', '01:30:00', '02:00:00'),
    night(4, '01:10:00', '01:50:00', '00:40:00'),
  );
  const imported = await importing(house, text, '--apply', '--json', '--report', report);
  expect(imported.json).toMatchObject({ cpu_hours: '5.8333', times_in_doubt: 1 });
  expect(reported(report).filter(({ kind }) => kind !== 'unpriced')).toEqual([
    expect.objectContaining({
      kind: 'uncertain_time',
      job_id: '4',
      detail: expect.stringContaining('taken to have run from 2026-11-01T05:10:00Z to 2026-11-01T05:50:00Z'),
    }),
  ]);
});
