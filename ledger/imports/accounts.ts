/**
 * A list of accounts becomes accounts: staged line by line, looked at as a whole, and made in one transaction, all of them or
 * none. Lines that were imported before change nothing when they come again.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { finished } from 'node:stream/promises';
import type { Writable } from 'node:stream';
import { toMicro } from '../../domain/money';
import type { Sql } from '../../platform/postgres';
import type { AccountLine, AccountsPlan, FileMistake, Imported, Progress } from '../contract/imports';
import { ask } from '../errors';
import type { ImportCluster } from './cluster';
import { ACTOR, withImportLock } from './lock';

const STAGING = 'ledger.account_rows, ledger.account_limit_rows, ledger.account_places';
const ACCOUNTS_AT_ONCE = 20_000;
const TOLD_EVERY = 10_000;

/** So many say enough; the rest is counted. */
const MISTAKES_LISTED = 1000;

export interface AccountsImport {
  plan: AccountsPlan;
  /** Makes them all, or none. `ceiling_exceeded`. */
  apply(): Promise<Imported>;
}

export interface AccountsFile {
  name: string;
  lines: AsyncIterable<AccountLine | ({ kind: 'mistake' } & FileMistake)>;
}

/** Reads the file, hands what it would do to `use`, and clears the staging tables. One import at a time. */
export async function withAccountsImport<T>(
  sql: Sql,
  file: AccountsFile,
  cluster: ImportCluster,
  onProgress: (progress: Progress) => void,
  use: (accounts: AccountsImport) => Promise<T>,
): Promise<T> {
  return withImportLock(sql, async () => {
    await sql.unsafe(`truncate ${STAGING}`);
    try {
      const mistakes = await stage(sql, file, onProgress);
      const plan = await summarise(sql, mistakes);
      if (plan.mistakesInAll === 0) await refuseCircles(sql, plan);
      return await use({ plan, apply: async () => apply(sql, file.name, await cluster.number(), onProgress) });
    } finally {
      await sql.unsafe(`truncate ${STAGING}`);
    }
  });
}

// Staging ---------------------------------------------------------------------------------------------------------------

/** Mistakes of single lines, as many as are listed, and how many there are. */
interface Mistakes {
  listed: FileMistake[];
  inAll: number;
}

async function stage(sql: Sql, { lines }: AccountsFile, onProgress: (progress: Progress) => void): Promise<Mistakes> {
  const accounts = await openRows(sql, 'account_rows');
  const limits = await openRows(sql, 'account_limit_rows');
  const mistakes: Mistakes = { listed: [], inAll: 0 };
  let done = 0;
  try {
    for await (const line of lines) {
      done += 1;
      if (done % TOLD_EVERY === 0) onProgress({ step: 'reading the file', done });
      if (line.kind === 'mistake') {
        mistakes.inAll += 1;
        const { line: at, field, mistake } = line;
        if (mistakes.listed.length < MISTAKES_LISTED) mistakes.listed.push({ line: at, field, mistake });
      } else if (line.kind === 'limit') await limits.add(limitFields(line));
      else await accounts.add(accountFields(line));
    }
    await accounts.end();
    await limits.end();
  } catch (error) {
    accounts.giveUp();
    limits.giveUp();
    throw error;
  }
  onProgress({ step: 'reading the file', done, of: done });
  await sql.unsafe('analyze ledger.account_rows, ledger.account_limit_rows');
  return mistakes;
}

const BYTES_AT_ONCE = 65_536;

/** Rows on their way into a table, as fast as it takes them, on a connection of their own. */
async function openRows(sql: Sql, table: 'account_rows' | 'account_limit_rows') {
  const stream: Writable = await sql.unsafe(`copy ledger.${table} from stdin`).writable();
  let pending = '';
  const write = async () => {
    if (pending !== '' && !stream.write(pending)) await once(stream, 'drain');
    pending = '';
  };
  return {
    add: async (fields: (string | undefined)[]) => {
      pending += rowOf(fields);
      if (pending.length > BYTES_AT_ONCE) await write();
    },
    end: async () => {
      await write();
      stream.end();
      await finished(stream);
    },
    giveUp: () => void stream.destroy(),
  };
}

type Line<Kind> = Extract<AccountLine, { kind: Kind }>;

function accountFields(row: Line<'account'>): (string | undefined)[] {
  const said = [
    row.name,
    row.title,
    row.description,
    row.unit,
    row.timeZone,
    row.status,
    row.limit.toString(),
    row.used.toString(),
    row.startsAt,
    row.endsAt,
    row.parent,
    row.subtreeLimit?.toString(),
    row.overdraftLimit?.toString(),
  ];
  const digest = createHash('sha256').update(JSON.stringify(said)).digest('base64url').slice(0, 27);
  return [row.line.toString(), ...said, `file/${digest}`];
}

const limitFields = (row: Line<'limit'>) => [
  row.line.toString(),
  row.name,
  row.partition,
  row.user,
  row.limit.toString(),
];

