/**
 * Brings a log into a throwaway database, and makes of it what its jobs would ask and do under a proposal. Row by row both
 * times, so that the length of a log costs disk and no memory: PostgreSQL does the sorting.
 */
import { Fault } from '../../domain/faults';
import { given } from '../../domain/given';
import type { SacctOptions, SacctRecord } from '../../domain/sacct';
import { jobsOf, rankOf, type LoggedJob } from '../../domain/sacct-jobs';
import { epochMicros } from '../../domain/time';
import { OpenCopy, type BinaryRows } from '../../platform/copy-in';
import type { Sql } from '../../platform/postgres';
import type { Progress } from '../contract/imports';
import type { NumberedCluster } from '../price-book';
import { noSuchAccount } from '../require-account';
import type { Act } from '../settlement';
import { exemptionOf } from '../slurm/exemption';
import { isFault, planJob, type AccountFacts, type PlannedJob } from './plan-job';
import { epochOf, type OpenedBooks } from './proposal';
import { readLog } from './read-log';
import { REPLAY_INDEXES } from './schema';

export interface LogOptions extends SacctOptions {
  /** For rows that name none. */
  cluster: string;
}

export interface StagedLog {
  rows: number;
  /** Rows that cannot be replayed, and why; the first of them, and how many in all. */
  faults: { listed: string[]; inAll: number };
  clusters: string[];
}

const TOLD_EVERY = 5_000;
const FAULTS_LISTED = 1_000;
const ROWS_AT_ONCE = 2_000;

export async function stageLog(
  sql: Sql,
  lines: AsyncIterable<string>,
  options: LogOptions,
  onProgress: (progress: Progress) => void,
  signal: AbortSignal,
): Promise<StagedLog> {
  const staged: StagedLog = { rows: 0, faults: { listed: [], inAll: 0 }, clusters: [] };
  const clusters = new Set<string>();
  const fault = (message: string) => {
    staged.faults.inAll += 1;
    if (staged.faults.listed.length < FAULTS_LISTED) staged.faults.listed.push(message);
  };
  const copy = await OpenCopy.into(sql, 'replay.rows');
  try {
    for await (const some of readLog(lines, options)) {
      for (const read of some) {
        if ('fault' in read) {
          fault(read.fault.message);
          continue;
        }
        // Of all that its row says, the rest is in the record already.
        const { uid } = read.record.fields;
        const record = { ...read.record, fields: given({ uid }) };
        if (record.account === undefined || record.partition === undefined) {
          fault(`line ${read.line}: names no account or no partition, so nobody can be asked to pay`);
          continue;
        }
        const cluster = record.cluster ?? options.cluster;
        clusters.add(cluster);
        copy.rows.row(4);
        copy.rows.text(cluster);
        copy.rows.text(record.id.jobId);
        copy.rows.bigint(read.line);
        copy.rows.text(JSON.stringify(record));
        staged.rows += 1;
      }
      if (copy.rows.isLarge) await copy.flow();
      signal.throwIfAborted();
      if (staged.rows > 0) onProgress({ step: 'reading the log', done: staged.rows });
    }
    await copy.end();
  } catch (error) {
    copy.abandon();
    throw error;
  }
  onProgress({ step: 'reading the log', done: staged.rows, of: staged.rows });
  return { ...staged, clusters: [...clusters].sort() };
}

/** What the timeline says of a submission or a deed. */
export const TRAIT = {
  /** May be decided together with others (a submission), or settled with them (a deed). */
  ordinary: 1,
  /** Only gives back what the job holds, in the stretch of time in which it was held. */
  givesBack: 2,
} as const;

export interface PlannedLog {
  jobs: number;
  from: bigint;
  to: bigint;
}

