/** What the books must say when jobs have ended, from what Slurm's own accounting says and plain arithmetic. It shares no code with Bursar. */
import { eventually } from '../helpers/eventually';
import { CPU_SECOND, GPU_SECOND } from './hooks';
import type { House } from './house';

/** One execution of a job: what it cost, and what makes it this one. */
export interface Run {
  /** The array's own number; of a heterogeneous job, the component's. */
  job: string;
  /** Unix seconds. */
  start: number;
  end: number;
  micro: bigint;
  /** In the books: what it is charged under. */
  key?: string;
  /** In accounting: what it would have cost had nobody suspended it. */
  unsuspendedMicro?: bigint;
}

const COLUMNS = ['JobID', 'JobIDRaw', 'State', 'Start', 'End', 'ElapsedRaw', 'AllocTRES'];

/**
 * Every run of an account that Slurm's accounting knows, requeued ones too. Fails while one of them has not ended, unless runs
 * may have been lost: what a killed controller had not saved goes on to run in its accounting for ever.
 */
export async function runsInSacct({ cluster }: House, account: string, { mayBeLost = false } = {}): Promise<Run[]> {
  const rows = await cluster.sacct(COLUMNS, ['-X', '-D', '-A', account, '-S', 'now-1day', '-E', 'now+1day']);
  const isOver = ({ State = '', End }: Record<string, string>) =>
    !/PENDING|RUNNING|SUSPENDED/.test(State) && End !== 'Unknown';
  const unfinished = rows.filter((row) => !isOver(row));
  if (unfinished.length > 0 && !mayBeLost) throw new Error(`not over yet: ${JSON.stringify(unfinished)}`);
  return rows.filter(isOver).flatMap((row): Run[] => {
    const { JobID = '', JobIDRaw = '', Start = '', End = '', ElapsedRaw = '0', AllocTRES = '' } = row;
    if (!/^\d{4}-/.test(Start) || AllocTRES === '') return [];
    const seconds = (text: string) => Date.parse(`${text}Z`) / 1_000;
    const count = (name: string) => BigInt(new RegExp(`(?:^|,)${name}=(\\d+)`).exec(AllocTRES)?.[1] ?? 0);
    // While it is suspended, a job gives its CPUs back and keeps its GPUs; Elapsed is without that time.
    const wall = BigInt(seconds(End) - seconds(Start));
    const cpuMicro = BigInt(ElapsedRaw) * count('cpu') * CPU_SECOND;
    const gpuMicro = wall * count('gres/gpu') * GPU_SECOND;
    const unsuspendedMicro = wall * count('cpu') * CPU_SECOND + gpuMicro;
    const job = JobID.includes('+') ? JobIDRaw : (JobID.split('_')[0] ?? '');
    return [{ job, start: seconds(Start), end: seconds(End), micro: cpuMicro + gpuMicro, unsuspendedMicro }];
  });
}

/** Runs of which Slurm's accounting itself has lost the start (of one that is requeued a moment after it began): from submit to end. */
export async function runsWithoutStart({ cluster }: House, account: string): Promise<(run: Run) => boolean> {
  const rows = await cluster.sacct(
    [...COLUMNS, 'Submit'],
    ['-X', '-D', '-A', account, '-S', 'now-1day', '-E', 'now+1day'],
  );
  const lost = rows.filter(
    ({ State, Start = '', AllocTRES }) => State === 'REQUEUED' && AllocTRES && !/^\d{4}-/.test(Start),
  );
  const seconds = (text = '') => Date.parse(`${text}Z`) / 1_000;
  return ({ job, start, end }) =>
    lost.some((row) => row.JobIDRaw === job && start >= seconds(row.Submit) && end <= seconds(row.End));
}

/** What was charged to an account, run by run. */
export async function runsCharged({ bursar }: House, account: string): Promise<Run[]> {
  return bursar.sql<Run[]>`
    select ch.run_key as key, ch.job_id as job, extract(epoch from ch.started_at)::int as start,
      extract(epoch from ch.ended_at)::int as end, ch.amount_micro + ch.adjusted_micro as micro
    from ledger.charges ch join ledger.accounts a using (account_no) where a.name = ${account}`;
}

/** What was given back to it, of whatever it was charged. */
export async function refundedOf({ bursar }: House, account: string): Promise<bigint> {
  const [row] = await bursar.sql<{ micro: bigint }[]>`
    select coalesce(sum(ch.refunded_micro), 0)::bigint as micro
    from ledger.charges ch join ledger.accounts a using (account_no) where a.name = ${account}`;
  return row?.micro ?? 0n;
}

/** What was charged less what was given back, and what the API says, of a moment at which nothing moved. */
async function settledAndBalance(house: House, account: string) {
  const sum = async () =>
    (await runsCharged(house, account)).reduce((total, { micro }) => total + micro, 0n) -
    (await refundedOf(house, account));
  for (;;) {
    const [settled, balance] = [await sum(), await house.balance(account)];
    if (settled === (await sum())) return { settled, balance };
  }
}

