/**
 * What ASBX and the epilogs of its sites send, and what they are told (contract 8.3-8.5). They are machines whose reports
 * come once: what is empty, Go's zero time, or no word of Slurm's is taken for "not said", and only what makes the report
 * useless is refused.
 */
import { z } from 'zod';
import { BURST_DECISIONS } from '../../domain/asbx';
import { Fault } from '../../domain/faults';
import type { EndState } from '../../domain/job';
import { readCpusPerNode, readState } from '../../domain/slurm-job';
import { instantOfSeconds, readInstant } from '../../domain/time';
import {
  ClusterName,
  Cost,
  Count,
  JsonObject,
  Money,
  Time,
  alongside,
  idLike,
  numeralOf,
  pluginCount,
  text,
} from './wire';

const said = (written: string): string | undefined => (written.trim() === '' ? undefined : written.trim());

const maybeText = (max: number) => text(max, { empty: true }).transform(said).meta({ type: 'string' }).optional();

const maybeId = idLike(128, { empty: true })
  .transform(said)
  .meta({ type: ['string', 'integer'] })
  .optional();

const maybeTime = z
  .string()
  .transform((value, context) => {
    if (value === '' || value.startsWith('0001-01-01')) return undefined;
    try {
      return readInstant(value);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      context.addIssue({ code: 'custom', message: `must be an RFC 3339 time with its zone: ${error.message}` });
      return z.NEVER;
    }
  })
  .meta({ type: 'string', format: 'date-time' })
  .optional();

/** A fraction of 1; what is no number, or negative, was not measured. */
const efficiency = z
  .custom<number | string>((value) => numeralOf(value) !== undefined, { error: 'must be a number' })
  .transform((value) => {
    const fraction = Number(numeralOf(value));
    return Number.isFinite(fraction) && fraction >= 0 ? fraction : undefined;
  })
  .meta({ type: 'number', description: '0 to 1.' })
  .optional();

/** How it ended; undefined for `RUNNING`, an empty text and words that nobody knows. */
function endStateOf(written: string): EndState | undefined {
  try {
    return readState(written).endState;
  } catch {
    return undefined;
  }
}

const maybeEndState = idLike(64, { empty: true })
  .transform(endStateOf)
  .meta({ type: ['string', 'integer'] })
  .optional();

const exitCode = idLike(32, { empty: true })
  .transform((written) => (/^-?\d{1,9}/.test(written) ? Number.parseInt(written, 10) : undefined))
  .meta({ type: ['integer', 'string'], description: '0, or as Slurm writes it: 0:15.' })
  .optional();

// ASBX --------------------------------------------------------------------------------------------------------------------

/** The cost of a job as ASBX sends it, and, flat, as its exporter writes it (`--format asbb-reconciliation`). */
export const AsbxCostData = z
  .object({
    job_id: maybeId.describe("ASBX's own id of the job, and the scheduler's where slurm_job_id is missing."),
    slurm_job_id: maybeId.describe("The scheduler's id of the job."),
    account: maybeText(255).describe('The account; with the job id it finds the hold.'),
    partition: maybeText(128).describe('Where the job ran.'),
    user_id: maybeText(128).describe('Whose job it was.'),
    submitted_at: maybeTime.describe('When it was submitted; empty: not known.'),
    started_at: maybeTime.describe('When it began; empty: not known.'),
    completed_at: maybeTime.describe('When it ended; empty: not known.'),
    job_state: maybeEndState.describe("How it ended, in Slurm's words, or an exit code."),
    exit_code: exitCode,
    estimated_cost: Cost.optional().describe("Default: Bursar's own estimate."),
    actual_cost: Cost,
    cpu_efficiency: efficiency,
    memory_efficiency: efficiency,
    gpu_efficiency: efficiency,
    burst_decision: text(16, { empty: true })
      .transform((word) => BURST_DECISIONS.find((known) => known === word.toUpperCase()))
      .meta({ type: 'string', description: BURST_DECISIONS.join(', ') })
      .optional(),
    performance_profile: maybeText(255).describe("ASBX's word for what the job is like; kept with the feedback."),
    budget_transaction_id: maybeText(128).describe("The hold's id."),
    success: z.boolean().optional().describe('Of the flat form: COMPLETED or FAILED.'),
  })
  .superRefine(({ job_id, slurm_job_id, budget_transaction_id }, context) => {
    if (job_id !== undefined || slurm_job_id !== undefined || budget_transaction_id !== undefined) return;
    for (const field of ['job_id', 'budget_transaction_id']) {
      context.addIssue({ code: 'custom', path: [field], message: 'is required: say which job it is about' });
    }
  }, alongside)
  .meta({
    id: 'AsbxCostData',
    description: 'Fields that are not listed are kept with the report: costs by kind, instances, metrics, metadata.',
  });