/** Reads the staged rows of `from`, and stages in `sql` what becomes of them under its books. */
export async function planLog(
  { from, sql, opened, lanes }: { from: Sql; sql: Sql; opened: OpenedBooks; lanes: number },
  { rows }: StagedLog,
  onProgress: (progress: Progress) => void,
  signal: AbortSignal,
): Promise<PlannedLog> {
  const [jobs, deeds, staged] = [
    await OpenCopy.into(sql, 'replay.jobs'),
    await OpenCopy.into(sql, 'replay.deeds'),
    await OpenCopy.into(sql, 'replay.staged'),
  ];
  const planned: PlannedLog = { jobs: 0, from: 0n, to: 0n };
  let read = 0;
  try {
    for await (const records of jobsInARow(from)) {
      signal.throwIfAborted();
      const cluster = records[0]?.cluster ?? '';
      for (const job of jobsOf(
        records.map(({ record }) => record),
        cluster,
      )) {
        planned.jobs += 1;
        const line = records[0]?.record.line ?? 0;
        const [first, last] = [epochMicros(job.submittedAt), epochMicros(job.events.at(-1)?.at ?? job.submittedAt)];
        if (planned.jobs === 1 || first < planned.from) planned.from = first;
        if (last > planned.to) planned.to = last;
        stageJob(
          { no: planned.jobs, line, job, opened, lanes },
          { jobs: jobs.rows, deeds: deeds.rows, staged: staged.rows },
        );
      }
      for (const copy of [jobs, deeds, staged]) if (copy.rows.isLarge) await copy.flow();
      read += records.length;
      if (read % TOLD_EVERY < records.length) onProgress({ step: 'pricing the jobs', done: read, of: rows });
    }
    for (const copy of [jobs, deeds, staged]) await copy.end();
  } catch (error) {
    for (const copy of [jobs, deeds, staged]) copy.abandon();
    throw error;
  }
  onProgress({ step: 'putting them in order', done: 0 });
  await sql.unsafe(REPLAY_INDEXES);
  return planned;
}

interface StagedRow {
  cluster: string;
  record: SacctRecord;
}

/** The rows of one job id after the other; ids recycle, so a group may be several jobs. */
async function* jobsInARow(sql: Sql): AsyncGenerator<StagedRow[]> {
  let group: StagedRow[] = [];
  const rows = sql<{ cluster: string; job_id: string; record: string }[]>`
    select cluster, job_id, record from replay.rows order by cluster, job_id, line`.cursor(ROWS_AT_ONCE);
  let [cluster, jobId] = ['', ''];
  for await (const some of rows) {
    for (const row of some) {
      if (row.cluster !== cluster || row.job_id !== jobId) {
        if (group.length > 0) yield group;
        [group, cluster, jobId] = [[], row.cluster, row.job_id];
      }
      // What stageLog made of a record.
      group.push({
        cluster: row.cluster,
        record: JSON.parse(row.record) as SacctRecord,
      });
    }
  }
  if (group.length > 0) yield group;
}

interface JobToStage {
  no: number;
  line: number;
  job: LoggedJob;
  opened: OpenedBooks;
  lanes: number;
}

type Rows = Record<'jobs' | 'deeds' | 'staged', BinaryRows>;

