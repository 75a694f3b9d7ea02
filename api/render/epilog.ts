import type { z } from 'zod';
import { renderAmount } from '../../domain/money';
import type { AsbxOutcome, Chapter, Waiting } from '../../ledger/contract';
import type { AsbxEpilogAnswer } from '../schemas/asbx';

/** What is known of a job that has ended: by its epilog alone, or with the report of ASBX. */
export interface EndedJob {
  jobId: string;
  data: 'completed' | 'failed' | 'no_data' | 'skipped';
  /** What was wrong with the report, why there was none, or why it was not used. */
  detail?: string;
  asbx?: AsbxOutcome;
  outcome?: Chapter | Waiting;
  /** Its report was: another cost had been reported before. */
  refused?: true;
}

type Answer = z.infer<typeof AsbxEpilogAnswer>;

export function renderEpilog(epilog: EndedJob | { jobId: string; skipped: string }): Answer {
  const { jobId } = epilog;
  const common = { success: true, job_id: jobId, reconciliation_triggered: false } as const;
  if ('skipped' in epilog) {
    const message = `Job ${jobId} is ${epilog.skipped} and has not ended; nothing was done`;
    return { ...common, data_import_status: 'skipped', message };
  }
  const { data, detail, asbx, outcome, refused } = epilog;
  const told = { ...common, data_import_status: data, ...(detail !== undefined && { error_details: detail }) };
  if (refused) return { ...told, message: `Job ${jobId} was settled before with another cost, which stands` };
  if (asbx?.reconciliation) {
    const { unit, actualCharge } = asbx.reconciliation;
    return {
      ...told,
      reconciliation_triggered: true,
      reconciliation_id: asbx.reconciliationId,
      transaction_id: asbx.holdId,
      state: 'settled',
      unit,
      charged: Number(renderAmount(actualCharge)),
      message: `Job ${jobId} was settled with the ${renderAmount(actualCharge)} ${unit} that ASBX reports`,
    };
  }
  const waiting = asbx?.waiting ?? (outcome && 'unmatchedNo' in outcome ? outcome : undefined);
  if (waiting) {
    const why = waiting.why === 'several_holds' ? 'Several open holds that differ may be' : 'No hold is known to be';
    return {
      ...told,
      unmatched_id: waiting.unmatchedNo,
      message: `${why} that of job ${jobId}; the report waits as unmatched report ${waiting.unmatchedNo}`,
      next_steps: [`An admin says which: bursar unmatched show ${waiting.unmatchedNo}`],
    };
  }
  if (!outcome || 'unmatchedNo' in outcome) throw new Error(`nothing is known of the epilog of job ${jobId}`);
  return { ...told, ...ofStory(jobId, outcome, detail) };
}

function ofStory(
  jobId: string,
  chapter: Chapter,
  detail: string | undefined,
): Partial<Answer> & Pick<Answer, 'message'> {
  const { state, holdId, unit, charged, released, waitsFor, closed } = chapter;
  const known = { state, transaction_id: holdId, unit, charged: Number(charged) };
  const steps = detail === undefined ? [] : [`For a cost of ASBX's: ${detail}`];
  if (!closed) {
    if (state === 'awaiting_cost' && /when .* (started|began)/.test(waitsFor)) {
      steps.unshift('Send start_time (SLURM_JOB_START_TIME), or the cost of the job.');
    }
    return {
      ...known,
      message: `Job ${jobId} has ended and waits for ${waitsFor}`,
      next_steps: steps.length > 0 ? steps : undefined,
    };
  }
  return {
    ...known,
    reconciliation_triggered: state === 'settled',
    message:
      state === 'settled'
        ? `Job ${jobId} was settled: ${charged} ${unit} charged, ${released} ${unit} given back`
        : `Job ${jobId} never ran: ${released} ${unit} given back`,
    next_steps: steps.length > 0 ? steps : undefined,
  };
}