interface OpenHold {
  key: string;
  /** The jobs that it is bound to. */
  jobs: string[];
  held: bigint;
}

export async function openHolds({ bursar }: House, account: string): Promise<OpenHold[]> {
  return bursar.sql<OpenHold[]>`
    select h.hold_id as key, h.held_micro as held,
      array(select j.job_id from ledger.jobs j where j.hold_no = h.hold_no order by j.job_no) as jobs
    from ledger.holds h join ledger.accounts a using (account_no) where a.name = ${account} and h.status = 'open'`;
}

/** What Bursar knows of the jobs, where it differs from what Slurm does. */
async function tellStories(house: House, account: string): Promise<void> {
  for (const job of new Set((await runsInSacct(house, account)).map((run) => run.job))) {
    const { state, events, transactions, hold } = await house.ask<Record<string, unknown>>(
      'GET',
      `/api/v1/jobs/${house.cluster.name}/${job}`,
    );
    process.stderr.write(`job ${job}: ${JSON.stringify({ state, hold, events, transactions })}\n`);
  }
}

/** All that is known of the jobs of one id, of which the controller may have had several. */
export async function tellAllOf({ bursar, cluster }: House, id: string): Promise<void> {
  const jobs = await bursar.sql`
    select j.job_no::int, j.submitted_at, j.stamp, h.hold_id, h.late, h.status, a.name as account,
      (select s.due_at from ledger.stories s where s.hold_no = h.hold_no) as "storyIsDue",
      (select count(*)::int from ledger.outbox o where o.hold_no = h.hold_no) as untold, j.state,
      (select json_agg(json_build_object('type', e.type, 'at', e.at, 'recorded', e.recorded_at, 'facts', e.facts) order by e.event_no)
       from ledger.job_events e where e.job_no = j.job_no) as events
    from ledger.jobs j left join ledger.holds h using (hold_no) left join ledger.accounts a on a.account_no = h.account_no
    where j.job_id = ${id} order by j.job_no`;
  for (const job of jobs) process.stderr.write(`job ${id} in the books: ${JSON.stringify(job)}\n`);
  const rows = await cluster.sacct([...COLUMNS, 'Submit', 'Account', 'AdminComment'], ['-X', '-D', '-j', id]);
  for (const row of rows) process.stderr.write(`job ${id} in accounting: ${JSON.stringify(row)}\n`);
}

/** A run that began and ended in the same second costs nothing, and need not be there. */
export const shown = (runs: readonly Run[]): string[] =>
  runs
    .filter(({ micro }) => micro > 0n)
    .map(({ job, start, micro }) => `job ${job} from ${start}: ${micro}`)
    .sort();

export interface Expectations {
  /** How long the last road, the comparison with sacct, may take to mend what the others lost. */
  withinMs?: number;
  /** Not where the controller was killed: then sacct tells of runs that never ended, and overwrites others. */
  asSacctSays?: boolean;
}

/** No hold lost or left, no run charged twice, and charges equal to what sacct says times the rates. */
export async function expectTrueBooks(
  house: House,
  account: string,
  { withinMs = 120_000, asSacctSays = true }: Expectations = {},
): Promise<void> {
  await eventually(
    `no hold of ${account} is open`,
    async () => {
      const open = await openHolds(house, account);
      if (open.length > 0)
        throw new Error(
          `open: ${JSON.stringify(open, (_, value) => (typeof value === 'bigint' ? String(value) : (value as unknown)))}`,
        );
      return true;
    },
    withinMs,
  ).catch(async (error: unknown) => {
    const jobs = (await openHolds(house, account)).flatMap((hold) => hold.jobs);
    for (const job of new Set(jobs)) await tellAllOf(house, job);
    throw error;
  });
  if (asSacctSays) {
    const same = async () => {
      const [said, charged] = [shown(await runsInSacct(house, account)), shown(await runsCharged(house, account))];
      return JSON.stringify(said) === JSON.stringify(charged);
    };
    await eventually('every run is charged as sacct has it', same, withinMs).catch(() => tellStories(house, account));
    expect(shown(await runsCharged(house, account))).toEqual(shown(await runsInSacct(house, account)));
  }
  const charged = await runsCharged(house, account);
  // A job that came back from a crash may have got another submit time; it is the same run if it began at the same moment.
  const runs = charged.map(({ key = '' }) => key.replace(/^([^/]+\/[^/]+)\/[^/]+/, '$1'));
  const twice = runs.filter((run, index) => runs.indexOf(run) !== index);
  for (const run of twice) await tellAllOf(house, run.split('/')[1] ?? '');
  expect(twice).toEqual([]);
  const { settled, balance } = await settledAndBalance(house, account);
  expect(balance).toMatchObject({ held: 0, settled: Number(settled) / 1_000_000 });
  expect(await house.ask('GET', '/api/v1/audit')).toMatchObject({ ok: true, difference: '0', findings: [] });
}