function stageJob({ no, line, job, opened, lanes }: JobToStage, rows: Rows): void {
  if (isExempt(job, opened)) return addJob(rows.jobs, no, job, { isExempt: true });
  const account = opened.accounts.get(job.account);
  const planned = plan(job, account, opened);
  if (account === undefined || 'refused' in planned) {
    const { code, message } = 'refused' in planned ? planned.refused : noSuchAccount(job.account);
    return addJob(rows.jobs, no, job, { answer: { code, message } });
  }
  const { item, held, cost, deeds, unpriced } = planned;
  const { request, ...asked } = item;
  addJob(rows.jobs, no, job, {
    account,
    held,
    cost,
    unpriced,
    item: { ...asked, at: null, request: {} },
    request: { ...request, estimate: undefined },
  });

  const submittedAt = epochMicros(job.submittedAt);
  const epoch = epochOf(opened.edges, submittedAt);
  const lane = Number(account.rootNo % BigInt(lanes));
  const place = (at: bigint, rank: number, deed: number, traits: number) => {
    const { staged } = rows;
    staged.row(10);
    staged.int(lane);
    staged.bigint(at);
    staged.int(rank);
    staged.bigint(submittedAt);
    staged.bigint(line);
    staged.int(no);
    staged.int(deed);
    staged.bigint(account.rootNo);
    staged.int(epochOf(opened.edges, at));
    staged.int(traits);
  };
  place(submittedAt, rankOf(job, undefined), 0, planned.isOrdinary ? TRAIT.ordinary : 0);
  for (const [index, { at, rank, acts }] of deeds.entries()) {
    const lean = acts.map((act) =>
      act.act === 'charge' ? { ...act, request: { ...act.request, slices: null, usage: null } } : act,
    );
    rows.deeds.row(4);
    rows.deeds.int(no);
    rows.deeds.int(index + 1);
    rows.deeds.time(Number(at));
    rows.deeds.json(lean);
    const givesBack = planned.staysWithinHold && epochOf(opened.edges, at) === epoch;
    const isWhole = deeds.length === 1 && (did(acts, ['charge', 'close']) || did(acts, ['close']));
    place(at, rank, index + 1, (givesBack ? TRAIT.givesBack : 0) | (givesBack && isWhole ? TRAIT.ordinary : 0));
  }
}

interface JobFacts {
  isExempt?: boolean;
  account?: AccountFacts;
  held?: bigint;
  cost?: bigint;
  unpriced?: string | undefined;
  item?: object;
  request?: object;
  answer?: object;
}

/** In the order of the table's columns. */
function addJob(rows: BinaryRows, no: number, job: LoggedJob, facts: JobFacts): void {
  rows.row(18);
  rows.int(no);
  rows.bigint(facts.account?.accountNo);
  rows.text(job.account);
  rows.text(job.user);
  rows.text(job.cluster);
  rows.text(job.components[0]?.partition);
  rows.text(job.jobId);
  rows.text(job.name);
  rows.time(Number(epochMicros(job.submittedAt)));
  rows.int(job.arrayTasks);
  rows.text(facts.account?.unit);
  rows.bigint(facts.held);
  rows.bigint(facts.cost);
  rows.text(facts.unpriced);
  rows.boolean(facts.isExempt ?? false);
  rows.json(facts.item);
  rows.text(facts.request && JSON.stringify(facts.request));
  rows.json(facts.answer);
}

const did = (acts: readonly Act[], what: readonly Act['act'][]): boolean =>
  acts.length === what.length && acts.every(({ act }, index) => act === what[index]);

/** As hooks have it: nobody asks about such jobs. */
function isExempt({ cluster, account, user, components }: LoggedJob, { book }: OpenedBooks): boolean {
  const known = book.clusters.get(cluster);
  if (known === undefined) return false;
  const whose = given({ user, account: account || undefined });
  return components.every(
    ({ partition }) => exemptionOf(known, { ...whose, partitions: partition.split(',').filter(Boolean) }) !== undefined,
  );
}

function plan(
  job: LoggedJob,
  account: AccountFacts | undefined,
  { book, estimate }: OpenedBooks,
): PlannedJob | { refused: Fault } {
  if (account === undefined) return { refused: noSuchAccount(job.account) };
  try {
    return planJob(job, { account, book, estimate, cluster: clusterOf(book.clusters, job.cluster) });
  } catch (error) {
    if (isFault(error)) return { refused: error };
    throw error;
  }
}

function clusterOf(clusters: ReadonlyMap<string, NumberedCluster>, name: string): NumberedCluster {
  const cluster = clusters.get(name);
  if (cluster) return cluster;
  throw new Fault('cluster_not_found', `The proposal has no cluster "${name}".`);
}
