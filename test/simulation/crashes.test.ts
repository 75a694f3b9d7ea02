/**
 * `kill -9` of every part while jobs come and go, each at a moment that was seen to have come (rulings 33). Where a moment
 * is too short to be met by chance, it is held open: by a lock, or by freezing the process whose next step it waits for.
 * The interleaving is left to the machine; the books in the end are not.
 */
import type { Sql } from '../../platform/postgres';
import { openLedger } from '../../ledger';
import { ensureBuilt } from '../helpers/built';
import { eventually } from '../helpers/eventually';
import { BUDGET_MICRO, CPU_HOUR_MICRO, predictedBooking, predictedCharge, type BookedHold } from './auditor';
import { startCrashStack, type CrashStack, type Part } from './crash-stack';
import { planJobs, seeded, Workload, type Heard } from './workload';

jest.setTimeout(400_000);

const SETTLED_WITHIN_MS = 150_000;
/** Of what follows at once where the machine has nothing else to do. */
const SOON_MS = 60_000;
const seed = Number(process.env.BURSAR_TEST_SEED ?? Date.now() % 2 ** 31);
const random = seeded(seed);

let stack: CrashStack;
beforeAll(async () => {
  process.stderr.write(`crashes.test.ts: BURSAR_TEST_SEED=${seed}\n`);
  ensureBuilt();
  stack = await startCrashStack();
  await eventually('the default cluster is there', () => ask('GET', '/api/v1/clusters/default'), SOON_MS);
  await ask('PUT', '/api/v1/clusters/default', { end_grace_seconds: 0, price_preset: 'none' });
  await ask('POST', '/api/v1/rates', {
    cluster: 'default',
    resource: 'cpu',
    unit: 'USD',
    price: decimal(CPU_HOUR_MICRO),
    starts_at: YEAR_BEGAN,
    source: 'made up',
  });
}, 400_000);
afterAll(() => stack?.[Symbol.asyncDispose](), 180_000);

const year = new Date().getUTCFullYear();
const YEAR_BEGAN = `${year - 1}-01-01T00:00:00Z`;

const decimal = (micro: bigint): string => `${micro / 1_000_000n}.${String(micro % 1_000_000n).padStart(6, '0')}`;