const ESCAPED: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

/** A row in the text format of COPY. */
const rowOf = (fields: (string | undefined)[]): string =>
  `${fields.map((field) => (field === undefined ? '\\N' : field.replace(/[\\\t\n\r]/g, (found) => ESCAPED[found] ?? ''))).join('\t')}\n`;

// Reporting -------------------------------------------------------------------------------------------------------------

async function summarise(sql: Sql, { listed, inAll }: Mistakes): Promise<AccountsPlan> {
  const [counts] = await sql<{ accounts: number; accountsHere: number; limits: number }[]>`
    select (select count(*) from ledger.account_rows)::int as accounts,
      (select count(*) from ledger.account_rows r join ledger.accounts a using (name)
       join ledger.imported_accounts i on i.account_no = a.account_no and i.origin = r.origin)::int as "accountsHere",
      (select count(*) from ledger.account_limit_rows)::int as limits`;
  if (!counts) throw new Error('nothing was staged');
  const totals = await sql<{ unit: string; limit: string; used: string }[]>`
    select unit, sum(limit_micro)::text as limit, sum(used_micro)::text as used
    from ledger.account_rows group by unit order by unit`;
  const found = await ask(
    () => sql<(FileMistake & { inAll: number })[]>`
      select line::int as line, field, mistake, (count(*) over ())::int as "inAll"
      from ledger.account_row_mistakes() order by line limit ${MISTAKES_LISTED}`,
  );
  const mistakes = [...listed, ...found.map(({ line, field, mistake }) => ({ line, field, mistake }))];
  return {
    ...counts,
    totals: totals.map(({ unit, limit, used }) => ({
      unit,
      limit: toMicro(BigInt(limit)),
      used: toMicro(BigInt(used)),
    })),
    mistakes: mistakes.sort((a, b) => a.line - b.line).slice(0, MISTAKES_LISTED),
    mistakesInAll: inAll + (found[0]?.inAll ?? 0),
  };
}

/** Whoever has no place below a parent that has one is in a circle, or too deep. Tried in a transaction that is undone. */
async function refuseCircles(sql: Sql, plan: AccountsPlan): Promise<void> {
  const tried = new Error('undone');
  await sql
    .begin(async (tx) => {
      await tx`select ledger.place_accounts()`;
      const lost = await tx<{ line: number; parent: string }[]>`
        select r.line::int as line, r.parent from ledger.account_rows r
        left join ledger.account_places p on p.line = r.line
        left join ledger.accounts here on here.name = r.name
        where p.line is null and here.account_no is null order by r.line`;
      plan.mistakesInAll = lost.length;
      plan.mistakes = lost.slice(0, MISTAKES_LISTED).map(({ line, parent }) => ({
        line,
        field: 'parent',
        mistake: `"${parent}" leads to no account without a parent: the parents go round in a circle, or there are more than sixteen levels`,
      }));
      throw tried;
    })
    .catch((error: unknown) => {
      if (error !== tried) throw error;
    });
}

// Booking ---------------------------------------------------------------------------------------------------------------

const apply = (
  sql: Sql,
  name: string,
  clusterNo: number,
  onProgress: (progress: Progress) => void,
): Promise<Imported> =>
  ask(() =>
    sql.begin(async (tx) => {
      await tx`set local work_mem = '256MB'`;
      const settings = JSON.stringify({ cluster_no: clusterNo, actor: ACTOR });
      const [begun] = await tx<{ importNo: bigint; at: string }[]>`
        insert into ledger.imports (source, name, settings, actor, begun_at, finished_at)
        values ('accounts', ${name}, '{}', ${ACTOR}, clock_timestamp(), clock_timestamp())
        returning import_no as "importNo", begun_at as at`;
      if (!begun) throw new Error('the import has no number');
      // Of the trees that get new branches; new trees nobody sees before the end.
      await tx`
        select ledger.lock_tree(array(
          select distinct p.account_no from ledger.account_rows r join ledger.accounts p on p.name = r.parent))`;
      const [placed] = await tx<{ count: bigint }[]>`select ledger.place_accounts() as count`;
      const all = Number(placed?.count ?? 0n);
      await tx`analyze ledger.account_places`;
      for (let from = 1; from <= all; from += ACCOUNTS_AT_ONCE) {
        const to = Math.min(all, from + ACCOUNTS_AT_ONCE - 1);
        await tx`
          select ledger.book_accounts(${begun.importNo}, ${from}, ${to}, ${settings}::text::jsonb, ${begun.at})`;
        onProgress({ step: 'making accounts', done: to, of: all });
      }
      await tx`select ledger.finish_accounts(${settings}::text::jsonb)`;
      const [written] = await tx<{ count: number }[]>`
        select count(*)::int as count from ledger.transactions t
        join ledger.account_places p on p.account_no = t.account_no`;
      return { accounts: all, transactions: written?.count ?? 0 };
    }),
  );
