/**
 * The trail of everything that people set: accounts, limits, clusters, partitions, rates, keys. Each change leaves its row in
 * the transaction that makes it (ledger.note_change), so there is no change without a row and no row without a change.
 */
import { renderAmount } from '../domain/money';
import type { Instant } from '../domain/time';
import type { Sql } from '../platform/postgres';
import type { Change, ChangeSubject, Changes } from './contract';
import { ask } from './errors';
import { cursorOf, pageOf, rowsAsked } from './paging';
import { instantOf } from './rows';

interface ChangeRow {
  changeNo: bigint;
  at: Instant;
  actor: string;
  action: string;
  subject: ChangeSubject;
  name: string;
  before: Stored | null;
  after: Stored | null;
}

type Stored = Record<string, unknown>;

export const openChanges = ({ sql }: { sql: Sql }): Changes => ({
  list: (filter, page) =>
    ask(async () => {
      const { subject = null, name = null, actor = null, action = null, from = null, to = null } = filter;
      const rows = await sql<ChangeRow[]>`
        select ch.change_no as "changeNo", ch.changed_at as at, ch.actor, ch.action, ch.subject,
          coalesce(ch.name, c.name, '') as name, ch.before, ch.after
        from ledger.changes ch
        left join ledger.clusters c on ch.name is null and c.cluster_no = ch.cluster_no
        where (${subject}::text is null or ch.subject = ${subject})
          and (${name}::text is null or coalesce(ch.name, c.name) = ${name})
          and (${actor}::text is null or ch.actor = ${actor})
          and (${action}::text is null or ch.action = ${action})
          and (${from}::timestamptz is null or ch.changed_at >= ${from}::timestamptz)
          and (${to}::timestamptz is null or ch.changed_at < ${to}::timestamptz)
          and ch.change_no < ${cursorOf(page)}
        order by ch.change_no desc
        limit ${rowsAsked(page)} offset ${page.offset ?? 0}`;
      const { rows: shown, ...next } = pageOf(rows, page, ({ changeNo }) => changeNo);
      return { rows: shown.map(toChange), ...next };
    }),
});

const toChange = ({ changeNo, before, after, ...rest }: ChangeRow): Change => ({
  ...rest,
  changeNo: Number(changeNo),
  ...(before !== null && { before: readStored(before) }),
  ...(after !== null && { after: readStored(after) }),
});

/** The catalog keeps its amounts under these names as the text of their millionths; everybody else says `_micro`. */
const CATALOG_AMOUNTS = new Set(['minimumCharge', 'holdCap', 'failureLimit', 'rate']);

/** Rows of all ages in one spelling: snake_case, amounts as decimal strings, times as they are shown elsewhere. */
function readStored(stored: Stored): Stored {
  return Object.fromEntries(
    Object.entries(stored).map(([name, value]) => {
      const word = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
      const isAmount = name.endsWith('_micro') || CATALOG_AMOUNTS.has(name);
      if (isAmount && typeof value === 'string') return [word.replace(/_micro$/, ''), renderAmount(BigInt(value))];
      if (name.endsWith('_at') && typeof value === 'string') return [word, instantOf(value)];
      return [word, Array.isArray(value) ? value.map((inner) => (isStored(inner) ? readStored(inner) : inner)) : value];
    }),
  );
}

const isStored = (value: unknown): value is Stored =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
