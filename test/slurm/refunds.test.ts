/** Runs that ended through no fault of their user: preempted, under a node that failed, cancelled by somebody else. Their refunds, to the letter. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { renderAmount, toMicro } from '../../domain/money';
import { eventually } from '../helpers/eventually';
import { PostOffice } from '../helpers/post-office';
import { BURSAR } from '../helpers/up';
import { expectTrueBooks, openHolds, refundedOf, runsCharged, runsInSacct } from './books';
import { CPU_SECOND } from './hooks';
import { openHouse, type House } from './house';
import { idsOf } from './people';

jest.setTimeout(600_000);

/** Of lost time this much comes back. */
const LOST_SECONDS = 3;

/** Whoever wants `urgent` takes the nodes of the others: jobs of `spare` are requeued, those of `scrap` are over. */
const PREEMPTION = `
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=spare Nodes=c1,c2 DefaultTime=10 MaxTime=120 PriorityTier=1 PreemptMode=REQUEUE State=UP
PartitionName=scrap Nodes=c1,c2 DefaultTime=10 MaxTime=120 PriorityTier=1 PreemptMode=CANCEL State=UP
PartitionName=urgent Nodes=c1,c2 DefaultTime=10 MaxTime=120 PriorityTier=10 PreemptMode=OFF State=UP
`;

/** Sleeps long; when it is run again, not. */
const ONCE = '--wrap=[ -n "$SLURM_RESTART_COUNT" ] || sleep 300; sleep 2';

let office: PostOffice;
let house: House;
/** A node takes its time to be found dead: its job is looked at after the others. */
let failed: { account: string; job: number; node: 'g1' | 'g2' };
beforeAll(async () => {
  office = new PostOffice();
  house = await openHouse({
    name: 'refunds',
    extraConf: PREEMPTION,
    hook: { deadline_ms: 5_000, history_seconds: 5 },
    settings: {
      BURSAR_NOTIFICATIONS_SMTP_URL: await office.open(),
      BURSAR_NOTIFICATIONS_FROM: 'Bursar <bursar@example.edu>',
      BURSAR_NOTIFICATIONS_ADDRESS: '{user}@example.edu',
    },
  });
  for (const partition of ['spare', 'scrap', 'urgent']) {
    await house.ask('PUT', `/api/v1/clusters/refunds/partitions/${partition}`, { max_time_seconds: 7_200 });
  }
  await policyIs({ refund_node_fail: 'whole', refund_admin_cancel: 'whole', refund_lost_time_seconds: LOST_SECONDS });
  const account = await house.account();
  const job = await house.cluster.sbatch(['-A', account, '-p', 'gpu', '-n', '2', '-t', '5', ONCE]);
  const { BatchHost } = await house.cluster.hasRun(job, 2);
  failed = { account, job, node: BatchHost === 'g1' ? 'g1' : 'g2' };
  await house.cluster.kill(failed.node);
}, 400_000);
afterAll(async () => {
  await house?.[Symbol.asyncDispose]();
  await office.close();
}, 180_000);

const policyIs = (policy: Record<string, unknown>) => house.ask('PUT', '/api/v1/clusters/refunds', policy);

async function bursar(...args: string[]): Promise<string> {
  const { SLURM_CONF, TZ, PATH } = house.cluster.env;
  const env = { SLURM_CONF, TZ, PATH, BURSAR_HOME: join(house.cluster.folder, 'home/root') };
  const command = [BURSAR, '--endpoint', house.bursar.url, ...args];
  const { stdout } = await promisify(execFile)(process.execPath, command, { env });
  return stdout;
}

interface Refund {
  job_id: string;
  reason: string;
  policy: string;
  amount: number;
  refunded: number;
  evidence: { type: string; record: Record<string, unknown> };
  notice: { status: string };
}

const refundsOf = async (account: string): Promise<Refund[]> =>
  JSON.parse(await bursar('refunds', 'list', '--account', account, '--json')) as Refund[];

/** The account's one refund, once it is there. */
const refundTo = (account: string) =>
  eventually(`${account} has got something back`, async () => (await refundsOf(account))[0], 60_000);

const dollars = (micro: bigint): string => renderAmount(toMicro(micro));
const inUnits = (micro: bigint): number => Number(dollars(micro));

/** A job that gets the whole node because it is more urgent, and is soon over. */
const preempt = (account: string, node: string) =>
  house.cluster.sbatch(['-A', account, '-p', 'urgent', '-w', node, '-n', '8', '-t', '1', '--wrap=sleep 2']);