async function ask(method: string, path: string, body?: unknown): Promise<unknown> {
  const response = await fetch(stack.url + path, {
    method,
    ...(body !== undefined && { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text}`);
  return JSON.parse(text);
}

async function openWorkload(account: string, jobs: number): Promise<Workload> {
  await stack.allBack(); // What one death left undone is not the next one's failure.
  await ask('POST', '/api/v1/accounts', {
    slurm_account: account,
    name: account,
    budget_limit: decimal(BUDGET_MICRO),
    start_date: YEAR_BEGAN,
    end_date: `${year + 2}-01-01T00:00:00Z`,
  });
  return new Workload(stack.url, account, planJobs(account, jobs, random));
}

// Moments --------------------------------------------------------------------------------------------------------------

/** Everything that moves money waits until it is let go. */
async function holdTheBooks<T>(meanwhile: () => Promise<T>): Promise<T> {
  return stack.sql.begin(async (tx) => {
    await tx`select from ledger.account_totals order by account_no for no key update`;
    return meanwhile();
  }) as Promise<T>;
}

/** The connections of a part whose statement waits for the books. */
async function waiting(sql: Sql, part: 'api' | 'worker', statement: string): Promise<number[]> {
  const rows = await sql<{ pid: number }[]>`
    select pid from pg_stat_activity
    where application_name = ${`bursar-${part}`} and wait_event_type = 'Lock' and query like ${statement}`;
  return rows.map(({ pid }) => pid);
}

/** Whether all that these connections had asked has been done and committed. */
async function areIdle(sql: Sql, pids: number[]): Promise<boolean> {
  const [row] = await sql<{ idle: number }[]>`
    select count(*)::int as idle from pg_stat_activity where pid = any(${pids}) and state = 'idle'`;
  return row?.idle === pids.length;
}

/**
 * Kills a part when its statement has done its work and it has not heard so yet; `look` sees it just before.
 *
 * Only those statements are waited for that were seen to wait for the books, each of them a transaction of its own. What
 * else a stopped process was about never ends: it does not say the commit of what it had begun, nor send the values of
 * a statement that was being prepared.
 */
async function killBeforeItHears(part: 'api' | 'worker', statement: string, look = async () => {}): Promise<void> {
  const caught = await holdTheBooks(async () => {
    const waits = async () => (await waiting(stack.sql, part, statement)).length > 0;
    await eventually(`the ${part} waits for the books`, waits, SOON_MS);
    await stack.signal(part, 'SIGSTOP');
    return waiting(stack.sql, part, statement);
  });
  try {
    await eventually('its statements are through', () => areIdle(stack.sql, caught), SOON_MS);
    await look();
  } finally {
    await stack.signal(part, 'SIGKILL');
  }
}

/** The minute of a lease, without waiting for it. Who still lives and has it too only says things twice. */
const letLeasesEnd = () =>
  stack.sql`update ledger.outbox set leased_until = '-infinity' where leased_until is not null`;

// The books ------------------------------------------------------------------------------------------------------------

const booksOf = (account: string) => stack.sql<BookedHold[]>`
  select h.hold_id as "holdId", h.status, h.placed_micro as placed, h.held_micro as held, h.charged_micro as charged,
    h.released_micro as released, count(c.charge_no)::int as charges, coalesce(sum(c.amount_micro), 0)::bigint as "chargesSum"
  from ledger.holds h join ledger.accounts a using (account_no) left join ledger.charges c on c.hold_no = h.hold_no
  where a.name = ${account} group by h.hold_no`;

async function expectTrueBooks(account: string, workload: Workload): Promise<void> {
  await stack.allBack();
  await letLeasesEnd();
  await eventually(
    'every hold is closed and every story is over',
    async () => {
      const [left] = await stack.sql<{ holds: number; outbox: number }[]>`
        select (select count(*)::int from ledger.holds where status = 'open') as holds,
          (select count(*)::int from ledger.outbox) as outbox`;
      const { count } = await stack.temporal.withDeadline(() =>
        stack.temporal.client.workflow.count(`WorkflowType = 'jobLifecycle' and ExecutionStatus = 'Running'`),
      );
      if (left?.holds === 0 && left.outbox === 0 && count === 0) return true;
      throw new Error(`left: ${JSON.stringify({ ...left, stories: count })}`);
    },
    SETTLED_WITHIN_MS,
  );

  const expected: BookedHold[] = [];
  for (const job of workload.jobs) {
    const first = workload.decisions.get(job.key);
    const again = await workload.check(job);
    expect([job.key, again.available, again.replayed]).toEqual([job.key, job.fate !== 'too dear', true]);
    expect([job.key, first?.available, first?.transaction_id]).toEqual([
      job.key,
      again.available,
      again.transaction_id,
    ]);
    if (first?.available && first.transaction_id) expected.push(predictedBooking(job, first.transaction_id));
  }
  const byId = (a: BookedHold, b: BookedHold) => (a.holdId < b.holdId ? -1 : 1);
  expect([...(await booksOf(account))].sort(byId)).toEqual(expected.sort(byId));

  const charged = workload.jobs.reduce((sum, job) => sum + predictedCharge(job), 0n);
  expect(await ask('GET', `/api/v1/accounts/${account}/balance`)).toMatchObject({
    granted: Number(decimal(BUDGET_MICRO)),
    settled: Number(decimal(charged)),
    held: 0,
    available: Number(decimal(BUDGET_MICRO - charged)),
  });
  expect(await ask('GET', '/api/v1/audit')).toMatchObject({ ok: true, difference: '0', findings: [], open_holds: 0 });
  // Whatever another transaction has begun meanwhile is sealed with the next ones.
  const sealed = async () => {
    await openLedger(stack.sql, { defaultCluster: 'default' }).audit.seal();
    const seals = (await ask('GET', '/api/v1/audit/seals')) as { unsealed: number };
    return seals.unsealed === 0 && seals;
  };
  expect(await eventually('all of it is sealed', sealed, SOON_MS)).toMatchObject({ ok: true, unsealed: 0 });
}

// The deaths -----------------------------------------------------------------------------------------------------------

test('the API dies between commit and answer: who asks again with the key gets the hold that was placed', async () => {
  const workload = await openWorkload('api', 40); // So many that some are still to come when the books are held.
  const done = workload.run();
  await workload.nth('check', 3 + random(4));
  await killBeforeItHears('api', '%place_holds%', async () => {
    // Answered are fewer than decided: the other answers die with the API.
    const [decided] = await stack.sql<{ checks: number }[]>`
      select count(*)::int as checks from ledger.decisions d join ledger.accounts a using (account_no) where a.name = 'api'`;
    expect(decided?.checks).toBeGreaterThan(workload.decisions.size);
  });
  await done;
  expect(workload.retries).toBeGreaterThan(0);
  await expectTrueBooks('api', workload);
});

test('the dispatcher dies with rows in its hands: their stories are told all the same', async () => {
  const workload = await openWorkload('dispatcher', 20);
  await stack.stop('worker'); // It carries the outbox too.
  const done = workload.run();
  await workload.nth('check', 2 + random(4));
  await stack.signal('temporal', 'SIGSTOP');
  try {
    // A lease is for a minute. Those of before may be told already, and those of seconds ago are about to be given back.
    const [now] = await stack.sql<{ at: string }[]>`select clock_timestamp()::text as at`;
    const areLeased = async () => {
      const [row] = await stack.sql<{ leased: number }[]>`
        select count(*)::int as leased from ledger.outbox
        where leased_until > greatest(${now?.at ?? ''}::timestamptz, clock_timestamp() - interval '1 second') + interval '1 minute'`;
      return (row?.leased ?? 0) > 0;
    };
    await eventually('rows are leased', areLeased, SOON_MS);
    await stack.signal('dispatcher', 'SIGKILL');
  } finally {
    await stack.signal('temporal', 'SIGCONT');
  }
  const [abandoned] = await stack.sql<{ rows: number }[]>`
    select count(*)::int as rows from ledger.outbox where leased_until > clock_timestamp()`;
  expect(abandoned?.rows).toBeGreaterThan(0);
  await stack.start('worker');
  await done;
  await expectTrueBooks('dispatcher', workload);
});

test('the worker dies while it settles: the job is charged once', async () => {
  const workload = await openWorkload('worker', 20);
  const done = workload.run();
  await workload.nth('ended', 1 + random(4));
  await killBeforeItHears('worker', '%act_on_story%');
  await done;
  await expectTrueBooks('worker', workload);
});

test('Temporal dies when jobs have ended: admission goes on, and every story is told to its end', async () => {
  const workload = await openWorkload('temporal', 20);
  const done = workload.run();
  await workload.nth('ended', 2 + random(6));
  await stack.signal('temporal', 'SIGKILL');
  await done;
  await expectTrueBooks('temporal', workload);
});

test('PostgreSQL dies under checks and events: what was acknowledged is there', async () => {
  const workload = await openWorkload('postgres', 24);
  const done = workload.run();
  await workload.nth('check', 3 + random(4));
  await stack.signal('postgres', 'SIGKILL');
  const more = workload.count('ended') + 2 + random(4);
  await workload.nth('ended', more);
  await stack.signal('postgres', 'SIGKILL');
  await done;
  expect(workload.retries).toBeGreaterThan(0);
  await expectTrueBooks('postgres', workload);
});

test('everything dies, in an order and at events that the seed says', async () => {
  const workload = await openWorkload('mixed', 40);
  const parts: Part[] = ['api', 'dispatcher', 'worker', 'temporal', 'postgres'];
  const deaths = parts
    .map((part) => ({ part, order: random(1_000) }))
    .sort((a, b) => a.order - b.order)
    .map(({ part }) => ({ part, after: (['check', 'started', 'ended'] as Heard[])[random(3)] ?? 'check' }));
  const done = workload.run();
  for (const [index, { part, after }] of deaths.entries()) {
    await workload.nth(after, (index + 1) * 4 - random(3));
    await stack.signal(part, 'SIGKILL');
  }
  await done;
  await expectTrueBooks('mixed', workload);
});
