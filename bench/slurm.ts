/**
 * What does it cost Slurm to ask Bursar? `sbatch` on one controller, without a plugin and with Bursar's, in turns within each round;
 * with the worker at what the submissions themselves give it (the default), and beside that at the lives of other jobs. Jobs are
 * submitted held, so that only submissions are measured. Then Bursar hangs: how long does `squeue` take at worst?
 */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../test/helpers/eventually';
import { startCluster, type SlurmCluster } from '../test/slurm/cluster';
import { askOf, installHooks, prepareCluster, relayOf } from '../test/slurm/hooks';
import { expectBooksToBalance } from './house';
import { figureOf, type Figure } from './http-load';
import { conclude, figureCells, machine, medianRatio, ms, Series, table, type Mark, type Options } from './report';
import { say, withStack, type BenchDatabase } from './stack';

const SUBMITTERS = [1, 16];
/** Equal jobs, as a loop of `sbatch` submits them; in one state each job is called by another name, and asked about by itself. */
const STATES = ['no plugin', 'Bursar', 'Bursar, no two jobs equal', 'Bursar, worker busy'] as const;
type State = (typeof STATES)[number];

const NAME = 'bench';
/** Lives of other jobs, one after the other in so many threads, are what keeps the worker busy. */
const LIVES_AT_ONCE = 4;

export const slurmBench = (options: Options): Promise<boolean> =>
  withStack(async (stack) => {
    const on = machine(stack.postgresVersion);
    const database = await stack.database('bench');
    const temporal = await stack.temporal();
    await stack.worker(database, temporal);
    const api = await stack.api(database, temporal);
    await prepareCluster(api.url, NAME);
    await openAccount(api.url, 'proj-a');
    say('starting Slurm …');
    await using cluster = await startCluster({
      name: NAME,
      extraConf: 'MaxJobCount=50000',
      hooks: (place) => installHooks({ ...place, url: api.url }),
    });
    await cluster.launch('relay', relayOf(cluster.folder), { user: 'slurm' });

    const { rounds, each } = options.quick ? { rounds: 1, each: 20 } : { rounds: 5, each: 100 };
    const series = new Map<string, Series>();
    // The first is not counted: until then V8 has not compiled what every submission runs through.
    for (let round = 0; round <= rounds; round++) {
      say(round === 0 ? 'warming up …' : `round ${round} of ${rounds} …`);
      for (const state of STATES) {
        await bringInto(cluster, state);
        const others = state === 'Bursar, worker busy' ? keepBusy(api.url) : undefined;
        for (const submitters of SUBMITTERS) {
          const name = nameOf(state, submitters);
          const figure = await submit(cluster, submitters, each, state === 'Bursar, no two jobs equal');
          if (round === 0) continue;
          series.set(name, series.get(name) ?? new Series(name));
          series.get(name)?.add(figure);
        }
        await others?.stop();
        await clear(cluster, database);
      }
    }
    // Last: what it holds for those who no longer wait goes back minutes later.
    const hanging = await whileItHangs(cluster, api.pid, options.quick ? 3 : 15);
    await expectBooksToBalance(database);

    const figures = [...series.values()];
    const rows = figures.map(({ name, median }) => [name, ...figureCells(median)]);
    process.stdout.write(`\n${table(['sbatch', 'per second', 'p50 ms', 'p99 ms'], rows)}\n`);
    const waits = Object.entries(hanging).map(([what, wait]) => [what, ms(wait)]);
    process.stdout.write(`\n${table(['while Bursar hangs, 16 submitters', 'longest ms'], waits)}\n`);
    const perSecond = (state: State, submitters: number) =>
      (series.get(nameOf(state, submitters))?.rounds ?? []).map((figure) => figure.perSecond);
    const marks = SUBMITTERS.map((submitters): Mark => ({
      name: `${submitters} submitter${submitters === 1 ? '' : 's'}: with Bursar / without`,
      ratio: medianRatio(perSecond('Bursar', submitters), perSecond('no plugin', submitters)),
      bound: 0.8,
      is: 'least',
    }));
    const cases = figures.map(({ name, median }) => ({ name, median }));
    return conclude('slurm', on, marks, { rounds, submissions: each, cases, hanging }, options);
  });

const nameOf = (state: State, submitters: number): string =>
  `${state}, ${submitters} submitter${submitters === 1 ? '' : 's'}`;

async function openAccount(url: string, name: string): Promise<void> {
  const year = new Date().getUTCFullYear();
  await askOf(url, 'POST', '/api/v1/accounts', {
    slurm_account: name,
    name,
    unit: 'USD',
    budget_limit: 100_000_000,
    start_date: `${year - 1}-01-01T00:00:00Z`,
    end_date: `${year + 2}-01-01T00:00:00Z`,
  });
}

