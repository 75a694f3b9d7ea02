/**
 * Whom the benchmarks ask for: accounts as sites have them, and the requests that a submit plugin sends.
 *
 * Every account stands under a project of its own, draws on two dated funds, and has a cap on the partition and one on each
 * user, so that each check passes all the kinds of limits there are.
 */
import { monotonicFactory } from 'ulid';
import { toMicro } from '../domain/money';
import { openLedger } from '../ledger';
import type { Caller } from '../ledger/contract';
import { openClient } from './http-load';
import type { BenchDatabase } from './stack';

const UNIT = 'USD';
const RICH = toMicro(8_000_000_000_000_000n);
const SOON = toMicro(400_000_000n); // Used up after a few hundred holds: from then on it is the second fund that pays.
const WINDOW = { startsAt: '2026-01-01T00:00:00Z', endsAt: '2027-12-31T00:00:00Z' };
const USERS = 16;

const by: Caller = { principal: 'bench' };

/** The cluster of requests that name none, for who asks the ledger before an API has made it. */
export async function openCluster({ sql }: BenchDatabase): Promise<void> {
  await openLedger(sql).catalog.createCluster('default', { timeZone: 'UTC' }, by);
}

/** Account 1 is `<prefix>1`. */
export async function openAccounts({ sql }: BenchDatabase, prefix: string, count: number): Promise<void> {
  const { accounts, movements } = openLedger(sql);
  const open = async (n: number) => {
    const name = `${prefix}${n}`;
    const parent = `${name}-project`;
    await accounts.create({ name: parent, title: parent, unit: UNIT, ...WINDOW, subtreeLimit: RICH }, by);
    await accounts.create({ name, title: name, unit: UNIT, ...WINDOW, parent, budgetLimit: SOON }, by);
    const later = { opensAt: WINDOW.startsAt, closesAt: '2028-12-31T00:00:00Z' };
    await movements.deposit({ account: name, amount: toMicro(RICH - SOON), ...later }, by);
    await accounts.setLimit(name, { partition: 'gpu', limit: RICH }, by);
    await accounts.setLimit(name, { user: '*', limit: RICH }, by);
  };
  for (let n = 1; n <= count; n += 8) {
    await Promise.all(Array.from({ length: Math.min(8, count - n + 1) }, (_, index) => open(n + index)));
  }
}

/** An account that can pay for nothing. */
export async function openPoorAccount({ sql }: BenchDatabase, name: string): Promise<void> {
  const { accounts } = openLedger(sql);
  await accounts.create({ name, title: name, unit: UNIT, ...WINDOW, budgetLimit: toMicro(1_000n) }, by);
}

const nextUlid = monotonicFactory();

/** A key that sorts by its birth, as we recommend. */
export const nextKey = (): string => nextUlid();

export interface Asked {
  account: string;
  user: string;
}

/** Requests over accounts 1 to `accounts`, in a pattern that visits all of them evenly. */
export function checkBodies(prefix: string, accounts: number): (n: number) => string {
  const stride = accounts > 7 ? 7 : 1; // Neighbours in a batch are not neighbours on a page.
  return (n) => checkBody(`${prefix}${1 + ((n * stride) % accounts)}`, n, nextKey());
}

/** What the submit plugin sends for a job. */
export const checkBody = (account: string, n: number, key: string): string =>
  `{"account":"${account}","partition":"gpu","nodes":2,"cpus":16,"gpus":4,"memory":"64G","wall_time":"04:00:00",` +
  `"user_id":"user${n % USERS}","job_details":{"job_name":"train-${n % 100}","work_dir":"/home/user${n % USERS}/run"},` +
  `"idempotency_key":"${key}"}`;

/** Sends one check and says what it answered. */
export async function askOnce(url: string, body: string): Promise<unknown> {
  const client = await openClient(new URL(url));
  try {
    return JSON.parse(await client.ask('/api/v1/budget/check', body)) as unknown;
  } finally {
    client.close();
  }
}

/**
 * SQL that places one hold by itself, for pgbench: the very item that the API would send for the request, with key, hold id
 * and account put in by the statement. Colons are written as pgbench needs them.
 */
export async function singleHoldStatement({ sql }: BenchDatabase, prefix: string, account: string): Promise<string> {
  const [row] = await sql<{ item: Record<string, unknown> }[]>`
    select jsonb_build_object('n', 0, 'principal', d.principal, 'key', '%3$s', 'body_hash', encode(d.body_hash, 'hex'),
      'account', '%2$s', 'unit', a.unit, 'multiplier', a.hold_multiplier_micro, 'catalog', v.version::text, 'at', null,
      'user', h.user_name, 'cluster_no', h.cluster_no, 'pre_refusal', null, 'request', d.request || '{"account": "%2$s"}',
      'hold_ids', jsonb_build_array('txn_%1$s'), 'partitions', jsonb_build_array(h.partition),
      'amounts', jsonb_build_array(h.placed_micro::text)) as item
    from ledger.decisions d
    join ledger.accounts a on a.account_no = d.account_no
    join ledger.holds h on h.hold_no = d.decision_no, ledger.catalog_version v
    where a.name = ${account} order by d.decision_no desc limit 1`;
  if (!row) throw new Error(`no hold was placed on ${account} yet`);
  const text = JSON.stringify([row.item], null, 1)
    .replace(/\n\s*/g, ' ')
    .replace(/:(?=[A-Za-z0-9_])/g, '\\u003a')
    .replaceAll("'", "''");
  const account_ = `'${prefix}' || :account::text`;
  // Sorted by birth, like the caller's.
  const id = "lpad(:n::text, 12, '0') || '-' || :client::text";
  return (
    `select n, outcome, request, answer, effective_at ` +
    `from ledger.place_holds(format('${text}', ${id}, ${account_}, 'pgbench-' || ${id})::jsonb)`
  );
}

/** Floor (a): the least that any ledger must do for a hold on one hot account. */
export async function openHotRow({ sql }: BenchDatabase): Promise<string> {
  await sql`create schema bench`;
  await sql`create table bench.hot (id int primary key, held bigint not null) with (fillfactor = 50)`;
  await sql`insert into bench.hot values (1, 0)`;
  return 'update bench.hot set held = held + 1 where id = 1';
}

/** Fails when the books do not balance: a benchmark of a wrong answer is worth nothing. */
export async function expectBooksToBalance({ sql }: BenchDatabase): Promise<void> {
  const problems = await sql<{ problem: string }[]>`select a::text as problem from ledger.audit() a limit 5`;
  if (problems.length > 0) {
    throw new Error(`the books do not balance:\n${problems.map(({ problem }) => problem).join('\n')}`);
  }
}
