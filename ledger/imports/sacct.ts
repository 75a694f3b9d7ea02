/**
 * An accounting log becomes runs: read chunk by chunk, staged, kept, and charged where that was asked for. Each chunk is whole before
 * it is written down as done, so that a run that is killed goes on where it was, and the same log again is passed over.
 */
import { createHash } from 'node:crypto';
import { Fault } from '../../domain/faults';
import { UnusableColumns } from '../../domain/sacct';
import { refundTermsOf } from '../../domain/refund';
import { openRunReader, type NoRun, type SacctRun } from '../../domain/sacct-runs';
import { BinaryRows, copyIn } from '../../platform/copy-in';
import { withReserved, type Reserved, type Sql } from '../../platform/postgres';
import type { LogChunk, Progress, SacctFinding, SacctLog, SacctResult, SacctSettings } from '../contract/imports';
import type { Cluster, PriceBook } from '../contract';
import { ask } from '../errors';
import { openPriceBooks } from '../price-book';
import { exemptionsOf } from '../slurm/exemption';
import { chargeLate } from './late-charges';
import { hasRefunds } from './late-refunds';
import { ACTOR, quietly, withImportLock } from './lock';
import { openLogAccounts, type RunAccount } from './sacct-accounts';
import { addUpDays } from './sacct-days';
import { openChargedSizes, type ChargedSizes } from './resized-runs';
import { openRunPrices, type RunPrices } from './sacct-prices';
import { count, noCounts, Tally, type Counts, type TallyHouse } from './sacct-tally';

/** Changes when rows come to be read in another way: what was done before is then looked at again. */
const READING = 4;

/** A run that is to be kept, with its account. */
export interface OwnedRun {
  run: SacctRun;
  account: RunAccount;
  gap: string | undefined;
}

/** A chunk that was read. */
interface ReadChunk {
  counts: Counts;
  /** That are to be kept. */
  runs: number;
  /** Of them, by place, where they are to be charged: nobody else looks at them again. */
  owned: OwnedRun[];
  /** Nothing in it is left to be mended, so it need not be read again. */
  isClean: boolean;
}

interface House extends TallyHouse {
  sql: Sql;
  /** A connection that does not wait for the disk. */
  lazy: Reserved;
  cluster: Cluster & { clusterNo: number };
  prices: RunPrices;
  sizes: ChargedSizes;
  book: PriceBook;
}

/** Reads a log and, with `apply`, keeps its runs. `cluster_not_found`, `malformed_request`. One import at a time. */
export async function importSacct(
  sql: Sql,
  log: SacctLog,
  settings: SacctSettings,
  on: { progress: (progress: Progress) => void; finding: (finding: SacctFinding) => void },
): Promise<SacctResult> {
  const book = await openPriceBooks(sql).current();
  const cluster = book.clusters.get(settings.cluster);
  if (!cluster) {
    const detail = `There is no cluster "${settings.cluster}".`;
    throw new Fault('cluster_not_found', detail, { facts: { cluster: settings.cluster } });
  }
  const { timeZone } = cluster;
  const { logCluster, accountMap, newAccounts, charge } = settings;
  const reader = openRunReader({
    timeZone,
    latest: await latestEnd(sql),
    ...(log.columns && { columns: log.columns }),
    ...(logCluster !== undefined && { cluster: logCluster }),
  });
  const accounts = openLogAccounts(sql, settings, timeZone);
  const prices = openRunPrices(book, cluster);
  const sizes = openChargedSizes(sql, cluster, settings);
  const house = { sql, cluster, settings, reader, accounts, prices, sizes, book, onFinding: on.finding };
  const manner = digestOf(
    JSON.stringify([
      READING,
      timeZone,
      logCluster ?? null,
      [...accountMap].sort(),
      newAccounts.policy,
      // Whose exemption ends is charged by the next import of the same log.
      charge && exemptionsOf(cluster),
      // And so is what got nothing back under the policy of then.
      ...(charge && hasRefunds(cluster) ? [refundTermsOf(cluster)] : []),
    ]),
  );
  return withImportLock(sql, async () => {
    await sql`truncate ledger.run_rows, ledger.seen_runs`;
    const importNo = settings.apply ? await begin(sql, log.name, settings) : 0n;
    const result = await withLazy(sql, (lazy) => readAll({ ...house, lazy }, log, importNo, manner, on.progress));
    if (settings.apply) await addUpDays(sql, cluster.clusterNo, on.progress);
    if (settings.apply)
      await sql`update ledger.imports set finished_at = clock_timestamp() where import_no = ${importNo}`;
    return result;
  });
}

