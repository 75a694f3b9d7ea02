/** What was used, and where the money is going, on the command line. */
import { startCli, type TestCli } from './helpers/cli';

let cli: TestCli;
beforeAll(async () => {
  cli = await startCli();
  await cli.api.account('climate', 1000);
  await cli.api.account('ice', 10);
  await cli.api.account('points', 1000, { unit: 'SU' });
  await ran('climate', 1, '2026-03-01T22:00:00-06:00', '2026-03-02T02:00:00-06:00');
  await ran('climate', 2, '2026-03-02T10:00:00-06:00', '2026-03-02T11:00:00-06:00', 'gpu');
});
afterAll(() => cli.stop());

async function ran(account: string, jobId: number, startedAt: string, endedAt: string, partition = 'cpu') {
  const told = { job_id: jobId, account, user_id: 'rkaur', partition, tres: 'cpu=1000,node=10' };
  const { body } = await cli.api.post('/api/v1/jobs/events', {
    events: [
      { type: 'started', at: startedAt, ...told },
      { type: 'ended', at: endedAt, started_at: startedAt, ...told },
    ],
  });
  await cli.api.ledger.jobs.advance(body.receipts[0].transaction_id as string);
}

const MARCH = ['--from', '2026-03-01', '--to', '2026-03-31'];

test('usage show says the zone, the period and the totals, and has a row for each day', async () => {
  const { out } = await cli.works('usage', 'show', 'climate', ...MARCH, '--group-by', 'day');
  expect(out).toMatch(/^climate, USD, 2026-03-01 to 2026-03-31 \(America\/Chicago\)\nSpent: +600\.00 USD\n/);
  expect(out).toMatch(
    /Jobs: +2, 300\.00 USD each on average\nBudget used: +60 % of 1,000\.00 USD so far\nCPU-hours: +5,000\n/,
  );
  expect(out).toMatch(/DAY +SPENT \(USD\) +SHARE +JOBS +CPU-HOURS +GPU-HOURS +NODE-HOURS/);
  expect(out).toMatch(/2026-03-01 +200\.00 +33\.33 % +0 +2,000 +0 +20 /);
  expect(out).toMatch(/2026-03-02 +400\.00 +66\.67 % +2 +3,000 +0 +30 /);
});

test('filters narrow it, --json is the answer of the API, and rows are paged', async () => {
  const shown = await cli.works('usage', 'show', 'climate', ...MARCH, '--partition', 'gpu', '--json');
  expect(shown.json).toMatchObject({ account: 'climate', summary: { total_spent: 200, total_jobs: 1 } });
  const by = ['usage', 'show', 'climate', ...MARCH, '--group-by', 'day'];
  const first = await cli.works(...by, '--limit', '1');
  expect(first.err).toContain('Only the first 1 are shown');
  expect((await cli.works(...by, '--all', '--json')).json).toMatchObject({ breakdown: [{}, {}] });
  expect(
    (await cli.works('usage', 'show', 'climate', '--user', 'nobody', ...MARCH, '--group-by', 'user')).out,
  ).toContain('Nothing was used in this time.');
});

test('usage summary shows every account, in a table for each unit', async () => {
  const { out } = await cli.works('usage', 'summary', ...MARCH);
  expect(out).toMatch(/^All accounts, USD[\s\S]*climate +600\.00[\s\S]*\nAll accounts, SU, /);
  expect((await cli.works('usage', 'summary', ...MARCH, '--unit', 'SU', '--json')).json).toMatchObject([
    { unit: 'SU' },
  ]);
});

test('--csv prints the rows of a grouping, or the one record of a report; a forecast is one too', async () => {
  const grouped = await cli.works('usage', 'summary', ...MARCH, '--csv');
  expect(grouped.out).toMatch(/^category,label,unit,amount,job_count,.*\r\naccount,climate,USD,600,2,/);
  const whole = await cli.works('usage', 'show', 'climate', ...MARCH, '--csv');
  expect(whole.out).toMatch(/^account,unit,.*\r\nclimate,USD,\[\],2026-03-01 to 2026-03-31,/);
  expect((await cli.works('forecast', 'climate', '--csv')).out).toMatch(/^account,unit,.*\r\nclimate,USD,/);
});

test('what is asked wrongly ends with 2 and names the field, what is not there with 4', async () => {
  expect(await cli.bursar('usage', 'show', 'climate', '--last', '30')).toMatchObject({
    code: 2,
    err: expect.stringContaining('last must be hours, days or weeks, like 12h, 30d or 4w'),
  });
  expect(await cli.bursar('usage', 'show', 'climate', '--last=3d', '--from', '2026-01-01')).toMatchObject({ code: 2 });
  expect(await cli.bursar('usage', 'show', 'climate', '--group-by', 'weekday')).toMatchObject({ code: 2 });
  expect(await cli.bursar('usage', 'show', 'nobody')).toMatchObject({ code: 4 });
  expect(await cli.bursar('forecast', 'nobody')).toMatchObject({ code: 4 });
});

test('forecast says where the money is going, by which method, and how sure that is', async () => {
  const { out } = await cli.works('forecast', 'climate');
  expect(out).toMatch(/Spent so far: +600\.00 of 1,000\.00 USD\nAvailable: +400\.00 USD\n/);
  expect(out).toMatch(/Confidence: +\d(\.\d+)? \(0 to 1\)/);
  expect(out).toMatch(/Method: rolling mean: of \d+ whole days?, /);
});

test('what has not been built is no command', async () => {
  expect(await cli.bursar('burn-rate', 'climate')).toMatchObject({ code: 2 });
});
