/**
 * The same log again, through the commands that a site uses: `bursar import sacct`, then `bursar usage`. Each day is what XDMoD
 * publishes for it, to the last digit (rulings 32).
 */
import { join } from 'node:path';
import { startCli, type TestCli } from '../cli/helpers/cli';
import { readCsv, readData } from './data';

const LOG = join(process.env.BURSAR_TEST_DATA ?? '', 'sacct-phillips.log');
const DAYS = [
  '--cluster',
  'phillips',
  '--group-by',
  'day',
  '--from',
  '2016-12-01',
  '--to',
  '2017-01-31',
  '--unit',
  'SU',
];

let cli: TestCli;
beforeAll(async () => {
  readData('sacct-phillips.log');
  cli = await startCli();
  await cli.works('cluster', 'create', 'phillips', '--time-zone', 'America/New_York', '--price-preset', 'none');
});
afterAll(() => cli.stop());

const importing = (...args: string[]) =>
  cli.works('import', 'sacct', LOG, '--cluster', 'phillips', '--database-url', cli.api.database.url, ...args);

const daily = async () => {
  const { out } = await cli.works('usage', ...DAYS, '--csv');
  const fourDecimals = (hours = '') => `${hours.split('.')[0]}.${(hours.split('.')[1] ?? '').padEnd(4, '0')}`;
  return readCsv(out).map((row) => ({
    day: row.label,
    cpu_hours: fourDecimals(row.cpu_hours),
    gpu_hours: fourDecimals(row.gpu_hours),
    node_hours: fourDecimals(row.node_hours),
    jobs_ended: row.job_count,
  }));
};

test('the phillips log, imported and reported by commands, has the hours and jobs of each day that XDMoD publishes', async () => {
  const expected = readCsv(readData('sacct-phillips-expected-daily.csv'));
  const accounts = ['--new-accounts', 'create', '--unit', 'SU', '--start', '2016-01-01', '--end', '2017-12-31'];
  const dry = await importing(...accounts, '--json');
  expect(dry.json).toMatchObject({ rows: 4285, new_runs: 4046, unreadable: 0, no_runs: { never_ran: 239 } });
  await importing(...accounts, '--apply');
  expect(await daily()).toEqual(expected);

  // A cluster that has no rates yet; then it gets some, and the money of the time comes in late.
  for (const [resource, rate] of Object.entries({ cpu: '1', gpu: '5' })) {
    await cli.works('rates', 'set', 'phillips', resource, '--su', rate, '--from', '2016-01-01');
  }
  const charged = await importing('--charge', '--apply', '--json');
  expect(charged.json).toMatchObject({ new_runs: 0, late_charges: { runs: 4046 } });
  expect(await daily()).toEqual(expected);
  expect((await importing('--charge', '--apply', '--json')).json).toMatchObject({ rows_done_before: 4285 });
  expect(await cli.api.ledger.audit.run()).toMatchObject({ ok: true });
}, 300_000);
