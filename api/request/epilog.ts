import type { z } from 'zod';
import { given } from '../../domain/given';
import { readState } from '../../domain/slurm-job';
import type { ReportedJob } from '../../ledger/contract';
import type { AsbxEpilogRequest } from '../schemas/asbx';

/** What an epilog says of its job, unless it is none that has ended. Its exit code speaks where its state says nothing. */
export function readEpilog(
  body: z.output<typeof AsbxEpilogRequest>,
  cluster: string,
  evidence: unknown,
): ReportedJob | 'goes on' {
  const state = body.job_state ?? '';
  const read = stateOf(state);
  // An epilog runs while its job completes.
  if (read !== undefined && read.phase !== 'ended' && !/^(CG|COMPLETING)$/i.test(state)) return 'goes on';
  const byCode = body.exit_code === undefined ? undefined : body.exit_code === 0 ? 'COMPLETED' : 'FAILED';
  const allocated = given({
    nodes: body.allocated_nodes || undefined,
    cpus: body.allocated_cpus,
    gpus: body.allocated_gpus || undefined,
  });
  const isTask = body.array_job_id !== undefined && body.array_task_id !== undefined;
  return {
    cluster,
    jobId: isTask ? `${body.array_job_id}_${body.array_task_id}` : body.job_id,
    evidence,
    ...given({
      account: body.account,
      user: body.user_id,
      partition: body.partition,
      submittedAt: body.submit_time,
      startedAt: body.start_time,
      endedAt: body.end_time,
      endState: read?.endState ?? byCode,
      exitCode: body.exit_code ?? (/^\d+$/.test(state) ? Number(state) : undefined),
      allocated: Object.keys(allocated).length > 0 ? allocated : undefined,
      holdId: body.transaction_id,
      holdKey: body.hold_key,
    }),
  };
}

function stateOf(state: string): ReturnType<typeof readState> | undefined {
  try {
    return state === '' ? undefined : readState(state);
  } catch {
    return undefined; // A word that nobody knows: it ended, for this is its epilog.
  }
}