/** Clocks differ, and a log may be of another zone than its cluster; a wrong year is told apart all the same. In micros. */
async function latestEnd(sql: Sql): Promise<number> {
  const [row] = await ask(
    () => sql<{ now: number }[]>`
      select extract(epoch from clock_timestamp() + interval '2 days')::float8 * 1000000 as now`,
  );
  return row?.now ?? Infinity;
}

async function withLazy<T>(sql: Sql, work: (lazy: Reserved) => Promise<T>): Promise<T> {
  return withReserved(sql, async (lazy) => {
    await lazy`set synchronous_commit = off`;
    try {
      return await work(lazy);
    } finally {
      await quietly(() => lazy`reset synchronous_commit`);
    }
  });
}

async function begin(sql: Sql, name: string, { cluster, charge }: SacctSettings): Promise<bigint> {
  // Of one that died nothing is left to do but what this one does.
  await sql`update ledger.imports set finished_at = clock_timestamp() where source = 'sacct' and finished_at is null`;
  const [row] = await sql<{ importNo: bigint }[]>`
    insert into ledger.imports (source, name, settings, actor, begun_at)
    values ('sacct', ${name}, ${JSON.stringify({ cluster, charge })}::text::jsonb, ${ACTOR}, clock_timestamp())
    returning import_no as "importNo"`;
  if (!row) throw new Error('the import has no number');
  return row.importNo;
}

// The log ---------------------------------------------------------------------------------------------------------------

async function readAll(
  house: House,
  log: SacctLog,
  importNo: bigint,
  manner: Buffer,
  onProgress: (progress: Progress) => void,
): Promise<SacctResult> {
  const { reader, settings } = house;
  const tally = new Tally(house);
  // While PostgreSQL keeps one chunk the next is read.
  let keeping: Promise<unknown> = Promise.resolve();
  const seen = new Set<string>();
  try {
    for await (const chunk of log.chunks) {
      const digest = digestOf(manner, reader.columns.join('|'), chunk.digest);
      const done = settings.apply ? await findChunk(house, digest) : undefined;
      if (done) {
        reader.use(done.columns);
        tally.pass(seen.has(digest.toString('hex')) ? repeated(done) : done);
      } else {
        const read = await readChunk(house, chunk, tally);
        await keeping;
        await stage(house);
        keeping = keep(house, read, digest, importNo, tally);
        // Who fails is awaited at the next chunk; until then nobody else looks.
        keeping.catch(() => undefined);
      }
      seen.add(digest.toString('hex'));
      onProgress({
        step: 'reading the log',
        done: tally.rows,
        ...(chunk.progress !== undefined && { part: chunk.progress }),
      });
    }
    await keeping;
  } finally {
    await keeping.catch(() => undefined);
    await house.sql`truncate ledger.run_rows, ledger.seen_runs`.catch(() => undefined);
  }
  return tally.result();
}

async function findChunk({ sql, cluster }: House, digest: Buffer): Promise<Counts | undefined> {
  const [row] = await ask(
    () => sql<{ counts: Counts }[]>`
      select counts from ledger.imported_chunks where cluster_no = ${cluster.clusterNo} and digest = ${digest}`,
  );
  return row?.counts;
}

/** The same chunk once more. */
const repeated = ({ rows, runs, repeats, columns }: Counts): Counts => ({
  ...noCounts(),
  rows,
  repeats: runs + repeats,
  columns,
});

