/**
 * What the hooks of a controller tell of, recorded. A record that cannot be understood is rejected by itself; whatever is
 * told twice is a duplicate, and nothing depends on the order, for spools come late.
 */
import { Fault } from '../../domain/faults';
import type { JobEventType } from '../../domain/job';
import { parseReportedCost } from '../../domain/money';
import { readLoneChange, readLoneDecision, type LoneChange, type LoneDecision } from '../../domain/slurm-alone';
import { readCompletion, readEpilog, readProlog, restartCountOf, envOf } from '../../domain/slurm-records';
import type { EpilogRecord, SlurmEvent } from '../../domain/slurm-records';
import type { RawFacts } from '../../domain/slurm-submission';
import { compareInstants, type Instant } from '../../domain/time';
import type { Sql } from '../../platform/postgres';
import type { Caller, EventReceipt, Slurm, SlurmReceipt } from '../contract';
import { ask } from '../errors';
import type { RecordEvents } from '../events';
import type { PriceBooks } from '../price-book';
import { clusterNamed } from './cluster';
import type { TakeLoneChange } from './lone-changes';
import type { TakeLoneDecision } from './lone-decisions';

export interface RecordsDeps {
  sql: Sql;
  prices: PriceBooks;
  recordEvents: RecordEvents;
  takeLoneDecision: TakeLoneDecision;
  takeLoneChange: TakeLoneChange;
  defaultCluster: string;
}

type Read =
  | { is: 'event'; event: SlurmEvent }
  | { is: 'prolog'; event: SlurmEvent; restartCount: number }
  | { is: 'epilog'; epilog: EpilogRecord; at: Instant }
  | { is: 'lone'; decision: LoneDecision }
  | { is: 'change'; change: LoneChange }
  | { is: 'rejected'; detail: string };

const SOURCES = ['submit', 'modify', 'jobcomp', 'prolog', 'epilog'] as const;

export function openRecords(deps: RecordsDeps): Pick<Slurm, 'record'> {
  const { sql, prices, recordEvents, takeLoneDecision, takeLoneChange, defaultCluster } = deps;

  return {
    async record(name = defaultCluster, records, caller) {
      const { cluster } = await clusterNamed(prices, name);
      const receipts = new Array<SlurmReceipt>(records.length);
      const read = records.map(readRecord);
      const told: { i: number; event: SlurmEvent }[] = [];

      // What a hook decided comes before what became of it, wherever it stands.
      await Promise.all(
        read.map(async (each, i) => {
          if (each.is === 'rejected') receipts[i] = { status: 'rejected', detail: each.detail };
          if (each.is === 'lone') receipts[i] = await takeLoneDecision(cluster, each.decision, caller);
          if (each.is === 'event') told.push({ i, event: each.event });
        }),
      );
      // One after the other, as they were allowed: of two changes of a job the later one stands.
      for (const [i, each] of read.entries()) {
        if (each.is === 'change') receipts[i] = await takeLoneChange(cluster, each.change, caller);
      }
      const ends = read.flatMap(endOf);
      const begun: Start[] = [];
      for (const [i, each] of read.entries()) {
        if (each.is !== 'prolog') continue;
        const { event, restartCount } = each;
        const start = { run: runOf(event), restartCount, at: event.at };
        const known = await startOf(sql, cluster.clusterNo, event.jobId, event.task ?? '', event.at, true);
        const before = known ? [...begun, { ...known, run: start.run }] : begun;
        const isTold = before.some((earlier) => isSameStart(earlier, start, ends));
        begun.push(start);
        if (isTold) {
          receipts[i] = { status: 'duplicate', jobId: event.jobId, detail: 'its start was told of before' };
        } else told.push({ i, event });
      }
      await tell(told, cluster.name, caller, receipts);

      const over: typeof told = [];
      for (const [i, each] of read.entries()) {
        if (each.is !== 'epilog') continue;
        const { jobId, task } = each.epilog;
        const start = await startOf(sql, cluster.clusterNo, jobId, task, each.at, false);
        const event = each.epilog.read(start?.restartCount);
        if (event) over.push({ i, event });
        else {
          const detail =
            'nobody has told of the start, so this may be the end of the job or its requeue; the record of job completion says which';
          receipts[i] = { status: 'unmatched', jobId, detail };
        }
      }
      await tell(over, cluster.name, caller, receipts);
      return receipts;
    },
  };

  async function tell(
    told: readonly { i: number; event: SlurmEvent }[],
    cluster: string,
    caller: Caller,
    receipts: SlurmReceipt[],
  ): Promise<void> {
    if (told.length === 0) return;
    const answers = await recordEvents(
      told.map(({ event }) => ({ ...event, cluster })),
      caller,
    );
    told.forEach(({ i }, n) => (receipts[i] = receiptOf(answers[n])));
  }
}

