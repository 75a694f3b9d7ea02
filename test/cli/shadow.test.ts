/** Watching a cluster from the command line, and what its hooks are told. */
import { startCli, type TestCli } from './helpers/cli';

let cli: TestCli;
beforeAll(async () => {
  cli = await startCli();
  await cli.api.account('lab', 10);
});
afterAll(() => cli.stop());

const JOB = { user: 'alice', account: 'lab', partition: 'cpu', time_limit: 60, num_tasks: 1000 };
const submit = (key: string, job: object) => cli.api.post('/api/v1/slurm/submissions', { key, job });

test('a cluster is watched, the report says who would have been denied, and then it is enforced', async () => {
  expect((await cli.works('shadow', 'report')).out).toMatch(/^Nothing would have been denied\./);
  expect((await cli.works('cluster', 'set', 'default', '--enforcement', 'shadow')).out).toMatch(
    /Decisions: +recorded, not applied/,
  );
  await submit('key-of-alice', JOB);
  await submit('key-of-bob', { ...JOB, user: 'bob', account: 'nobody' });

  const { out } = await cli.works('shadow', 'report', '--since', '1d');
  expect(out).toMatch(/Would be denied: +2 submissions/);
  expect(out).toMatch(/For: +100(\.00)? USD/);
  expect(out).toMatch(/By account[^]*lab[^]*By user[^]*alice[^]*By reason[^]*insufficient_budget[^]*Denials/);
  const { json } = await cli.works('shadow', 'report', '--user', 'bob', '--json');
  expect(json).toMatchObject({ denials: [{ code: 'account_not_found', account: 'nobody' }] });
  const csv = (await cli.works('shadow', 'report', '--account', 'lab', '--csv')).out.split('\r\n');
  expect(csv[0]).toMatch(/^at,cluster,time_zone,account,user_id/);
  expect(csv).toHaveLength(3);
  expect((await cli.works('shadow', 'report', '--limit', '1')).err).toMatch(/Only the first 1/);
  expect((await cli.bursar('shadow', 'report', '--since', 'soon')).code).toBe(2);
});

test('a change of a job that is only watched was made, and is told so', async () => {
  const job = { ...JOB, num_tasks: 1 };
  const key = 'key-of-dora';
  const { body } = await submit(key, job);
  await cli.works('job', 'event', 'default/7', 'submitted', '--hold', String(body.transaction_id));
  const change = { job_id: 7, stamp: `bursar:${key}`, new_key: 'key-of-change', job, changes: { num_tasks: 1000 } };
  expect(await cli.api.post('/api/v1/slurm/modifications', change)).toMatchObject({
    body: { accept: true, would_deny: true },
  });
  const { out } = await cli.works('job', 'show', 'default/7');
  expect(out).toMatch(/change would be refused .*Insufficient budget/);
});

test('what was denied is listed for whoever is asked about it', async () => {
  await cli.works('cluster', 'set', 'default', '--enforcement', 'enforce');
  expect((await cli.works('job', 'refusals')).out).toBe('Nothing was denied.\n');
  await submit('key-of-carol', { ...JOB, user: 'carol' });
  const { out } = await cli.works('job', 'refusals', '--since', '1h', '--user', 'carol');
  expect(out).toMatch(/Denied: +1 submission[^]*Denials[^]*carol +lab .*Insufficient budget/);
});

test.each([
  ['shadow', 'report'],
  ['job', 'refusals'],
  ['job', 'list'],
  ['refunds', 'list'],
])('bursar %s %s of a cluster that is misspelt ends with 4, and not with nothing found', async (...command) => {
  const ended = await cli.bursar(...command, '--cluster', 'nope');
  expect(ended).toMatchObject({ code: 4, out: '' });
  expect(ended.err).toMatch(/There is no cluster "nope"\..*[^]*bursar cluster list/);
});

test('what hooks do while the server is away is set by cluster and by partition', async () => {
  const limit = ['--failure-policy', 'open_to_limit', '--failure-limit', '250'];
  const set = await cli.works(
    'cluster',
    'set',
    'default',
    ...limit,
    '--exempt-users',
    'root,slurm',
    '--without-account',
    'exempt',
  );
  expect(set.out).toMatch(
    /Bursar away: +jobs start up to 250\S* an hour[^]*Exempt users: +root, slurm[^]*No account: +job is exempt/,
  );
  const partition = await cli.works('cluster', 'partition', 'default', 'free', '--exempt', '--failure-policy', 'open');
  expect(partition.out).toMatch(/free .*jobs start unchecked +yes/);
  expect((await cli.works('cluster', 'set', 'default', '--exempt-users', 'none')).out).toMatch(/Exempt users: +none/);
  const unlimited = await cli.bursar('cluster', 'set', 'default', '--failure-limit', 'none');
  expect(unlimited).toMatchObject({ code: expect.any(Number), err: expect.stringContaining('failure_limit') });
});

test('the story of a job says what change its hook let in alone, and which it refused', async () => {
  const at = Math.floor(Date.now() / 1000);
  const key = 'key-of-dave';
  const job = { ...JOB, user: 'dave', num_tasks: 10, submit_time: at - 60 };
  const alone = { source: 'modify', at, job_id: 100, stamp: `bursar:${key}`, job, why: 'policy; timeout' };
  const records = [
    { source: 'submit', key, at: at - 60, outcome: 'open', job },
    { ...alone, key: 'key-of-change-1', outcome: 'open', changes: { time_limit: 90 } },
    { ...alone, key: 'key-of-change-2', outcome: 'closed', changes: { time_limit: 600 } },
  ];
  const { body } = await cli.api.post('/api/v1/slurm/events', { records });
  expect(body).toMatchObject({ recorded: 3 });
  const { out } = await cli.works('job', 'show', 'default/100');
  expect(out).toMatch(/change let in .*The hook let the change in unchecked/);
  expect(out).toMatch(/change refused .*The hook refused the change/);
});
