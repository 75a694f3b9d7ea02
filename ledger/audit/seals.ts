/** The hash chain over what was written: seals of transactions, and the walk that proves them. */
import { Fault } from '../../domain/faults';
import type { Sql } from '../../platform/postgres';
import type { SealReport } from '../contract';

/** Transactions in one statement: a second or two of work, and short snapshots. */
const STRETCH = 10_000;

/** What is behind the fence, then the fence forward, then once more; each in a transaction of its own (see seal_batch.sql). */
export async function seal(sql: Sql, limit: number): Promise<number> {
  let sealed = 0;
  while (sealed < limit) {
    const stretch = Math.min(STRETCH, limit - sealed);
    const [batch] = await sql<{ count: number }[]>`select ledger.seal_batch(${stretch}) as count`;
    sealed += batch?.count ?? 0;
    if (batch?.count === stretch) continue;
    const [fence] = await sql<{ moved: boolean }[]>`select ledger.raise_seal_fence() as moved`;
    if (!fence?.moved) break;
  }
  return sealed;
}

interface StretchRow {
  checked: number;
  next_no: bigint | null;
  next_digest: Uint8Array;
  bad_no: bigint | null;
  bad_id: string | null;
  detail: string | null;
}

const GENESIS = new Uint8Array(32);

/** `malformed_request`. */
export function requireHead(against: string): void {
  if (/^[0-9a-f]{64}$/i.test(against)) return;
  const detail = 'A head of the chain is 64 hexadecimal digits, as verify prints it.';
  throw new Fault('malformed_request', detail, { errors: [{ pointer: '/against', detail }] });
}

export async function verifySeals(sql: Sql, against?: string): Promise<SealReport> {
  let after = 0n;
  let digest: Uint8Array = GENESIS;
  let sealed = 0;
  for (;;) {
    const [row] = await sql<StretchRow[]>`
      select checked, next_no, next_digest, bad_no, bad_id, detail
      from ledger.verify_seals(${after}, ${digest}, ${STRETCH})`;
    if (!row) throw new Error('ledger.verify_seals answered nothing');
    sealed += row.checked;
    digest = row.next_digest;
    if (row.bad_no !== null) {
      const firstTampered = {
        txnNo: Number(row.bad_no),
        ...(row.bad_id !== null && { transactionId: row.bad_id }),
        detail: row.detail ?? '',
      };
      return { ok: false, head: hexOf(digest), sealed, unsealed: await countUnsealed(sql), firstTampered };
    }
    if (row.next_no === null) break;
    after = row.next_no;
  }

  const report = { head: hexOf(digest), sealed, unsealed: await countUnsealed(sql) };
  if (against === undefined || against.toLowerCase() === hexOf(GENESIS)) return { ok: true, ...report };
  const [noted] = await sql<{ present: boolean }[]>`
    select exists (select from ledger.seals where digest = decode(${against}, 'hex')) as present`;
  if (noted?.present) return { ok: true, ...report };
  const detail = 'no seal has this digest: the chain was cut or written anew since it was noted';
  return { ok: false, ...report, firstTampered: { txnNo: 0, detail } };
}

async function countUnsealed(sql: Sql): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*)::int as count from ledger.transactions
    where txn_no > coalesce((select max(txn_no) from ledger.seals), 0)`;
  return row?.count ?? 0;
}

const hexOf = (digest: Uint8Array): string => Buffer.from(digest).toString('hex');