interface Start {
  run: string;
  restartCount: number;
  at: Instant;
}

const runOf = ({ jobId, task = '' }: { jobId: string; task?: string }): string => `${jobId}_${task}`;

const CLOSING: readonly JobEventType[] = ['ended', 'cancelled', 'requeued', 'preempted', 'node_failed'];

/** What the batch itself says to be over by then: what stands in it is not in the ledger yet. */
function endOf(each: Read): { run: string; at: Instant }[] {
  if (each.is === 'epilog') return [{ run: runOf(each.epilog), at: each.at }];
  if (each.is !== 'event' || !CLOSING.includes(each.event.type)) return [];
  return [{ run: runOf(each.event), at: each.event.at }];
}

/** The controller runs a prolog again after a crash: it is still the same start. But ids come back, once their job is over. */
function isSameStart(one: Start, other: Start, ends: readonly { run: string; at: Instant }[]): boolean {
  if (one.run !== other.run || one.restartCount !== other.restartCount) return false;
  const [from, until] = compareInstants(one.at, other.at) <= 0 ? [one.at, other.at] : [other.at, one.at];
  return !ends.some(
    ({ run, at }) => run === one.run && compareInstants(at, from) >= 0 && compareInstants(at, until) <= 0,
  );
}

function receiptOf(receipt: EventReceipt | undefined): SlurmReceipt {
  if (!receipt) throw new Error('an event has no receipt');
  const { status, jobId, holdId, detail } = receipt;
  return { status, jobId, ...(holdId === undefined ? {} : { holdId }), ...(detail === undefined ? {} : { detail }) };
}

function readRecord(raw: RawFacts): Read {
  try {
    switch (SOURCES.find((source) => source === raw.source)) {
      case 'jobcomp':
        return { is: 'event', event: readCompletion(raw) };
      case 'prolog': {
        const kept = { ...raw, env: slurmOnly(envOf(raw)) };
        return { is: 'prolog', event: readProlog(kept), restartCount: restartCountOf(kept.env) };
      }
      case 'epilog': {
        const kept = { ...raw, env: slurmOnly(envOf(raw)) };
        return { is: 'epilog', epilog: readEpilog(kept), at: readProlog(kept).at };
      }
      case 'submit': {
        const decision = readLoneDecision(raw);
        if (decision.cost !== undefined) parseReportedCost(decision.cost);
        return { is: 'lone', decision };
      }
      case 'modify': {
        const change = readLoneChange(raw);
        if (change.cost !== undefined) parseReportedCost(change.cost);
        return { is: 'change', change };
      }
      default:
        return { is: 'rejected', detail: `source: must be one of ${SOURCES.join(', ')}` };
    }
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { is: 'rejected', detail: error.message };
  }
}

/** A script's environment may hold more than is ours to keep. */
const slurmOnly = (env: RawFacts): RawFacts =>
  Object.fromEntries(Object.entries(env).filter(([name]) => name.startsWith('SLURM_')));

/**
 * The last prolog of a job by that time, and the restart count that it saw; undefined where none was told of. With `open`,
 * only where no end was told of since: ids come back.
 */
async function startOf(
  sql: Sql,
  clusterNo: number,
  jobId: string,
  task: string,
  at: Instant,
  open: boolean,
): Promise<Omit<Start, 'run'> | undefined> {
  const [row] = await ask(
    () => sql<{ env: RawFacts; at: Instant }[]>`
      select started.facts #> '{raw,env}' as env, started.at
      from ledger.jobs j
      join ledger.job_events started on started.job_no = j.job_no and started.type = 'started' and started.task = ${task}
      where j.cluster_no = ${clusterNo} and j.job_id = ${jobId} and started.at <= ${at}::timestamptz
        and jsonb_typeof(started.facts #> '{raw,env}') = 'object'
        and not (${open} and exists (
          select from ledger.job_events closing
          where closing.job_no = j.job_no and closing.task = ${task} and closing.at between started.at and ${at}::timestamptz
            and closing.type in ('ended', 'cancelled', 'requeued', 'preempted', 'node_failed')))
      order by started.at desc
      limit 1`,
  );
  return row && { restartCount: restartCountOf(row.env), at: row.at };
}