function digestOf(...parts: (string | Buffer)[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest();
}

// Reading ---------------------------------------------------------------------------------------------------------------

/** So many rows are dealt with before the next are looked at, so that what is made of them is short-lived. */
const ROWS_AT_ONCE = 500;

/** Also writes its runs down (`staging`), for which nobody has to have kept the chunk before. */
async function readChunk(house: House, { rows, line }: LogChunk, tally: Tally): Promise<ReadChunk> {
  const { accounts, settings } = house;
  const chunk: ReadChunk = { counts: noCounts(), runs: 0, owned: [], isClean: true };
  const { counts } = chunk;
  const users = new Set<string>();
  staging.clear();
  for (let from = 0; from < rows.length; from += ROWS_AT_ONCE) {
    const runs = readRows(house, rows.slice(from, from + ROWS_AT_ONCE), line + from, chunk, tally);
    await accounts.learn(new Set(runs.map(({ account }) => account)));
    for (const run of runs) {
      const account = accounts.of(run.account);
      if (account === 'left_out') counts.leftOut += 1;
      else if (account === 'unknown') {
        chunk.isClean = false;
        tally.strange(run.account, run);
      } else {
        const gap = house.prices.gapOf(run, account.unit);
        if (gap !== undefined) {
          tally.unpricedRun(run, account, gap);
          if (settings.charge) chunk.isClean = false;
        }
        if (run.hasUncertainTime) tally.doubtful(run, account);
        if (run.user !== undefined) users.add(run.user);
        count(counts, run);
        encode(chunk.runs, run, account);
        chunk.runs += 1;
        if (settings.charge) chunk.owned.push({ run, account, gap });
      }
    }
  }
  counts.users = [...users];
  counts.columns = house.reader.columns;
  return chunk;
}

function readRows(
  { reader, onFinding }: House,
  rows: LogChunk['rows'],
  line: number,
  chunk: ReadChunk,
  tally: Tally,
): SacctRun[] {
  const { counts } = chunk;
  const runs: SacctRun[] = [];
  for (const [index, row] of rows.entries()) {
    let read: SacctRun | NoRun | undefined;
    try {
      if (row instanceof Fault) throw row;
      read = typeof row === 'string' ? reader.read(row, line + index) : reader.readFields(row, line + index);
    } catch (error) {
      // Of columns that are of no use every row is unreadable.
      if (!(error instanceof Fault) || error instanceof UnusableColumns) throw error;
      counts.rows += 1;
      chunk.isClean = false;
      tally.unreadable += 1;
      onFinding({ kind: 'unreadable', line: line + index, detail: error.message });
      continue;
    }
    if (read === undefined) continue;
    counts.rows += 1;
    if (typeof read !== 'string') runs.push(read);
    else {
      counts.noRuns[read] = (counts.noRuns[read] ?? 0) + 1;
      if (read === 'running') {
        onFinding({ kind: 'still_running', line: line + index, detail: 'still running, or its end is unknown' });
      }
    }
  }
  return runs;
}

// Keeping ---------------------------------------------------------------------------------------------------------------

const staging = new BinaryRows();

function encode(place: number, run: SacctRun, account: RunAccount): void {
  const { resources, startedAt, endedAt } = run;
  staging.row(15);
  staging.int(place);
  staging.text(run.jobId);
  staging.text(run.otherId);
  staging.time(run.submittedAt);
  staging.time(startedAt);
  staging.time(endedAt);
  staging.bigint(account.no);
  staging.text(run.partition);
  staging.text(run.user);
  staging.text(run.endState);
  staging.bigint(resources.nodes);
  staging.bigint(resources.cpus);
  staging.bigint(resources.gpus);
  staging.float(resources.memoryMib);
  staging.bigint(endedAt - startedAt - run.suspendedMicros);
}

async function stage({ lazy }: House): Promise<void> {
  await lazy`truncate ledger.run_rows`;
  await copyIn(lazy, 'copy ledger.run_rows from stdin (format binary)', staging);
}

/**
 * The first transaction keeps the runs; the second, under the locks of their trees, finds what was charged already. Neither waits for
 * the disk: what a crash takes with it is a chunk that is not written down as done, and done again. Charges do wait.
 */
async function keep(house: House, read: ReadChunk, digest: Buffer, importNo: bigint, tally: Tally): Promise<void> {
  const { sql, lazy, cluster, settings } = house;
  const { clusterNo } = cluster;
  const { counts, runs } = read;
  if (!settings.apply) {
    const owned = runs === 0 ? [] : setAside(read, await findRepeats(lazy, clusterNo));
    const standing = runs === 0 ? [] : await standingOf(sql, clusterNo);
    counts.charged = standing.filter(({ isCharged }) => isCharged).length;
    tally.add(counts, standing.filter(({ isKnown }) => !isKnown).length);
    if (settings.charge) tally.late(await chargeLate(house, owned, standing, tally.unpricedRun));
    return;
  }
  let [fresh, owned] = [0n, read.owned];
  if (runs > 0) {
    const [booked] = await ask(
      () => lazy<({ fresh: bigint } & Repeats)[]>`
        select fresh, coalesce(places, '{}') as places, coalesce(cpu_seconds, 0) as "cpuSeconds",
          coalesce(gpu_seconds, 0) as "gpuSeconds", coalesce(node_seconds, 0) as "nodeSeconds"
        from ledger.book_runs(${clusterNo}, ${importNo})`,
    );
    if (!booked) throw new Error('nobody says how many runs were kept');
    fresh = booked.fresh;
    owned = setAside(read, booked);
    const [joined] = await ask(() => lazy<{ charged: bigint }[]>`select ledger.join_charges(${clusterNo}) as charged`);
    counts.charged = Number(joined?.charged ?? 0n);
    if (counts.charged > 0) await ask(() => sql`select ledger.meter_joined(${clusterNo})`);
  }
  let isDone = read.isClean;
  if (settings.charge && runs > 0) {
    const late = await chargeLate(house, owned, await standingOf(sql, clusterNo), tally.unpricedRun);
    tally.late(late);
    counts.charged += late.runs;
    if (late.followed > 0 || late.unpriced > 0) isDone = false;
  }
  tally.add(counts, Number(fresh));
  if (isDone) {
    await ask(
      () => lazy`
        insert into ledger.imported_chunks (cluster_no, digest, counts, import_no)
        values (${clusterNo}, ${digest}, ${JSON.stringify(counts)}::text::jsonb, ${importNo}) on conflict do nothing`,
    );
  }
}

/** Staged rows of runs that the log has named before, and what they would have counted. They are staged no longer. */
interface Repeats {
  places: number[];
  cpuSeconds: number;
  gpuSeconds: number;
  nodeSeconds: number;
}

async function findRepeats(lazy: Reserved, clusterNo: number): Promise<Repeats> {
  const [repeats] = await ask(
    () => lazy<Repeats[]>`
      select places, cpu_seconds as "cpuSeconds", gpu_seconds as "gpuSeconds", node_seconds as "nodeSeconds"
      from ledger.set_aside_repeats(${clusterNo}, 0)`,
  );
  if (!repeats) throw new Error('nobody says which rows are repeated');
  return repeats;
}

/** Takes repeats out of what the chunk counts, and says whose runs are left, in the order in which they are staged. */
function setAside({ counts, owned }: ReadChunk, repeats: Repeats): OwnedRun[] {
  const places = new Set(repeats.places);
  counts.runs -= places.size;
  counts.repeats += places.size;
  counts.cpuSeconds -= repeats.cpuSeconds;
  counts.gpuSeconds -= repeats.gpuSeconds;
  counts.nodeSeconds -= repeats.nodeSeconds;
  return places.size === 0 ? owned : owned.filter((_, place) => !places.has(place));
}

export interface Standing {
  isKnown: boolean;
  isCharged: boolean;
  isFollowed: boolean;
}

/** In the order of their places. */
async function standingOf(sql: Sql, clusterNo: number): Promise<Standing[]> {
  return ask(
    () => sql<Standing[]>`
      select is_known as "isKnown", is_charged as "isCharged", is_followed as "isFollowed"
      from ledger.standing_of_runs(${clusterNo}) order by place`,
  );
}
