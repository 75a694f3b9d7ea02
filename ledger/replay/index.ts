/**
 * A site's history against proposed budgets, rates and policies: who would have been stopped, when, why, and what would have been
 * left. The rules are the ledger's own functions in a database of the replay's own; nothing here says yes or no.
 */
import { availableParallelism } from 'node:os';
import { addDays, civilDateOf, epochMicros, firstDayOf, instantOfMicros, nextOf, startOfDay } from '../../domain/time';
import type { Progress } from '../contract/imports';
import { byTime, readDenied, readOutcome, type DeniedJob, type Outcome } from './outcome';
import { openBooks, type Proposal } from './proposal';
import { withScratchDatabases, type ScratchDatabase } from './scratch-database';
import { planLog, stageLog, type LogOptions, type PlannedLog, type StagedLog } from './stage';
import { walkTimeline } from './walk';

export type { Proposal, ProposedAccount, ProposedCluster } from './proposal';
export type { AccountOutcome, DeniedJob, Outcome, Reason, Standing, UserOutcome } from './outcome';
export type { StagedLog } from './stage';

export interface ReplayOptions {
  /** Of the server, by any of its databases that may be connected to. Nothing is written into that one. */
  url: string;
  log: LogOptions;
  /** How often balances are written down; days begin in the log's zone. */
  every: 'day' | 'week' | 'month';
  onProgress: (progress: Progress) => void;
  signal: AbortSignal;
  /** How many connections work at once; trees of accounts are divided over them. Default: one a core, at most four. */
  lanes?: number;
  /** False: every job by itself, for tests. */
  together?: boolean;
}

export interface Replayed {
  outcome: Outcome;
  /** Asked for while the databases are there. */
  denied(): AsyncGenerator<DeniedJob>;
}

export interface History extends StagedLog {
  /** Of the log's clock. */
  zone: string;
  jobs: number;
  from: string;
  to: string;
}

/** Replays one log under each of the proposals, and hands all of it to `use`; afterwards nothing of it is left. */
export async function replay<T>(
  proposals: readonly Proposal[],
  lines: AsyncIterable<string>,
  options: ReplayOptions,
  use: (history: History, replayed: Replayed[]) => Promise<T>,
): Promise<T> {
  return withScratchDatabases(options.url, proposals.length, async (databases) => {
    const [first] = databases;
    if (!first) throw new Error('a replay is of at least one proposal');
    const opened = [];
    // Before the log is read: a proposal that the ledger refuses should not cost minutes.
    for (const [index, proposal] of proposals.entries()) {
      opened.push(await openBooks((databases[index] as ScratchDatabase).sql, proposal));
    }
    const staged = await stageLog(first.sql, lines, options.log, options.onProgress, options.signal);
    const replayed: Replayed[] = [];
    let planned: PlannedLog | undefined;
    for (const [index, books] of opened.entries()) {
      const { sql } = databases[index] as ScratchDatabase;
      const lanes = options.lanes ?? Math.min(4, availableParallelism());
      const which = proposals.length === 1 ? '' : ` (${index + 1} of ${proposals.length})`;
      const onProgress = ({ step, ...rest }: Progress) => options.onProgress({ step: `${step}${which}`, ...rest });
      planned = await planLog({ from: first.sql, sql, opened: books, lanes }, staged, onProgress, options.signal);
      const [events] = await sql<{ count: number }[]>`select count(*)::int as count from replay.timeline`;
      let done = 0;
      const samples = samplesOf(planned, options.log.timeZone, options.every);
      const stop = new AbortController();
      const walks = Array.from({ length: lanes }, (_, lane) =>
        walkTimeline({
          sql,
          opened: books,
          lane,
          samples,
          signal: AbortSignal.any([options.signal, stop.signal]),
          onDone: (count) => onProgress({ step: 'replaying', done: (done += count), of: events?.count ?? 0 }),
          ...(options.together === undefined ? {} : { together: options.together }),
        }),
      );
      await Promise.all(walks).catch(async (error: unknown) => {
        stop.abort();
        await Promise.allSettled(walks);
        throw error;
      });
      const outcome = await readOutcome(sql, instantOfMicros(planned.to));
      replayed.push({ outcome, denied: () => readDenied(sql) });
    }
    const history = {
      ...staged,
      zone: options.log.timeZone,
      jobs: planned?.jobs ?? 0,
      from: instantOfMicros(planned?.from ?? 0n),
      to: instantOfMicros(planned?.to ?? 0n),
    };
    return use(history, replayed);
  });
}

/** The ends of the days, weeks or months of a log, and one behind its end. */
function samplesOf({ from, to }: PlannedLog, timeZone: string, every: ReplayOptions['every']): bigint[] {
  const samples: bigint[] = [];
  let day = firstDayOf(every, civilDateOf(instantOfMicros(from), timeZone));
  const last = addDays(civilDateOf(instantOfMicros(to), timeZone), 1);
  while (day < last || samples.length === 0) {
    day = nextOf(every, day);
    samples.push(epochMicros(startOfDay(day, timeZone)));
  }
  return samples;
}

export interface Difference {
  /** Refused by the second proposal and not by the first, or the other way round. */
  deniedBy: 'first' | 'second';
  job: DeniedJob;
}

/** Walks both lists side by side: each has its jobs in the order of the log's clock. */
export async function* differencesOf(first: Replayed, second: Replayed): AsyncGenerator<Difference> {
  const [left, right] = [first.denied(), second.denied()];
  let [a, b] = [await left.next(), await right.next()];
  while (!a.done || !b.done) {
    const order = a.done ? 1 : b.done ? -1 : byTime(a.value, b.value);
    if (order < 0 && !a.done) yield { deniedBy: 'first', job: a.value };
    if (order > 0 && !b.done) yield { deniedBy: 'second', job: b.value };
    if (order <= 0) a = await left.next();
    if (order >= 0) b = await right.next();
  }
}
