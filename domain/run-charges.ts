/** Which charge paid for which run, and the key that keeps a run from being paid for twice. */
import type { Resources } from './job';
import type { Run, RunEvent } from './runs';
import { joinJobId } from './slurm-job';
import type { Strand, StoryHold } from './tasks';

export interface StoryCharge {
  runKey: string;
  holdNo: bigint;
  startedAt?: bigint;
  endedAt?: bigint;
  /** Its amount is what somebody reported, no longer what usage says. */
  isReported: boolean;
  /** False: what the run used has not been written down, for its end was not known when it was charged. */
  isMetered?: boolean;
  /** As it stands with its adjustments, and what of it is back. */
  amount: bigint;
  refunded: bigint;
}

/** A run with the key that its charge is unique by, and its charge if it has one. */
export interface StoryRun {
  runKey: string;
  hold: StoryHold;
  run: Run;
  /** What the job asked for, where the run itself does not say what it had. */
  asked?: Resources;
  /** Its time limit, where one is known: it cannot have run for longer by much. */
  limitSeconds?: number;
  charge?: StoryCharge;
}

interface RunFacts {
  cluster: { name: string };
  events: readonly RunEvent[];
  charges: readonly StoryCharge[];
}

const SECOND = 1_000_000n;

/** `<cluster>/<job id>[_task]/<submit>/<start>`, the times in epoch seconds, '-' where unknown; run_key_of in SQL. */
export function runKeyOf(cluster: string, run: Pick<Run, 'jobId' | 'task' | 'submittedAt' | 'startedAt'>): string {
  const seconds = (at: bigint | undefined) => (at === undefined ? '-' : (at / SECOND).toString());
  return `${stemOf(cluster, run)}${seconds(run.submittedAt)}/${seconds(run.startedAt)}`;
}

const stemOf = (cluster: string, run: Pick<Run, 'jobId' | 'task'>): string => `${cluster}/${joinJobId(run)}/`;

/**
 * Pairs the runs of all tasks with their charges. The key is exact, but a run may have been charged before its start was
 * known, or under a start that the accounting later corrected by seconds; the charges of the hold tell.
 */
export function pairWithCharges(strands: readonly Strand[], facts: RunFacts): StoryRun[] {
  const left = new Set(facts.charges);
  const cluster = facts.cluster.name;
  const runs = strands.flatMap(({ hold, tasks }) =>
    tasks.flatMap((task) =>
      task.runs.map((run): StoryRun => {
        const asked = task.resources ?? hold.resources;
        const limitSeconds = task.timeLimitSeconds ?? hold.wallSeconds;
        return {
          runKey: runKeyOf(cluster, run),
          hold,
          run,
          ...(asked ? { asked } : {}),
          ...(limitSeconds === undefined ? {} : { limitSeconds }),
        };
      }),
    ),
  );
  const pair = (find: (run: StoryRun) => StoryCharge | undefined) => {
    for (const run of runs) {
      const charge = run.charge || left.size === 0 ? undefined : find(run);
      if (!charge) continue;
      left.delete(charge);
      run.charge = charge;
      run.runKey = charge.runKey;
    }
  };
  const chargeOfTask = ({ run }: StoryRun, fits: (charge: StoryCharge) => boolean) => {
    const stem = stemOf(cluster, run);
    return [...left].find((charge) => charge.runKey.startsWith(stem) && fits(charge));
  };
  const byKey = new Map(facts.charges.map((charge) => [charge.runKey, charge]));
  pair(({ runKey }) => byKey.get(runKey));
  pair((run) => chargeOfTask(run, ({ startedAt }) => run.run.starts.some((start) => start === startedAt)));
  pair((run) => chargeOfTask(run, ({ startedAt }) => startedAt === undefined));
  return runs;
}

/** Where a whole job was reconciled and nothing is known of its runs, this stands for them. */
export function runOfWholeJob({ hold }: Strand, { events, cluster, charges }: RunFacts): StoryRun {
  const first = events[0];
  const run: Run = {
    jobId: first?.jobId ?? hold.holdId,
    task: '',
    starts: [],
    guessedEnds: [],
    ends: [],
    suspensions: [],
    suspendedSeconds: 0,
    resources: [],
    costs: [],
  };
  const runKey = runKeyOf(cluster.name, run);
  // Of a job that was imported with its charge nobody knows more either, and the key of that charge says where it came from.
  const charge =
    charges.find((candidate) => candidate.runKey === runKey) ??
    charges.find((candidate) => candidate.runKey.startsWith(`${stemOf(cluster.name, run)}asbb/`));
  return { runKey: charge?.runKey ?? runKey, hold, run, ...(charge ? { charge } : {}) };
}
