/** One import at a time: the staging tables are there once. */
import { withReserved, type Sql } from '../../platform/postgres';

/** Who the movements of an import are by. */
export const ACTOR = 'import';

/** Any number; the same in every Bursar. */
const IMPORT_LOCK = 7_205_190_012n;

/** Somebody else's is at work. */
export class ImportRunning extends Error {
  constructor() {
    super('Another import is at work on this database; wait for its end.');
    this.name = 'ImportRunning';
  }
}

/** The lock belongs to a connection of its own and goes with it, so a run that is killed keeps nobody out. Throws `ImportRunning`. */
export async function withImportLock<T>(sql: Sql, work: () => Promise<T>): Promise<T> {
  return withReserved(sql, async (connection) => {
    const [row] = await connection<{ locked: boolean }[]>`select pg_try_advisory_lock(${IMPORT_LOCK}) as locked`;
    if (!row?.locked) throw new ImportRunning();
    try {
      return await work();
    } finally {
      // Where the connection is gone the lock is, too; why it went is what `work` says.
      await quietly(() => connection`select pg_advisory_unlock(${IMPORT_LOCK})`);
    }
  });
}

/** For what tidies up on a connection that may be gone. */
export async function quietly(query: () => PromiseLike<unknown>): Promise<void> {
  try {
    await query();
  } catch {
    // Who waits for the work behind it hears why that failed.
  }
}