export const AsbxReconcileRequest = z
  .object({
    job_cost_data: AsbxCostData,
    auto_reconcile: z
      .boolean()
      .optional()
      .describe('false: the report is only written down. Default: asbx_integration.auto_reconcile.'),
    update_cost_model: z
      .boolean()
      .optional()
      .describe('Does it count in cost_model_accuracy? Default: asbx_integration.update_cost_model.'),
    generate_report: z.boolean().optional().describe("ASBB's; nothing is made, and notes say so."),
    notify_stakeholders: z.boolean().optional().describe("ASBB's; nobody is told, and notes say so."),
    correction: z.boolean().optional().describe('A cost that was reported before is changed to this one.'),
    cluster: ClusterName.optional().describe('Default: the configured default cluster.'),
  })
  .meta({ id: 'AsbxReconcileRequest' });

export const AsbxReconcileAnswer = z
  .object({
    success: z.literal(true).describe('True; what fails is a problem instead.'),
    status: z
      .enum(['reconciled', 'recorded', 'waiting'])
      .describe('recorded: nothing moved; waiting: no hold is known for the job yet, see unmatched_id.'),
    reconciliation_id: z.string().optional().describe('Its id.'),
    original_transaction: z.string().optional().describe("The hold's id."),
    unmatched_id: Count.optional().describe('Under which number the report waits, in /unmatched.'),
    unit: z.string().optional().describe('What amounts are counted in: a currency, or a service unit.'),
    estimated_cost: Money,
    actual_cost: Money,
    cost_variance: Money.describe('actual - estimated.'),
    cost_variance_pct: z.number().describe('Of the estimate, two decimals; 0 where that is 0.'),
    refund_amount: Money.describe('Held and given back.'),
    additional_charge: Money.describe('Charged beyond the hold.'),
    estimation_accuracy: z.number().min(0).max(1).describe('Three decimals.'),
    model_update_applied: z.boolean().describe('Whether it counts in cost_model_accuracy.'),
    compliance_report_generated: z.boolean().optional().describe('False: no such report is made.'),
    message: z.string().describe('The whole sentence for people.'),
    warnings: z.array(z.string()).optional().describe('What to look at.'),
    recommendations: z.array(z.string()).optional().describe('What to do.'),
    notes: z.array(z.string()).optional().describe('What was asked for and not done.'),
    replayed: z.boolean().describe('The same report had been reconciled before.'),
  })
  .meta({ id: 'AsbxReconciliation' });

export const AsbxStatusAnswer = z
  .object({
    asbx_version: z.string().describe('The form of reports that is spoken.'),
    integration_enabled: z.boolean().describe('Whether reports are taken.'),
    last_data_import: Time.nullable().describe('null: nothing has come yet.'),
    total_jobs_reconciled: Count.describe('All reports that were settled, or refused.'),
    successful_reconciliations: Count.describe('Those that were settled.'),
    failed_reconciliations: Count.describe('Refused, because another cost had been reported.'),
    recorded_reports: Count.describe('Only written down, as was asked for.'),
    waiting_reports: Count.describe('No hold is known for their jobs yet.'),
    average_reconciliation_time: z.string().describe('What a report takes on average, in seconds, like 0.012s.'),
    cost_model_accuracy: z
      .number()
      .min(0)
      .max(1)
      .nullable()
      .describe('null: no estimate was compared with a cost yet.'),
    last_health_check: Time.describe('When this was answered.'),
    health_status: z.enum(['healthy', 'degraded']).describe('degraded: reports wait for somebody.'),
  })
  .meta({ id: 'AsbxStatus' });

