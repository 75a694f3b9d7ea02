/** Doing things together changes no answer: not in a replay, and not where runs are settled as a batch. */
import { toMicro } from '../../domain/money';
import { requestOf } from '../../ledger/charges';
import { replay, type DeniedJob, type Outcome, type Proposal } from '../../ledger/replay';
import { closeHold } from './charge-door';
import { openMoneyHouse, usd, type MoneyHouse } from './money-house';

const SEED = Number(process.env.BURSAR_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));

/** Small and repeatable; the seed is in the name of each test. */
function random(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

let house: MoneyHouse;
beforeAll(async () => void (house = await openMoneyHouse()));
afterAll(() => house.database.drop());

// Replays -----------------------------------------------------------------------------------------------------------------

const HEADER =
  'JobID|Account|User|Partition|Submit|Start|End|State|NNodes|ReqTRES|AllocTRES|Timelimit|NodeList|JobName';
const ACCOUNTS = ['alone', 'quarters', 'crowded', 'child-a', 'child-b', 'deep', 'stranger'];

/** Jobs of all kinds over six days: arrays, requeues, cancelled before they ran, longer than they said, across windows. */
function* logOf(next: (below: number) => number, jobs: number): Generator<string> {
  yield HEADER;
  const at = (second: number) => new Date(Date.UTC(2026, 2, 29) + second * 1000).toISOString().slice(0, 19);
  for (let id = 1; id <= jobs; id += 1) {
    // Whole minutes, so that ends and submissions meet in one instant.
    const submit = 60 * next(6 * 24 * 60);
    const start = submit + 60 * next(30);
    const limit = 60 * (1 + next(180));
    const end = start + Math.min(limit + (next(20) === 0 ? 1200 : 0), 60 * next(200));
    const cpus = 1 + next(8);
    const about = `${ACCOUNTS[next(ACCOUNTS.length)]}|u${next(5)}|${next(3) === 0 ? 'gpu' : 'cpu'}`;
    const tres = `cpu=${cpus},node=1|cpu=${cpus},node=1|${Math.floor(limit / 3600)}:${String(Math.floor(limit / 60) % 60).padStart(2, '0')}:00`;
    const row = (task: string, from: number, to: number, state: string, submitted = submit, nodes = 'n1') =>
      `${id}${task}|${about}|${at(submitted)}|${at(from)}|${at(to)}|${state}|1|${tres}|${nodes}|job`;
    const kind = next(10);
    if (kind === 0) yield row('', start, start, 'CANCELLED by 1', submit, 'None assigned');
    else if (kind === 1)
      for (let task = 0; task < 3; task += 1) yield row(`_${task}`, start, end + 60 * task, 'COMPLETED');
    else if (kind === 2) {
      yield row('', start, end, 'NODE_FAIL');
      yield row('', end + 60, end + 600, 'COMPLETED', end + 1);
    } else yield row('', start, end, next(4) === 0 ? 'TIMEOUT' : 'COMPLETED');
  }
}

const WINDOW = { startsAt: '2026-01-01T00:00:00Z', endsAt: '2027-01-01T00:00:00Z' };
const QUARTER = '2026-04-01T00:00:00Z';

const PROPOSAL: Proposal = {
  clusters: [
    {
      name: 'big',
      settings: { timeZone: 'UTC', unpriced: 'deny', refundNodeFail: 'whole', exemptUsers: ['u4'] },
      partitions: [{ name: 'gpu', queueWeight: '1.5' }],
      rates: [
        { resource: 'cpu', unit: 'USD', rate: usd('0.1'), startsAt: WINDOW.startsAt, endsAt: null, source: 'test' },
      ],
    },
  ],
  accounts: [
    account('alone', { budgetLimit: usd('60'), onExhaustion: 'overdraft', overdraftLimit: usd('5') }),
    {
      ...account('quarters', {}),
      deposits: [
        { amount: usd('40'), opensAt: WINDOW.startsAt, closesAt: QUARTER },
        { amount: usd('30'), opensAt: QUARTER, closesAt: WINDOW.endsAt },
      ],
    },
    {
      ...account('crowded', { budgetLimit: usd('30') }),
      deposits: [{ amount: usd('30'), opensAt: '2026-03-30T00:00:00Z', closesAt: '2026-04-02T00:00:00Z' }],
      limits: [{ user: '*', limit: usd('6') }],
    },
    account('parent', { subtreeLimit: usd('90') }),
    {
      ...account('child-a', { parent: 'parent', budgetLimit: usd('70') }),
      limits: [{ partition: 'gpu', limit: usd('12') }],
    },
    account('child-b', { parent: 'parent', budgetLimit: usd('70') }),
    account('deep', { parent: 'child-b', budgetLimit: usd('500') }),
  ],
};

function account(
  name: string,
  settings: Partial<Proposal['accounts'][number]['settings']>,
): Proposal['accounts'][number] {
  return { name, unit: 'USD', settings: { title: name, ...WINDOW, ...settings }, deposits: [], limits: [] };
}

async function replayed(
  lines: readonly string[],
  how: { together?: boolean; lanes?: number },
  proposal: Proposal = PROPOSAL,
) {
  async function* spoken() {
    for (const line of lines) yield await Promise.resolve(line);
  }
  const options = {
    url: house.database.url,
    log: { timeZone: 'UTC', cluster: 'big' },
    every: 'day' as const,
    onProgress: () => undefined,
    signal: new AbortController().signal,
    ...how,
  };
  return replay([proposal], spoken(), options, async (_, [one]) => {
    if (!one) throw new Error('nothing was replayed');
    const denied: DeniedJob[] = [];
    for await (const job of one.denied()) denied.push(job);
    return { outcome: one.outcome satisfies Outcome, denied };
  });
}

test(`a log walked in batches over two connections is the log walked job by job: denials, sentences, balances (seed ${SEED})`, async () => {
  const lines = [...logOf(random(SEED), 600)];
  const exactly = await replayed(lines, { together: false, lanes: 1 });
  // Of the six ways to be refused here, most are seen whatever the seed.
  expect(new Set(exactly.denied.map(({ code }) => code)).size).toBeGreaterThan(2);
  expect(exactly.outcome.exempt).toBeGreaterThan(50);
  expect(exactly.denied.some(({ user }) => user === 'u4')).toBe(false);
  expect(exactly.denied.length + exactly.outcome.exempt).toBeLessThan(exactly.outcome.jobs - 50);
  expect(await replayed(lines, { lanes: 2 })).toEqual(exactly);
});

test('neither a cost beyond its hold nor a second fund lets a job find money that it would not have found in its turn', async () => {
  const job = (id: number, account: string, begins: string, hours: number, ends: string) =>
    `${id}|${account}|eve|cpu|2026-03-${begins}|2026-03-${begins}|2026-03-${ends}|COMPLETED|1|cpu=1,node=1|cpu=1,node=1|${hours}:00:00|n1|job`;
  const lines = [
    HEADER,
    // Holds 4 of 10 and costs 7, so that 3 are left for one that asks for 4.
    job(1, 'over', '02T08:00:00', 4, '02T15:00:00'),
    job(2, 'over', '02T15:30:00', 4, '02T16:00:00'),
    // The first gives 9 back to the fund that ends today, and the second takes them; else 10 of tomorrow's 20 would be gone.
    job(3, 'crowded', '02T08:00:00', 10, '02T09:00:00'),
    job(4, 'crowded', '02T09:30:00', 10, '02T19:30:00'),
    job(5, 'crowded', '03T08:00:00', 15, '03T09:00:00'),
    ...Array.from({ length: 12 }, (_, n) =>
      job(10 + n, 'rich', `02T${String(n + 8).padStart(2, '0')}:10:00`, 1, '02T21:00:00'),
    ),
  ];
  const proposal: Proposal = {
    clusters: [
      {
        name: 'big',
        settings: { timeZone: 'UTC', holdMultiplier: '1' },
        partitions: [],
        rates: [
          { resource: 'cpu', unit: 'USD', rate: usd('1'), startsAt: WINDOW.startsAt, endsAt: null, source: 'test' },
        ],
      },
    ],
    accounts: [
      account('over', { budgetLimit: usd('10') }),
      account('rich', { budgetLimit: usd('1000') }),
      {
        ...account('crowded', {}),
        deposits: [
          { amount: usd('10'), opensAt: WINDOW.startsAt, closesAt: '2026-03-03T00:00:00Z' },
          { amount: usd('20'), opensAt: WINDOW.startsAt, closesAt: WINDOW.endsAt },
        ],
      },
    ],
  };
  for (const together of [false, true]) {
    const { denied } = await replayed(lines, { together, lanes: 1 }, proposal);
    expect(denied.map(({ jobId, code }) => [jobId, code])).toEqual([['2', 'insufficient_budget']]);
  }
});

// Settling ------------------------------------------------------------------------------------------------------------------

/** All rows that money is made of, without their numbers and ids. */
async function booksOf(accounts: readonly string[]): Promise<unknown> {
  const { sql } = house.database;
  const of = async (query: string) =>
    (await sql.unsafe<{ row: unknown }[]>(query, [[...accounts]])).map(({ row }) => row);
  return {
    funds: await of(
      `select to_jsonb(f) - '{fund_no,fund_id,account_no,created_at}'::text[] as row from ledger.funds f join ledger.accounts a using (account_no) where a.name = any ($1) order by a.account_no, f.fund_no`,
    ),
    totals: await of(
      `select to_jsonb(t) - 'account_no' as row from ledger.account_totals t join ledger.accounts a using (account_no) where a.name = any ($1) order by a.account_no`,
    ),
    limits: await of(
      `select to_jsonb(l) - '{limit_no,account_no}'::text[] as row from ledger.limits l join ledger.accounts a using (account_no) where a.name = any ($1) order by a.account_no, l.partition, l.user_name`,
    ),
    holds: await of(
      `select to_jsonb(h) - '{hold_no,hold_id,account_no,placed_at,closed_at}'::text[] || jsonb_build_object('parts', (select jsonb_agg(p.held_micro order by p.fund_no) from ledger.hold_parts p where p.hold_no = h.hold_no)) as row from ledger.holds h join ledger.accounts a using (account_no) where a.name = any ($1) order by a.account_no, h.hold_no`,
    ),
    charges: await of(
      `select to_jsonb(c) - '{charge_no,hold_no,run_key,account_no}'::text[] || jsonb_build_object(
         'pieces', (select jsonb_agg(jsonb_build_array(p.starts_at, p.ends_at, p.amount_micro) order by p.piece_no) from ledger.charge_pieces p where p.charge_no = c.charge_no),
         'slices', (select count(*) from ledger.usage_slices s where s.charge_no = c.charge_no)) as row
       from ledger.charges c join ledger.accounts a using (account_no) where a.name = any ($1) order by a.account_no, c.job_id`,
    ),
    transactions: await of(
      `select jsonb_build_array(a.account_no - (select min(account_no) from ledger.accounts where name = any ($1)), t.kind, t.amount_micro, t.description, t.effective_at,
         (select jsonb_agg(jsonb_build_array(e.book, e.amount_micro) order by e.book, e.amount_micro) from ledger.entries e where e.txn_no = t.txn_no)) as row
       from ledger.transactions t join ledger.accounts a using (account_no)
       where a.name = any ($1) and t.kind in ('charge', 'release', 'expiry') order by 1`,
    ),
  };
}

/** A hold that nothing is charged to. */
interface Close {
  hold_id: string;
  reason: string;
  actor: string;
  ended_at: string;
}

test(`runs and holds that are settled as a batch leave the books that charge_run and close_hold leave, one by one (seed ${SEED})`, async () => {
  const { sql } = house.database;
  const names = (twin: string) => [`${twin}-top`, `${twin}-one`, `${twin}-two`];
  const twins = ['left', 'right'];
  for (const twin of twins) {
    const [top = '', one = '', two = ''] = names(twin);
    await house.account(top, { subtreeLimit: usd('10000') });
    await house.account(one, { parent: top, budgetLimit: usd('500') });
    // A fund that closes while some of the jobs run: those are not ordinary.
    await house.ledger.movements.deposit(
      { account: one, amount: usd('3'), opensAt: '2026-01-01T00:00:00Z', closesAt: '2026-03-02T09:30:00Z' },
      { principal: 'local' },
    );
    await house.account(two, { parent: top, budgetLimit: usd('500') });
    await house.ledger.accounts.setLimit(two, { user: '*', limit: usd('400') }, { principal: 'local' });
    await house.ledger.accounts.setLimit(two, { partition: 'gpu', limit: usd('400') }, { principal: 'local' });
  }
  const next = random(SEED);
  type Request = ReturnType<typeof requestOf> | Close;
  const requests: Record<string, Request[]> = { left: [], right: [] };
  for (let n = 0; n < 50; n += 1) {
    const [which, partition, user] = [1 + next(2), next(2) === 0 ? 'gpu' : 'batch', `u${next(3)}`];
    const [held, begun, ended] = [
      1 + next(5_000_000),
      `2026-03-02T09:${10 + next(15)}:00Z`,
      `2026-03-02T1${next(3)}:00:00Z`,
    ];
    const cost = next(5) === 0 ? held + next(1_000_000) : next(held + 1);
    const pieces = [
      { startsAt: begun, endsAt: '2026-03-02T09:40:00Z', amount: toMicro(BigInt(Math.floor(cost / 3))) },
      { startsAt: '2026-03-02T09:40:00Z', endsAt: ended, amount: toMicro(BigInt(cost - Math.floor(cost / 3))) },
    ];
    const isClosed = next(10) === 0;
    const neverRan = next(4) === 0;
    for (const twin of twins) {
      const holdId = await house.hold(names(twin)[which] ?? '', toMicro(BigInt(held)), {
        partition,
        user,
        at: '2026-03-02T09:05:00Z',
      });
      if (isClosed) await closeHold(sql, { holdId, reason: 'before', actor: 'test', now: '2026-03-02T09:06:00Z' });
      if (neverRan) {
        requests[twin]?.push({ hold_id: holdId, reason: 'It was cancelled', actor: 'test', ended_at: ended });
        continue;
      }
      requests[twin]?.push(
        requestOf({
          runKey: `hpc/${twin}-${n}/-/-`,
          holdId,
          jobId: String(n),
          partition,
          user,
          source: 'usage',
          pieces,
          startedAt: begun,
          endedAt: ended,
          actor: 'test',
          close: true,
          now: '2026-03-02T13:00:00Z',
        }),
      );
    }
  }
  const batch = (requests.left ?? []).map((request, n) => ({ n, ...request }));
  const [row] = await sql<{ settled: number[] }[]>`
    select ledger.settle_ordinary_runs(${JSON.stringify(batch)}::text::jsonb, '2026-03-02T13:00:00Z') as settled`;
  const settled = new Set(row?.settled);
  expect(settled.size).toBeGreaterThan(5);
  expect(settled.size).toBeLessThan(50);
  const inOrder = <T>(list: readonly T[]) => [
    ...list.filter((_, n) => settled.has(n)),
    ...list.filter((_, n) => !settled.has(n)),
  ];
  const left = (requests.left ?? []).filter((_, n) => !settled.has(n));
  for (const request of [...left, ...inOrder(requests.right ?? [])]) {
    if ('run_key' in request) await sql`select ledger.charge_run(${JSON.stringify(request)}::text::jsonb)`;
    else
      await closeHold(sql, {
        holdId: request.hold_id,
        reason: request.reason,
        actor: request.actor,
        effectiveAt: request.ended_at,
        now: '2026-03-02T13:00:00Z',
      });
  }
  expect(await booksOf(names('left'))).toEqual(await booksOf(names('right')));
  // Nothing twice.
  const [again] = await sql<{ settled: number[] }[]>`
    select ledger.settle_ordinary_runs(${JSON.stringify(batch)}::text::jsonb, '2026-03-02T13:00:00Z') as settled`;
  expect(again?.settled).toEqual([]);
  expect((await house.ledger.audit.run()).findings).toEqual([]);
});