test('a job that is preempted and cancelled pays for what it used, and gets nothing back where the policy is none', async () => {
  const account = await house.account();
  const urgent = await house.account();
  const job = await house.cluster.sbatch(['-A', account, '-p', 'scrap', '-w', 'c1', '-n', '8', '-t', '5']);
  await house.cluster.hasRun(job, 2);
  const other = await preempt(urgent, 'c1');
  await house.cluster.jobIs(job, 'PREEMPTED');
  await house.cluster.jobIs(other, 'COMPLETED');
  await expectTrueBooks(house, account);
  await expectTrueBooks(house, urgent);
  expect(await runsCharged(house, account)).toHaveLength(1);
  expect(await house.ask('GET', `/api/v1/jobs/refunds/${job}`)).toMatchObject({ state: 'settled' });
  expect(await refundsOf(account)).toEqual([]);
});

test('a job that is preempted and requeued has its whole hold again, pays for both runs, and gets its lost time back', async () => {
  await policyIs({ refund_preempted: 'lost_time' });
  const account = await house.account();
  const urgent = await house.account();
  const job = await house.cluster.sbatch(['-A', account, '-p', 'spare', '-w', 'c2', '-n', '8', '-t', '5']);
  // 120 % of five minutes.
  const whole = (8n * 300n * CPU_SECOND * 6n) / 5n;
  expect(await openHolds(house, account)).toMatchObject([{ held: whole }]);
  await house.cluster.hasRun(job, LOST_SECONDS + 2);
  await preempt(urgent, 'c2');
  await eventually(
    'its first run is charged and its hold is whole again',
    async () => {
      const [runs, holds] = [await runsCharged(house, account), await openHolds(house, account)];
      return runs.length === 1 && holds.length === 1 && holds[0]?.held === whole;
    },
    60_000,
  );
  // Its user ends the second one, which does not end by itself while that is looked at.
  await house.cluster.hasRun(job, 2);
  await house.cluster.ask('scancel', [String(job)]);
  await house.cluster.jobIs(job, 'CANCELLED');
  await expectTrueBooks(house, account);
  await expectTrueBooks(house, urgent);
  expect(await runsCharged(house, account)).toHaveLength(2);
  const lost = 8n * BigInt(LOST_SECONDS) * CPU_SECOND;
  expect(await refundTo(account)).toMatchObject({
    job_id: String(job),
    reason: 'preempted',
    policy: 'lost_time',
    amount: inUnits(lost),
    evidence: { record: { endState: 'PREEMPTED' } },
  });
  expect(await refundedOf(house, account)).toBe(lost);
});

test('what root or an operator cancels comes back whole, with the accounting’s word for who it was; what its user cancels does not', async () => {
  const sacctmgr = (level: string) =>
    house.cluster.ask('sacctmgr', ['-iQ', 'modify', 'user', 'bob', 'set', `adminlevel=${level}`], { user: 'root' });
  await sacctmgr('Operator');
  const [byRoot, byBob, byAlice] = [await house.account(), await house.account(), await house.account()];
  const submitted = (account: string) => house.cluster.sbatch(['-A', account, '-n', '2', '-t', '5']);
  const [first, second, third] = [await submitted(byRoot), await submitted(byBob), await submitted(byAlice)];
  for (const job of [first, second, third]) await house.cluster.hasRun(job, 2);
  await house.cluster.ask('scancel', [String(first)], { user: 'root' });
  await house.cluster.ask('scancel', [String(second)], { user: 'bob' });
  await house.cluster.ask('scancel', [String(third)], { user: 'alice' });
  await sacctmgr('None');
  for (const [account, uid] of [
    [byRoot, 0],
    [byBob, idsOf('bob').uid],
  ] as const) {
    const refund = await refundTo(account);
    await expectTrueBooks(house, account);
    const [run] = await runsInSacct(house, account);
    expect(refund).toMatchObject({
      reason: 'admin_cancel',
      policy: 'whole',
      amount: inUnits(run?.micro ?? 0n),
      evidence: { record: { endState: 'CANCELLED', cancelledBy: String(uid) } },
    });
    expect((await house.balance(account)).settled).toBe(0);
  }
  await expectTrueBooks(house, byAlice);
  expect(await refundsOf(byAlice)).toEqual([]);
});