// Epilogs -----------------------------------------------------------------------------------------------------------------

/** Unix seconds as a shell has them: 0 and nothing mean "not known". */
const unixTime = idLike(20, { empty: true })
  .transform((written, context) => {
    if (written === '') return undefined;
    if (!/^\d{1,11}$/.test(written)) {
      context.addIssue({ code: 'custom', message: 'must be Unix seconds, like 1772460311, or 0' });
      return z.NEVER;
    }
    return Number(written) === 0 ? undefined : instantOfSeconds(Number(written));
  })
  .meta({ type: ['integer', 'string'], description: 'Unix seconds; 0: not known.' })
  .optional();

const cpusPerNode = idLike(1000, { empty: true })
  .transform((written, context) => {
    try {
      return readCpusPerNode(written);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      context.addIssue({ code: 'custom', message: error.message });
      return z.NEVER;
    }
  })
  .meta({ type: ['integer', 'string'], description: 'A number, or SLURM_JOB_CPUS_PER_NODE as it is: 16(x2),8.' })
  .optional();

export const AsbxEpilogRequest = z
  .object({
    job_id: idLike(128).describe("The scheduler's id."),
    account: maybeText(64).describe('Of the job; with partition, user_id and submit_time it finds the hold.'),
    partition: maybeText(128).describe('Where the job ran.'),
    user_id: maybeText(128).describe('Whose job it was.'),
    job_state: idLike(64, { empty: true })
      .meta({ type: ['string', 'integer'], description: "Slurm's word, or an exit code: 0 is COMPLETED, else FAILED." })
      .optional(),
    exit_code: exitCode,
    submit_time: unixTime,
    start_time: unixTime,
    end_time: unixTime,
    allocated_nodes: pluginCount(0, 10_000_000).optional(),
    allocated_cpus: cpusPerNode,
    allocated_gpus: pluginCount(0, 100_000_000).optional(),
    asbx_data_path: maybeText(4096).describe(
      'A cost report of ASBX on the machine of the API, below one of asbx_integration.spool_directories.',
    ),
    array_job_id: maybeId.describe('SLURM_ARRAY_JOB_ID, with array_task_id: the array that was held.'),
    array_task_id: maybeId.describe('SLURM_ARRAY_TASK_ID: which of its tasks has ended.'),
    transaction_id: maybeText(128).describe('The hold, where the job carries its id.'),
    hold_key: maybeText(255).describe('The idempotency key of the check, where the job carries that.'),
    cluster: ClusterName.optional().describe('Default: the configured default cluster.'),
    slurm_accounting_data: JsonObject.optional().describe('Whatever the epilog knows besides; kept with the report.'),
  })
  .meta({ id: 'AsbxEpilogRequest', description: 'Fields that are not listed are kept with the report.' });

export const AsbxEpilogAnswer = z
  .object({
    success: z.literal(true).describe('True; what fails is a problem instead.'),
    job_id: z.string().describe("The scheduler's id of the job."),
    reconciliation_triggered: z.boolean().describe('Whether the job was settled by it.'),
    reconciliation_id: z.string().optional().describe('Its id.'),
    message: z.string().describe('The whole sentence for people.'),
    next_steps: z.array(z.string()).optional().describe('What is to be done, in words.'),
    data_import_status: z
      .enum(['completed', 'failed', 'no_data', 'skipped'])
      .describe('What became of the cost report.'),
    error_details: z
      .string()
      .optional()
      .describe('What was wrong with it, why there was none, or why it was not used.'),
    transaction_id: z.string().optional().describe("The hold's id."),
    unmatched_id: Count.optional().describe('Under which number the report waits, in /unmatched.'),
    state: z.string().optional().describe("The job's, as in GET /jobs."),
    unit: z.string().optional().describe('What amounts are counted in: a currency, or a service unit.'),
    charged: Money.optional(),
  })
  .meta({ id: 'AsbxEpilogAnswer' });
