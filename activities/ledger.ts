/**
 * Ledger calls as activities. Each does whatever is due, and nothing a second time, so the default unlimited retry is
 * safe, also of a call that was given up and landed all the same.
 */
import { heartbeat } from '@temporalio/activity';
import type { SchedulerAnswer } from '../domain/job';
import type { Chapter, Ledger } from '../ledger/contract';

const SEALED_AT_ONCE = 2_000;
const ROUNDS = 50;

/** Seals until little is left; a backlog of millions is worked off by several sweeps. */
export async function sealBacklog(
  audit: Pick<Ledger['audit'], 'seal'>,
  stillAtIt = (_sealed: number) => {},
): Promise<number> {
  let sealed = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const count = await audit.seal(SEALED_AT_ONCE);
    sealed += count;
    if (count < SEALED_AT_ONCE) break;
    stillAtIt(sealed);
  }
  return sealed;
}

export const ledgerActivities = ({ jobs, movements, audit }: Pick<Ledger, 'jobs' | 'movements' | 'audit'>) => ({
  advance: (due: { holdId: string; scheduler?: SchedulerAnswer | undefined }): Promise<Chapter> =>
    jobs.advance(due.holdId, due.scheduler === undefined ? {} : { scheduler: due.scheduler }),

  expireFunds: (): Promise<number> => movements.expireFunds(),

  seal: (): Promise<number> => sealBacklog(audit, heartbeat),
});
export type LedgerActivities = ReturnType<typeof ledgerActivities>;
