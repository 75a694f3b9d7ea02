/** One import at a time: the staging tables are there once. */
import { Fault } from '../../domain/faults';
import type { Sql } from '../../platform/postgres';

/** Who the movements of an import are by. */
export const ACTOR = 'import';

/** Any number; the same in every Bursar. */
const IMPORT_LOCK = 7_205_190_012n;

/** The lock belongs to a connection of its own and goes with it, so a run that is killed keeps nobody out. */
export async function withImportLock<T>(sql: Sql, work: () => Promise<T>): Promise<T> {
  const connection = await sql.reserve();
  try {
    const [row] = await connection<{ locked: boolean }[]>`select pg_try_advisory_lock(${IMPORT_LOCK}) as locked`;
    if (!row?.locked)
      throw new Fault('ledger_unavailable', 'Another import is at work on this database; wait for its end.');
    try {
      return await work();
    } finally {
      await connection`select pg_advisory_unlock(${IMPORT_LOCK})`;
    }
  } finally {
    connection.release();
  }
}
