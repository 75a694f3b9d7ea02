/** What a job asks for and what it used, as the schedulers say it, once their grammars have been read. */

/** Resources of a whole job (never per node or per task). Memory in MiB. `gpusByModel` is part of `gpus`. */
export interface Resources {
  nodes: number;
  cpus: number;
  gpus: number;
  gpusByModel: Readonly<Record<string, number>>;
  memoryMib: number;
}

/** What a suspended job keeps from others: its GPUs and its memory. CPUs and nodes are free for them. */
export const keptWhileSuspended = (resources: Resources): Resources => ({ ...resources, nodes: 0, cpus: 0 });

/** One budget request after parsing: a job, or one component of a heterogeneous one. */
export interface JobRequest {
  partition: string;
  resources: Resources;
  /** True where `tres` was given: a CPU then counts once, also under the asbb-compat preset (rulings 22). */
  fromTres: boolean;
  /** What else was asked for in Slurm's words and costs nothing: `license/matlab`, `gres/fpga`. */
  unbilledTres?: readonly string[];
  /** Undefined: UNLIMITED or unset; the partition's max_time (or default_time) decides. */
  wallSeconds: number | undefined;
  unlimited: boolean;
  arrayTasks: number;
}

export const JOB_EVENT_TYPES = [
  'submitted',
  'started',
  'ended',
  'requeued',
  'cancelled',
  'suspended',
  'resumed',
  'preempted',
  'node_failed',
  'resized',
  'cost',
] as const;
export type JobEventType = (typeof JOB_EVENT_TYPES)[number];

/** How a run ended, in Slurm's words. */
export const END_STATES = [
  'COMPLETED',
  'FAILED',
  'CANCELLED',
  'TIMEOUT',
  'NODE_FAIL',
  'OUT_OF_MEMORY',
  'PREEMPTED',
  'BOOT_FAIL',
  'DEADLINE',
] as const;
export type EndState = (typeof END_STATES)[number];

/** What an event may say of a job, beside what happened and when. */
export interface EventFacts {
  /** Nobody has said when it happened: its time is when it was heard of, and gives way to whoever knows. */
  atArrival?: boolean;
  endState?: EndState;
  /** Who cancelled it, as a uid. Whose job it is: another's, where an administrator did. */
  cancelledBy?: string;
  uid?: number;
  exitCode?: number;
  resources?: Resources;
  timeLimitSeconds?: number;
  /** Of an array that has become smaller: how many tasks there are of it, with those that have ended. */
  arrayTasks?: number;
  /** How long the run was suspended, where the scheduler says so in one number. */
  suspendedSeconds?: number;
  /** The numeral as received. */
  cost?: string;
  correction?: boolean;
  /** Of an array: it is said of the tasks that have not begun. */
  onlyWaiting?: boolean;
}

/** What a charge was made from; `provisional` is usage that stands in for a reported cost that did not come. */
export const CHARGE_SOURCES = ['usage', 'reported', 'provisional'] as const;
export type ChargeSource = (typeof CHARGE_SOURCES)[number];

/** Why a hold must hold something else than before. */
export type ResizeCause = 'requeue' | 'walltime' | 'tasks';

/** What a scheduler could say about a job (rulings 16): there is none to ask, it was away, or its answer is among the events. */
export type SchedulerAnswer = 'absent' | 'unreachable' | 'asked';

/** Where a job's story is; the word in `GET /jobs`, in the search attribute BudgetState and in the metrics. */
export const JOB_STATES = [
  'pending',
  'running',
  'suspended',
  'awaiting_cost',
  'overdue',
  'quarantined',
  'settled',
  'released',
  'unmatched',
] as const;
export type JobState = (typeof JOB_STATES)[number];