/** The controller takes the plugin in and out while it runs. */
async function bringInto(cluster: SlurmCluster, state: State): Promise<void> {
  const file = join(cluster.conf, 'slurm.conf');
  const without = readFileSync(file, 'utf8').replace(/^#?JobSubmitPlugins=lua$/m, '#JobSubmitPlugins=lua');
  writeFileSync(file, state === 'no plugin' ? without : without.replace('#JobSubmitPlugins', 'JobSubmitPlugins'));
  await cluster.ask('scontrol', ['reconfigure'], { user: 'root' });
  const { AdminComment = '' } = (await cluster.job(await cluster.sbatch(['--hold']))) ?? {};
  if (AdminComment.includes('bursar:') !== (state !== 'no plugin')) {
    throw new Error(`${state}, yet the comment of a job is "${AdminComment}"`);
  }
}

/** Each submitter submits one job after the other. */
async function submit(cluster: SlurmCluster, submitters: number, each: number, namesThem: boolean): Promise<Figure> {
  const latencies: number[] = [];
  const count = submitters === 1 ? each : each * 3;
  let left = count;
  const began = performance.now();
  const submitter = async () => {
    while (left-- > 0) {
      const name = namesThem ? [`--job-name=job-${left}`] : [];
      const { code, stderr, tookMs } = await cluster.run('sbatch', ['--hold', '-t', '5', '--wrap=true', ...name]);
      if (code !== 0) throw new Error(stderr);
      latencies.push(tookMs);
    }
  };
  await Promise.all(Array.from({ length: submitters }, submitter));
  return figureOf(latencies, (performance.now() - began) / 1_000);
}

/** Other jobs are admitted, run and are settled. */
function keepBusy(url: string): { stop(): Promise<void> } {
  let goesOn = true;
  let number = 0;
  const life = async () => {
    while (goesOn) {
      const id = `other-${process.pid}-${Date.now()}-${++number}`;
      const { transaction_id } = await askOf<{ transaction_id: string }>(url, 'POST', '/api/v1/budget/check', {
        account: 'proj-a',
        cluster: NAME,
        partition: 'cpu',
        nodes: 1,
        cpus: 2,
        wall_time: '5',
        idempotency_key: id,
      });
      const at = (secondsAgo: number) => new Date(Date.now() - secondsAgo * 1_000).toISOString();
      const run = {
        cluster: NAME,
        job_id: id,
        transaction_id,
        submitted_at: at(70),
        started_at: at(60),
        nodes: 1,
        cpus: 2,
      };
      const events = [
        { ...run, type: 'started', at: run.started_at },
        { ...run, type: 'ended', at: at(1), end_state: 'COMPLETED' },
      ];
      await askOf(url, 'POST', '/api/v1/jobs/events', { events });
    }
  };
  const lives = Promise.all(Array.from({ length: LIVES_AT_ONCE }, life));
  return {
    async stop() {
      goesOn = false;
      await lives;
    },
  };
}

/** No job, no record on its way, no hold, no story that waits to be told: the next state begins where this one did. */
async function clear(cluster: SlurmCluster, { sql }: BenchDatabase): Promise<void> {
  // Whatever is asked about next gives back what was held beforehand.
  await cluster.sbatch(['--hold', '--job-name=last']);
  await cluster.run('scancel', ['--user=alice'], { user: 'root' });
  const isClear = async () => {
    const queue = await cluster.ask('squeue', ['-h'], { user: 'root' });
    if (queue !== '' || !isAllSent(cluster)) return false;
    const [left] = await sql<{ left: number }[]>`
      select (select count(*) from ledger.holds where status = 'open')::int + (select count(*) from ledger.outbox)::int as left`;
    return left?.left === 0;
  };
  await eventually('everything is over', isClear, 300_000);
}

/** The relay writes down how far it has come in what the hooks wrote: the records of cancelled jobs come by the hundred. */
function isAllSent({ folder }: SlurmCluster): boolean {
  const spool = join(folder, 'var/spool/bursar');
  return readdirSync(spool)
    .filter((name) => name.endsWith('.ndjson'))
    .every((name) => {
      const mark = join(spool, name.replace('.ndjson', '.offset'));
      const sent = existsSync(mark) ? Number(readFileSync(mark, 'ascii').split(' ')[1]) : 0;
      return sent === statSync(join(spool, name)).size;
    });
}

/** Everybody submits, and somebody looks at the queue all the time; Bursar takes every question and answers none. */
async function whileItHangs(
  cluster: SlurmCluster,
  pid: number | undefined,
  seconds: number,
): Promise<Record<string, number>> {
  if (pid === undefined) throw new Error('the API has no process');
  const longest: Record<string, number> = {};
  const until = performance.now() + seconds * 1_000;
  const again = async (command: string, args: string[]) => {
    while (performance.now() < until) {
      const { tookMs } = await cluster.run(command, args);
      longest[command] = Math.max(longest[command] ?? 0, tookMs);
    }
  };
  process.kill(pid, 'SIGSTOP');
  try {
    const submitters = Array.from({ length: 16 }, () => again('sbatch', ['--hold', '--wrap=true']));
    await Promise.all([...submitters, again('squeue', []), again('sinfo', [])]);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  return longest;
}
