/**
 * Ledger calls as activities. Each does whatever is due, and nothing a second time, so the default unlimited retry is
 * safe, also of a call that was given up and landed all the same.
 */
import { heartbeat } from '@temporalio/activity';
import type { AdvanceOptions, Chapter, Ledger } from '../ledger/types';

const SEALED_AT_ONCE = 2_000;

export const ledgerActivities = ({ jobs, movements, audit }: Pick<Ledger, 'jobs' | 'movements' | 'audit'>) => ({
  advance: (due: { holdId: string; scheduler?: AdvanceOptions['scheduler'] | undefined }): Promise<Chapter> =>
    jobs.advance(due.holdId, due.scheduler === undefined ? {} : { scheduler: due.scheduler }),

  expireFunds: (): Promise<number> => movements.expireFunds(),

  /** Seals until little is left; a backlog of millions is worked off by several sweeps. */
  seal: async (): Promise<number> => {
    let sealed = 0;
    for (let round = 0; round < 50; round += 1) {
      const count = await audit.seal(SEALED_AT_ONCE);
      sealed += count;
      if (count < SEALED_AT_ONCE) break;
      heartbeat(sealed);
    }
    return sealed;
  },
});
export type LedgerActivities = ReturnType<typeof ledgerActivities>;
