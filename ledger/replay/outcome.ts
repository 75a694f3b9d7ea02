/** What came of a replay: sums by account, by user and by reason, what was left over time, and each job that was refused. */
import { toMicro, type Micro } from '../../domain/money';
import type { RequeuePolicy } from '../../domain/policy';
import { epochMicros, type Instant } from '../../domain/time';
import type { Sql } from '../../platform/postgres';
import { renderDecision, type RecordedAnswer, type RecordedRequest } from '../decision';

/** Of jobs that belong together. Amounts are of jobs that were refused: what they would have held, and what they had cost. */
export interface Refused {
  jobs: number;
  denied: number;
  deniedHold: Micro;
  deniedCost: Micro;
  firstDeniedAt?: Instant;
}

export interface AccountOutcome extends Refused {
  account: string;
  /** Undefined: the proposal has no such account. */
  unit?: string;
  charged: Micro;
  /** When the last of its jobs had ended, or the log did. */
  held: Micro;
  granted: Micro;
  available: Micro;
}

export interface UserOutcome extends Refused {
  user?: string;
  unit?: string;
  charged: Micro;
}

export interface Reason {
  code: string;
  unit?: string;
  denied: number;
  deniedHold: Micro;
}

/** An account at the end of a day, week or month in which something moved. */
export interface Standing {
  account: string;
  unit: string;
  at: Instant;
  granted: Micro;
  settled: Micro;
  held: Micro;
  available: Micro;
}

export interface DeniedJob {
  jobNo: number;
  account: string;
  unit?: string;
  user?: string;
  cluster: string;
  partition?: string;
  jobId: string;
  jobName?: string;
  submittedAt: Instant;
  code: string;
  message: string;
  hold?: Micro;
  cost?: Micro;
}

export interface Outcome {
  jobs: number;
  denied: number;
  /** Neither asked about nor charged. */
  exempt: number;
  /** Runs that the proposal has no price for; their holds stay. And one of the reasons. */
  unpriced: { jobs: number; detail?: string };
  /** Jobs whose requeue found no money for another full run, by what their accounts do then. They ran on. */
  shortfalls: { policy: RequeuePolicy; jobs: number }[];
  accounts: AccountOutcome[];
  users: UserOutcome[];
  reasons: Reason[];
  balances: Standing[];
}

type Amount = string | null;

const micro = (text: Amount): Micro => toMicro(BigInt(text ?? 0));

interface RefusedRow {
  jobs: number;
  denied: number;
  denied_hold: Amount;
  denied_cost: Amount;
  first_denied_at: Instant | null;
}

const refusedOf = ({ jobs, denied, denied_hold, denied_cost, first_denied_at }: RefusedRow): Refused => ({
  jobs,
  denied,
  deniedHold: micro(denied_hold),
  deniedCost: micro(denied_cost),
  ...(first_denied_at === null ? {} : { firstDeniedAt: first_denied_at }),
});

