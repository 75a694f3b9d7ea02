/**
 * What becomes of a hold that no job of the queue carries any more and of which the accounting knows no end either: a
 * submission that was only a test, or was refused after its check; a job that a crash of the controller has lost; tasks of
 * an array that were cancelled one by one, of which Slurm keeps no record.
 */
import type { JobEventType } from './job';
import { joinJobId } from './slurm-job';
import type { StoryFacts } from './story';
import { readStrand, type Strand } from './tasks';
import { instantOfMicros, type Instant } from './time';

/** What is to be recorded of a job that was lost. */
export interface LostEvent {
  type: JobEventType;
  jobId: string;
  task: string;
  at: Instant;
  holdNo: bigint;
  startedAt?: Instant;
  arrayTasks?: number;
}

/** Either nothing of it ever ran and its holds are given back, or what did run ends with the last that was seen of it. */
export type Fate = { giveBack: string } | { record: LostEvent[] };

export type UnseenFacts = Pick<StoryFacts, 'cluster' | 'holds' | 'events'>;

/** `seenUntil`: the last listing in which it was, by the cluster's clock; undefined where it was in none. */
export function fateOf(facts: UnseenFacts, seenUntil: bigint | undefined): Fate {
  const strands = facts.holds.map((_, index) => readStrand(facts.holds, facts.events, index));
  const record = strands.filter(({ hold }) => hold.status === 'open').flatMap((strand) => endOf(strand, seenUntil));
  return record.length > 0 ? { record } : { giveBack: reasonOf(facts, strands) };
}

function endOf(strand: Strand, seenUntil: bigint | undefined): LostEvent[] {
  const { tasks, hold, arrayTasks } = strand;
  const begun = tasks.filter(({ runs }) => runs.length > 0);
  const events = begun
    .filter(({ isOver }) => !isOver)
    .map(({ jobId, task, runs, spokenOfAt }): LostEvent => {
      const run = runs.at(-1);
      const isRunning = run?.startedAt !== undefined && run.endedAt === undefined;
      // Behind all that is known of it: what was to run again does not.
      const least = (isRunning ? run.startedAt : (spokenOfAt ?? 0n) + 1_000_000n) ?? 0n;
      const at = seenUntil !== undefined && seenUntil > least ? seenUntil : least;
      return {
        type: isRunning ? 'ended' : 'cancelled',
        jobId,
        task,
        at: instantOfMicros(at),
        holdNo: hold.holdNo,
        ...(isRunning && run.startedAt !== undefined ? { startedAt: instantOfMicros(run.startedAt) } : {}),
      };
    });
  const [first] = begun;
  if (first !== undefined && arrayTasks > begun.length) {
    events.push(reductionOf(strand, first.jobId, begun.length, seenUntil));
  }
  return events;
}

/** An array that is smaller than it was. */
export const reductionOf = (
  { hold, spokenOfAt }: Pick<Strand, 'hold' | 'spokenOfAt'>,
  jobId: string,
  arrayTasks: number,
  seenUntil: bigint | undefined,
): LostEvent => ({
  type: 'resized',
  jobId,
  task: '',
  at: instantOfMicros(seenUntil !== undefined && seenUntil > spokenOfAt ? seenUntil : spokenOfAt),
  holdNo: hold.holdNo,
  arrayTasks,
});

function reasonOf({ cluster, events }: UnseenFacts, strands: readonly Strand[]): string {
  const [task] = strands.flatMap(({ tasks }) => tasks);
  if (task === undefined || events.length === 0) {
    return (
      `No job of it is in the queue or the accounting of ${cluster.name}: it was only tested, refused after its check, ` +
      'or lost in a crash of the scheduler'
    );
  }
  return (
    `Job ${joinJobId({ ...task, task: '' })} is not in the queue of ${cluster.name} any more, and never ran by its accounting: ` +
    'it was cancelled without a record, or lost in a crash of the scheduler'
  );
}