test('a job whose node fails gets all that it had paid back, and pays for its next run', async () => {
  await house.cluster.jobEndedAs(failed.job, 'COMPLETED', 180_000);
  await house.cluster.start(failed.node);
  await expectTrueBooks(house, failed.account);
  const [first, second] = (await runsCharged(house, failed.account)).toSorted((a, b) => a.start - b.start);
  expect(await refundTo(failed.account)).toMatchObject({
    job_id: String(failed.job),
    reason: 'node_fail',
    policy: 'whole',
    amount: inUnits(first?.micro ?? 0n),
    evidence: { record: { endState: 'NODE_FAIL' } },
  });
  expect((await house.balance(failed.account)).settled).toBe(inUnits(second?.micro ?? 0n));
  expect(await refundsOf(failed.account)).toHaveLength(1);
});

test('each user was told by e-mail: of which job, how much and why; once', async () => {
  const refunds = JSON.parse(await bursar('refunds', 'list', '--cluster', 'refunds', '--json')) as Refund[];
  expect(refunds.map(({ reason }) => reason).sort()).toEqual([
    'admin_cancel',
    'admin_cancel',
    'node_fail',
    'preempted',
  ]);
  await eventually(
    'all of it has been told',
    async () => {
      const told = JSON.parse(await bursar('refunds', 'list', '--cluster', 'refunds', '--json')) as Refund[];
      return told.every(({ notice }) => notice.status === 'sent');
    },
    120_000,
  );
  expect(office.letters.map(({ to }) => to)).toEqual(refunds.map(() => 'alice@example.edu'));
  for (const { job_id, refunded } of refunds) {
    const subject = new RegExp(`^Subject: ${refunded} USD refunded for job refunds/${job_id}\\r$`, 'm');
    expect(office.letters.filter(({ text }) => subject.test(text))).toHaveLength(1);
  }
});

test('what nobody guarded comes in by `bursar import sacct --live`, beside what is charged already; a second time changes nothing', async () => {
  const account = await house.account();
  const charged = await house.cluster.sbatch(['-A', account, '--wrap=sleep 1']);
  // Root is exempt: nobody is asked, nothing is held, nothing is charged.
  const free = await house.cluster.sbatch(['-n', '2', '--wrap=sleep 3'], { user: 'root' });
  await house.cluster.jobIs(charged, 'COMPLETED');
  await house.cluster.jobIs(free, 'COMPLETED');
  await expectTrueBooks(house, account);
  const year = new Date().getUTCFullYear();
  const where = ['--database-url', house.bursar.databaseUrl, '--cluster', 'refunds', '--json'];
  const accounts = ['--new-accounts', 'create', '--start', `${year - 1}-01-01`, '--end', `${year + 1}-12-31`];
  const run = async (...more: string[]) =>
    JSON.parse(await bursar('import', 'sacct', '--live', '--since', '2h', ...where, ...accounts, ...more)) as unknown;
  const kept = async () => {
    const { sql } = house.bursar;
    const rows = await sql<{ cpus: number; seconds: number; charged: boolean }[]>`
      select cpus::int, (active_micros / 1000000)::int as seconds, charge_no is not null as charged
      from ledger.imported_runs order by job_id, started_at`;
    const [moved] = await sql<{ count: number }[]>`select count(*)::int from ledger.transactions`;
    return { rows: [...rows], moved: moved?.count };
  };

  const before = await kept();
  const columns = ['JobIDRaw', 'Start', 'ElapsedRaw', 'AllocCPUS'];
  const ran = (await house.cluster.sacct(columns, ['-X', '-D', '-S', 'now-2hours', '-E', 'now'])).toSorted((a, b) =>
    `${a.JobIDRaw} ${a.Start}` < `${b.JobIDRaw} ${b.Start}` ? -1 : 1,
  );
  const all = { rows: ran.length, runs: ran.length, unreadable: 0, unpriced: 0, left_out: 0 };
  const news = { ...all, new_runs: ran.length, new_accounts: ['root'] };
  expect(await run()).toMatchObject({ ...news, applied: false });
  expect(await kept()).toEqual(before);
  expect(await run('--apply')).toMatchObject({ ...news, applied: true });
  const after = await kept();
  expect(after).toMatchObject({ rows: { length: ran.length }, moved: before.moved });
  expect(after.rows.map(({ cpus, seconds }) => [cpus, seconds])).toEqual(
    ran.map(({ AllocCPUS, ElapsedRaw }) => [Number(AllocCPUS), Number(ElapsedRaw)]),
  );
  expect(after.rows.filter((row) => !row.charged)).toMatchObject([{ cpus: 2 }]);
  expect(await run('--apply')).toMatchObject({ ...all, new_runs: 0, new_accounts: [] });
  expect(await kept()).toEqual(after);
  await expectTrueBooks(house, account);
});
