/** The database of a Bursar that is ready for books: of this version's schema, with time for long statements. */
import { Fault, FAULTS } from '../../../domain/faults';
import { openLedger } from '../../../ledger';
import { ImportRunning } from '../../../ledger/imports/lock';
import type { Sql } from '../../../platform/postgres';
import { EXIT, Stop, type ExitCode } from '../../exit';
import { messageOf, withDatabase, type Where } from '../../own-database';
import type { Session } from '../../session';

export function withLedger(session: Session, where: Where, work: (sql: Sql) => Promise<void>): Promise<void> {
  return withDatabase(
    session,
    where,
    async (_, { sql, address }) => {
      const { ok, detail } = await openLedger(sql).health();
      if (!ok) throw new Stop(EXIT.failure, `The database ${address} is not ready: ${detail}.`);
      await work(sql).catch((error: unknown) => {
        if (error instanceof ImportRunning) {
          throw new Stop(EXIT.failure, error.message, { problem: { code: 'import_running', detail: error.message } });
        }
        throw error instanceof Fault && error.code !== 'ledger_unavailable' ? stopOf(error) : error;
      });
    },
    { poolSize: 3, statementTimeoutMs: 0 },
  );
}

const EXIT_OF: Readonly<Partial<Record<number, ExitCode>>> = {
  400: EXIT.usage,
  404: EXIT.notFound,
};

const stopOf = (fault: Fault): Stop =>
  new Stop(EXIT_OF[FAULTS[fault.code].status] ?? EXIT.failure, messageOf(fault), {
    hints:
      fault.code === 'cluster_not_found' ? ['`bursar cluster list` shows those there are; --cluster names one.'] : [],
    problem: { code: fault.code, detail: fault.message },
  });
