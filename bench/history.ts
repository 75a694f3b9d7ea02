/**
 * A ledger with a long past, made in minutes: one job of each account lives for real, and its rows are copied, with numbers
 * and keys that go up with time as real ones do. What was charged in the copies is paid for by a deposit, so the books
 * balance and the audit can say so.
 */
import { toMicro } from '../domain/money';
import { openLedger } from '../ledger';
import type { Caller } from '../ledger/contract';
import type { Sql } from '../platform/postgres';
import { nextKey } from './house';
import { say, type BenchDatabase } from './stack';

const by: Caller = { principal: 'bench' };
const COST = toMicro(8_200_000n);
/** Held, charged, released: two lines each, for a hold that one fund can pay. */
const ENTRIES_A_LIFE = 6;
const COPIES_AT_ONCE = 500;

/** Gives accounts that hold nothing and were charged nothing so many entries, sealed; returns how many they have. */
export async function giveHistory({ sql }: BenchDatabase, accounts: string[], entries: number): Promise<number> {
  const ledger = openLedger(sql);
  const copies = Math.ceil(entries / (ENTRIES_A_LIFE * accounts.length)) - 1;
  for (const account of accounts) {
    const { granted } = await ledger.accounts.read(account);
    await ledger.accounts.update(account, { budgetLimit: toMicro(granted + COST * BigInt(copies + 1)) }, by);
  }
  const [before] = await sql<{ last: bigint }[]>`select max(txn_no) as last from ledger.transactions`;
  for (const [n, account] of accounts.entries()) await liveOnce(sql, account, n);
  await sql`delete from ledger.outbox`;

  const pattern = await patternAfter(sql, before?.last ?? 0n);
  for (let copied = 0; copied < copies; copied += COPIES_AT_ONCE) {
    const [from, to] = [copied + 1, Math.min(copied + COPIES_AT_ONCE, copies)];
    for (const table of Object.keys(COPIED)) await copy(sql, table, pattern, from, to);
    if (copied % (20 * COPIES_AT_ONCE) === 0) say(`${Math.round((100 * to) / copies)} % of the history written …`);
  }
  const lives = copies + 1;
  await sql`update ledger.funds set settled_micro = settled_micro * ${lives} where settled_micro > 0`;
  await sql`update ledger.limits set settled_micro = settled_micro * ${lives} where settled_micro > 0`;
  await sql`
    update ledger.account_totals
    set settled_micro = settled_micro * ${lives}, subtree_settled_micro = subtree_settled_micro * ${lives}`;
  await sql`select setval('ledger.txn_numbers', (select max(txn_no) from ledger.transactions))`;
  await sql`select setval(pg_get_serial_sequence('ledger.jobs', 'job_no'), (select max(job_no) from ledger.jobs))`;
  say('sealing it …');
  await ledger.audit.seal();
  await sql`vacuum analyze`;
  const [count] = await sql<{ entries: number }[]>`select count(*)::int as entries from ledger.entries`;
  return count?.entries ?? 0;
}

async function liveOnce(sql: Sql, account: string, n: number): Promise<void> {
  const { admission, jobs } = openLedger(sql);
  const resources = { nodes: 2, cpus: 16, gpus: 4, gpusByModel: {}, memoryMib: 65_536 };
  const decision = await admission.check(
    {
      account,
      user: `user${n % 16}`,
      jobId: `${n}`,
      components: [
        { partition: 'gpu', resources, fromTres: false, wallSeconds: 14_400, unlimited: false, arrayTasks: 1 },
      ],
    },
    { ...by, key: nextKey(), bodyHash: Buffer.alloc(32) },
  );
  if (decision.holdId === undefined) throw new Error(`no hold on ${account}: ${decision.message}`);
  await jobs.reconcile({ holdId: decision.holdId, actualCost: COST, numeral: '8.2', correction: false }, by);
}

// Copying ---------------------------------------------------------------------------------------------------------------

/** The numbers that the lives to be copied have drawn; a copy's are those, so many spans later. */
interface Pattern {
  firstNo: bigint;
  lastNo: bigint;
  firstJobNo: bigint;
  lastJobNo: bigint;
}

async function patternAfter(sql: Sql, last: bigint): Promise<Pattern> {
  const [row] = await sql<Pattern[]>`
    select min(txn_no) as "firstNo", max(txn_no) as "lastNo",
      (select min(job_no) from ledger.jobs) as "firstJobNo", (select max(job_no) from ledger.jobs) as "lastJobNo"
    from ledger.transactions where txn_no > ${last}`;
  if (!row) throw new Error('no job has lived');
  return row;
}

const number = (column: string) => `t.${column} + copy * :span`;
const sorted = (column: string) => `lpad((t.${column} + copy * :span)::text, 26, '0')`;
const jobNo = 't.job_no + copy * :job_span';

/** Table by table: the column that says whether a row is of a life, and what is not the same in a copy of it. */
const COPIED: Record<string, { by: string; columns: Record<string, string> }> = {
  decisions: { by: 'decision_no', columns: { decision_no: number('decision_no'), key: sorted('decision_no') } },
  holds: { by: 'hold_no', columns: { hold_no: number('hold_no'), hold_id: `'txn_' || ${sorted('hold_no')}` } },
  hold_parts: { by: 'hold_no', columns: { hold_no: number('hold_no') } },
  stories: { by: 'hold_no', columns: { hold_no: number('hold_no') } },
  transactions: {
    by: 'txn_no',
    columns: {
      txn_no: number('txn_no'),
      hold_no: number('hold_no'),
      charge_no: number('charge_no'),
      transaction_id: `case when t.transaction_id is not null then 'txn_' || ${sorted('txn_no')} end`,
    },
  },
  entries: { by: 'txn_no', columns: { txn_no: number('txn_no') } },
  charges: {
    by: 'charge_no',
    columns: { charge_no: number('charge_no'), hold_no: number('hold_no'), run_key: sorted('charge_no') },
  },
  charge_pieces: { by: 'txn_no', columns: { txn_no: number('txn_no'), charge_no: number('charge_no') } },
  jobs: { by: 'job_no', columns: { job_no: jobNo, hold_no: number('hold_no'), job_id: `(${jobNo})::text` } },
  job_events: { by: 'job_no', columns: { job_no: jobNo } },
};

/** Its numbers are its own, and nobody refers to them. */
const DRAWN_ANEW = ['event_no'];

async function copy(sql: Sql, table: string, pattern: Pattern, from: number, to: number): Promise<void> {
  const { by: key, columns } = COPIED[table] ?? { by: '', columns: {} };
  const names = await sql<{ name: string }[]>`
    select column_name as name from information_schema.columns
    where table_schema = 'ledger' and table_name = ${table} and column_name <> all (${DRAWN_ANEW})`;
  const { firstNo, lastNo, firstJobNo, lastJobNo } = pattern;
  const [first, last] = key === 'job_no' ? [firstJobNo, lastJobNo] : [firstNo, lastNo];
  const values = names
    .map(({ name }) => columns[name] ?? `t.${name}`)
    .join(', ')
    .replaceAll(':span', `${lastNo - firstNo + 1n}`)
    .replaceAll(':job_span', `${lastJobNo - firstJobNo + 1n}`);
  await sql.unsafe(
    `insert into ledger.${table} (${names.map(({ name }) => name).join(', ')}) overriding system value
     select ${values} from ledger.${table} t cross join generate_series(${from}, ${to}) copy
     where t.${key} between ${first} and ${last}
     order by copy, t.${key}`,
  );
}
