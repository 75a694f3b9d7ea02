/**
 * How fast does a log of Slurm's accounting come in? Rows of sacct's 26 columns, read from a file, understood and kept, beside a bare
 * COPY of the same bytes into a table without any index; and the same log again, which has to find that nothing is to be done.
 */
import { createReadStream, createWriteStream, rmSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { finished, pipeline } from 'node:stream/promises';
import { openLog } from '../cli/commands/import/sacct-file';
import { ZERO } from '../domain/money';
import { openLedger } from '../ledger';
import type { SacctResult, SacctSettings } from '../ledger/contract/imports';
import { importSacct } from '../ledger/imports/sacct';
import { conclude, count, machine, median, medianRatio, table, type Mark, type Options } from './report';
import { say, withStack, type BenchDatabase, type BenchStack } from './stack';

const ACCOUNTS = 500;
const USERS = 1000;

/** Rows a second; and a report over all of them, in milliseconds. */
interface Round {
  copied: number;
  imported: number;
  again: number;
  rowByRow: number;
  reportMs: number;
}

export const importSacctBench = (options: Options): Promise<boolean> =>
  withStack(async (stack) => {
    const on = machine(stack.postgresVersion);
    const { marks, figures } = await sacctRounds(stack, options);
    return conclude('import-sacct', on, marks, figures, options);
  });

export async function sacctRounds(
  stack: BenchStack,
  options: Options,
): Promise<{ marks: Mark[]; figures: readonly Round[] }> {
  const { rounds, rows } = options.quick ? { rounds: 1, rows: 300_000 } : { rounds: 3, rows: 1_000_000 };
  const log = join(stack.folder, 'sacct.log');
  await writeLog(log, rows);
  const figures: Round[] = [];
  for (let round = 1; round <= rounds; round++) {
    say(`round ${round} of ${rounds}: a log of ${count(rows)} rows …`);
    const target = await stack.database(`sacct_${round}`);
    await openHouse(target);
    const copyFirst = round % 2 === 1;
    const before = copyFirst ? await copyBare(log, target) : 0;
    const first = await timed(() => importAll(log, target));
    if (first.worked.fresh !== rows) throw new Error(`${first.worked.fresh} runs instead of ${rows}`);
    const copied = copyFirst ? before : await copyBare(log, target);
    const again = await timed(() => importAll(log, target));
    if (again.worked.rowsPassedOver !== rows) throw new Error(`${again.worked.rowsPassedOver} rows were passed over`);
    // As if the log had grown at its beginning: every run is known, and none of it is passed over.
    await target.sql`truncate ledger.imported_chunks`;
    const rowByRow = await timed(() => importAll(log, target));
    if (rowByRow.worked.fresh !== 0) throw new Error(`${rowByRow.worked.fresh} runs were new`);
    await target.sql`vacuum analyze ledger.imported_runs`;
    const report = await timed(() => reportYear(target, rows));
    const perSecond = (ms: number) => (rows / ms) * 1000;
    figures.push({
      copied: perSecond(copied),
      imported: perSecond(first.ms),
      again: perSecond(again.ms),
      rowByRow: perSecond(rowByRow.ms),
      reportMs: report.ms,
    });
    await target.sql.unsafe('drop schema ledger cascade; drop table bare');
  }
  rmSync(log);

  const of = (pick: (round: Round) => number) => count(median(figures.map(pick)));
  process.stdout.write(
    `${table(
      ['rows of sacct', 'per second'],
      [
        ['bare COPY', of(({ copied }) => copied)],
        ['import', of(({ imported }) => imported)],
        ['the same log again', of(({ again }) => again)],
        ['the same rows in another log', of(({ rowByRow }) => rowByRow)],
      ],
    )}\na report of a year by day over all of them: ${of(({ reportMs }) => reportMs)} ms\n`,
  );
  const ratio = (above: (round: Round) => number, below: (round: Round) => number) =>
    medianRatio(figures.map(above), figures.map(below));
  return {
    figures,
    marks: [
      {
        name: 'sacct: rows a second / bare COPY of them',
        ratio: ratio(
          ({ imported }) => imported,
          ({ copied }) => copied,
        ),
        bound: 0.2,
        is: 'least',
      },
      {
        name: 'sacct: the same log again / the first time',
        ratio: ratio(
          ({ again }) => again,
          ({ imported }) => imported,
        ),
        bound: 1,
        is: 'least',
      },
      {
        name: 'sacct: the same rows in another log / the first time',
        ratio: ratio(
          ({ rowByRow }) => rowByRow,
          ({ imported }) => imported,
        ),
        bound: 1,
        is: 'least',
      },
    ],
  };
}

async function openHouse({ sql }: BenchDatabase): Promise<void> {
  const { catalog, accounts } = openLedger(sql);
  const by = { principal: 'bench' };
  await catalog.createCluster('wide', { timeZone: 'America/Phoenix' }, by);
  const window = { startsAt: '2024-01-01T00:00:00Z', endsAt: '2027-01-01T00:00:00Z' };
  for (let n = 0; n < ACCOUNTS; n++)
    await accounts.create({ name: `proj${n}`, unit: 'USD', title: 'Project', ...window }, by);
}

const SIZES = [1, 2, 4, 8, 12, 16, 32, 64, 128];

/**
 * A year of a cluster, in the order of its job ids, drawn by a fixed rule: users who belong to an account and send about twenty jobs at a
 * time, sizes and lengths from seconds to half a day.
 */
async function writeLog(path: string, rows: number): Promise<void> {
  const file = createWriteStream(path, { highWaterMark: 1 << 20 });
  const clock = (seconds: number) => new Date(seconds * 1000).toISOString().slice(0, 19);
  let seed = 1;
  const draw = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below;
  let text = '';
  let [who, part] = [0, 0];
  for (let n = 0; n < rows; n++) {
    if (draw(20) === 0) [who, part] = [draw(USERS), draw(6)];
    const submit = 1_736_000_000 + Math.floor((n * 31_000_000) / rows);
    const start = submit + draw(7200);
    const lasted = 5 + draw(40_000);
    const cpus = SIZES[draw(SIZES.length)] ?? 1;
    const nodes = Math.ceil(cpus / 32);
    const gpu = draw(8) === 0 ? `,gres/gpu:a100=${nodes},gres/gpu=${nodes}` : '';
    const mem = `${cpus * 4}G`;
    const elapsed = `${Math.floor(lasted / 3600)}:${String(Math.floor(lasted / 60) % 60).padStart(2, '0')}:${String(lasted % 60).padStart(2, '0')}`;
    const id = 1_000_000 + n;
    const list = nodes === 1 ? `cpn-f11-${draw(60)}` : `cpn-f11-[${draw(30)}-${30 + draw(30)}]`;
    text +=
      `${id}|${id}|wide|part${part}|normal|proj${who % ACCOUNTS}|group${draw(90)}|${4000 + draw(90)}|user${who}|${100_000 + who}|` +
      `${clock(submit)}|${clock(submit)}|${clock(start)}|${clock(start + lasted)}|${elapsed}|0:0|COMPLETED|${nodes}|${cpus}|${cpus}|4Gc|` +
      `billing=${cpus},cpu=${cpus}${gpu},mem=${mem},node=${nodes}|billing=${cpus},cpu=${cpus}${gpu},mem=${mem},node=${nodes}|` +
      `1-00:00:00|${list}|7775eddc87c4fe8551668f14a76bb84f60eed698b453ec1ab${draw(1_000_000)}\n`;
    if (text.length < 1 << 20 && n < rows - 1) continue;
    if (!file.write(text)) await once(file, 'drain');
    text = '';
  }
  file.end();
  await finished(file);
}

async function copyBare(log: string, { sql }: BenchDatabase): Promise<number> {
  const columns = Array.from({ length: 26 }, (_, n) => `c${n} text`).join(', ');
  await sql.unsafe(`drop table if exists bare; create table bare (${columns})`);
  const begun = performance.now();
  const into = await sql.unsafe("copy bare from stdin (delimiter '|')").writable();
  await pipeline(createReadStream(log, { highWaterMark: 1 << 20 }), into);
  return performance.now() - begun;
}

async function importAll(log: string, { sql }: BenchDatabase): Promise<SacctResult> {
  const settings: SacctSettings = {
    cluster: 'wide',
    logCluster: 'wide',
    accountMap: new Map(),
    newAccounts: { policy: 'leave' },
    charge: false,
    apply: true,
  };
  const opened = await openLog(log);
  return importSacct(sql, opened, settings, { progress: () => undefined, finding: () => undefined });
}

async function reportYear({ sql }: BenchDatabase, rows: number): Promise<void> {
  const period = { from: '2025-01-01', to: '2025-12-31' };
  const { total } = await openLedger(sql).usage.report({ groupBy: 'day', period }, { limit: 1000 });
  if (total.jobs < rows * 0.9 || total.amount !== ZERO) throw new Error(`the report has ${total.jobs} jobs`);
}

async function timed<T>(work: () => Promise<T>): Promise<{ ms: number; worked: T }> {
  const begun = performance.now();
  const worked = await work();
  return { ms: performance.now() - begun, worked };
}
