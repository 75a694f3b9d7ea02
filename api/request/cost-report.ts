/** What ASBX says a job has cost: in a body of its own, or in a file that an epilog names. */
import type { z } from 'zod';
import { Fault } from '../../domain/faults';
import { given } from '../../domain/given';
import type { CostReport, ReportedJob } from '../../ledger/contract';
import { readAs } from '../operation';
import { AsbxCostData } from '../schemas/asbx';
import { plainJson } from '../schemas/wire';
import { readSpoolFile } from '../spool';
import { readJsonBytes } from './json-body';

export function readCost(
  data: z.output<typeof AsbxCostData>,
  { cluster, correction, evidence }: Pick<CostReport, 'cluster' | 'correction' | 'evidence'>,
): CostReport {
  const { success } = data;
  const endState = data.job_state ?? (success === undefined ? undefined : success ? 'COMPLETED' : 'FAILED');
  return {
    source: 'asbx',
    cluster,
    jobId: data.slurm_job_id ?? data.job_id ?? data.budget_transaction_id ?? '',
    cost: { amount: data.actual_cost.amount, numeral: data.actual_cost.numeral },
    correction,
    evidence,
    ...given({
      account: data.account,
      user: data.user_id,
      partition: data.partition,
      submittedAt: data.submitted_at,
      startedAt: data.started_at,
      endedAt: data.completed_at,
      endState,
      exitCode: data.exit_code,
      holdId: data.budget_transaction_id,
      estimated: data.estimated_cost?.amount,
    }),
    performance: given({
      endState,
      cpuEfficiency: data.cpu_efficiency,
      memoryEfficiency: data.memory_efficiency,
      gpuEfficiency: data.gpu_efficiency,
      burstDecision: data.burst_decision,
      profile: data.performance_profile,
    }),
  };
}

export interface FoundReport {
  /** `no_data`: there is none. `failed`: what is there is none. */
  status: 'completed' | 'failed' | 'no_data';
  detail?: string;
  report?: CostReport;
  /** What the report says itself of what is to become of it. */
  reconciles?: boolean;
  teaches?: boolean;
}

/** The cost report at a path; what is known of the job from its epilog stands before what the file says. */
export async function readCostFile(
  path: string | undefined,
  folders: readonly string[],
  job: ReportedJob,
): Promise<FoundReport> {
  if (path === undefined) return { status: 'no_data' };
  const reading = await readSpoolFile(path, folders);
  if (reading.status !== 'read') return reading;
  try {
    const raw = readJsonBytes(reading.bytes);
    const inner: unknown = typeof raw === 'object' && raw !== null ? (Reflect.get(raw, 'job_cost_data') ?? raw) : raw;
    const data = readAs(AsbxCostData, inner, 'asbb');
    const own = readCost(data, { cluster: job.cluster, correction: false, evidence: plainJson(raw) });
    const names = [data.slurm_job_id, data.job_id].filter((name) => name !== undefined);
    if (names.length > 0 && !names.some((name) => name === job.jobId || name.endsWith(`-${job.jobId}`))) {
      return { status: 'failed', detail: 'asbx_data_path is the report of another job' };
    }
    return {
      status: 'completed',
      report: { ...own, ...job, source: 'epilog', evidence: { epilog: job.evidence, report: own.evidence } },
      ...given({ reconciles: switchOf(raw, 'auto_reconcile'), teaches: switchOf(raw, 'update_cost_model') }),
    };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const fields = error.errors.map(({ pointer, detail }) => `${pointer.slice(1)} ${detail}`.trim()).join('; ');
    return { status: 'failed', detail: `asbx_data_path is no report of ASBX: ${fields}` };
  }
}

function switchOf(report: unknown, name: 'auto_reconcile' | 'update_cost_model'): boolean | undefined {
  const value: unknown = typeof report === 'object' && report !== null ? Reflect.get(report, name) : undefined;
  return typeof value === 'boolean' ? value : undefined;
}