/** `at`: when the log ends. */
export async function readOutcome(sql: Sql, at: Instant): Promise<Outcome> {
  const sums = sql`
    count(*)::int as jobs, (count(*) filter (where answer is not null))::int as denied,
    (sum(held_micro) filter (where answer is not null))::text as denied_hold,
    (sum(cost_micro) filter (where answer is not null))::text as denied_cost,
    min(submitted_at) filter (where answer is not null) as first_denied_at`;
  const [all] = await sql<{ jobs: number; denied: number; exempt: number; unpriced: number; detail: string | null }[]>`
    select count(*)::int as jobs, (count(*) filter (where answer is not null))::int as denied,
      (count(*) filter (where is_exempt))::int as exempt,
      (count(*) filter (where answer is null and unpriced is not null))::int as unpriced,
      min(unpriced) filter (where answer is null) as detail
    from replay.jobs`;
  const accounts = await sql<
    (RefusedRow & { account: string; unit: string | null } & Record<
        'charged' | 'held' | 'granted' | 'available',
        Amount
      >)[]
  >`
    select coalesce(a.name, j.account) as account, a.unit, coalesce(j.jobs, 0) as jobs, coalesce(j.denied, 0) as denied,
      j.denied_hold, j.denied_cost, j.first_denied_at, t.settled_micro::text as charged, t.held_micro::text as held,
      s.granted_micro::text as granted, s.available_micro::text as available
    from ledger.accounts a
    join ledger.account_totals t using (account_no)
    cross join lateral ledger.spendable(a.account_no, ${at}) s
    full join (select account, ${sums} from replay.jobs group by account) j on j.account = a.name
    order by 1`;
  const users = await sql<(RefusedRow & { user_name: string | null; unit: string | null; charged: Amount })[]>`
    select j.user_name, j.unit, ${sums}, (sum(cost_micro) filter (where answer is null))::text as charged
    from replay.jobs j group by j.user_name, j.unit order by j.user_name, j.unit`;
  const reasons = await sql<{ code: string; unit: string | null; denied: number; held: Amount }[]>`
    select answer ->> 'code' as code, unit, count(*)::int as denied, sum(held_micro)::text as held
    from replay.jobs where answer is not null group by 1, 2 order by 3 desc, 1, 2`;
  const shortfalls = await sql<{ policy: RequeuePolicy; jobs: number }[]>`
    select policy, count(distinct job_no)::int as jobs from replay.shortfalls group by policy order by policy`;
  const balances = await sql<
    ({ account: string; unit: string; at: Instant } & Record<'granted' | 'settled' | 'held' | 'available', Amount>)[]
  >`
    select a.name as account, a.unit, b.at, b.granted_micro::text as granted, b.settled_micro::text as settled,
      b.held_micro::text as held, b.available_micro::text as available
    from replay.balances b join ledger.accounts a using (account_no) order by a.name, b.at`;
  return {
    jobs: all?.jobs ?? 0,
    denied: all?.denied ?? 0,
    exempt: all?.exempt ?? 0,
    unpriced: { jobs: all?.unpriced ?? 0, ...(all?.detail ? { detail: all.detail } : {}) },
    shortfalls: [...shortfalls],
    accounts: accounts.map(({ account, unit, charged, held, granted, available, ...sums }) => ({
      account,
      ...(unit === null ? {} : { unit }),
      ...refusedOf(sums),
      charged: micro(charged),
      held: micro(held),
      granted: micro(granted),
      available: micro(available),
    })),
    users: users.map(({ user_name, unit, charged, ...sums }) => ({
      ...(user_name === null ? {} : { user: user_name }),
      ...(unit === null ? {} : { unit }),
      ...refusedOf(sums),
      charged: micro(charged),
    })),
    reasons: reasons.map(({ code, unit, denied, held }) => ({
      code,
      ...(unit === null ? {} : { unit }),
      denied,
      deniedHold: micro(held),
    })),
    balances: balances.map(({ account, unit, at: when, granted, settled, held, available }) => ({
      account,
      unit,
      at: when,
      granted: micro(granted),
      settled: micro(settled),
      held: micro(held),
      available: micro(available),
    })),
  };
}

interface DeniedRow {
  job_no: number;
  account: string;
  unit: string | null;
  user_name: string | null;
  cluster: string;
  partition: string | null;
  job_id: string;
  job_name: string | null;
  submitted_at: Instant;
  held: Amount;
  cost: Amount;
  request: string | null;
  answer: (RecordedAnswer & { message?: string }) | { code: string; message: string };
}

/** In the order of the log's clock, with the sentence that the user would have read. */
export async function* readDenied(sql: Sql): AsyncGenerator<DeniedJob> {
  const rows = sql<DeniedRow[]>`
    select job_no, account, unit, user_name, cluster, partition, job_id, job_name, submitted_at, held_micro::text as held,
      cost_micro::text as cost, request, answer
    from replay.jobs where answer is not null order by submitted_at, job_no`.cursor(1_000);
  for await (const some of rows) for (const row of some) yield deniedOf(row);
}

function deniedOf(row: DeniedRow): DeniedJob {
  return {
    jobNo: row.job_no,
    account: row.account,
    ...(row.unit === null ? {} : { unit: row.unit }),
    ...(row.user_name === null ? {} : { user: row.user_name }),
    cluster: row.cluster,
    ...(row.partition === null ? {} : { partition: row.partition }),
    jobId: row.job_id,
    ...(row.job_name === null ? {} : { jobName: row.job_name }),
    submittedAt: row.submitted_at,
    code: row.answer.code,
    message: sentenceOf(row),
    ...(row.held === null ? {} : { hold: micro(row.held) }),
    ...(row.cost === null ? {} : { cost: micro(row.cost) }),
  };
}

function sentenceOf({ answer, request, submitted_at }: DeniedRow): string {
  if (!('balance' in answer)) return answer.message;
  // Our own makeItem wrote the request, and judge_hold the answer.
  return renderDecision(JSON.parse(request ?? '{}') as RecordedRequest, answer, submitted_at, false).message;
}

/** Which jobs were refused, by number: what two outcomes of one log are compared by. */
export const byTime = (a: DeniedJob, b: DeniedJob): number =>
  a.submittedAt === b.submittedAt
    ? a.jobNo - b.jobNo
    : epochMicros(a.submittedAt) < epochMicros(b.submittedAt)
      ? -1
      : 1;
