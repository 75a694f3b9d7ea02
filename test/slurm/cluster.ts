/**
 * A whole Slurm of a test's own: munge, MariaDB, slurmdbd, slurmctld, four slurmd, and slurmrestd when asked for, below one temporary
 * folder and on free ports, so that several run side by side. Nothing of it outlives the test (`keeper.py`).
 */
import { randomBytes } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { identify } from '../../platform/embedded/processes';
import { eventually } from '../helpers/eventually';
import { noteServer, scratchFolder } from '../helpers/scratch';
import { Daemons, type Daemon, type LaunchOptions } from './daemons';
import { startKeeper, type Keeper } from './keeper';
import { runAs, type Person, type Ran, type RunOptions } from './people';
import { choosePlace, makeFolders, writeConfiguration } from './place';
import { NODES, type NodeName, type Place, type Ports } from './slurm-conf';

export type { Daemon } from './daemons';
export type { Person, Ran, RunOptions } from './people';

export interface ClusterOptions {
  /** The cluster's name, in Slurm and in Bursar. */
  name?: string;
  /** All four unless fewer are named: c1 and c2 with 8 CPUs, g1 and g2 with four a100 beside them. */
  nodes?: readonly NodeName[];
  /** Lines at the end of slurm.conf. */
  extraConf?: string;
  /** Changes slurm.conf, or puts files beside it, before anything starts; what it returns is added to slurm.conf. */
  hooks?: (place: {
    conf: string;
    folder: string;
    name: string;
    env: Record<string, string>;
  }) => Promise<string | void> | string | void;
}

/** What `scontrol show job` says, word for word: JobState, AdminComment, SubmitTime, … */
export type JobFacts = Record<string, string>;

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** A running cluster: accounts proj-a and proj-b, both open to alice (who has proj-a by default) and bob (proj-b). */
export async function startCluster(options: ClusterOptions = {}): Promise<SlurmCluster> {
  const folder = scratchFolder();
  const keeper = startKeeper(folder);
  const identity = identify(keeper.pid);
  if (identity) noteServer(folder, identity);
  const { name = `box${randomBytes(3).toString('hex')}`, nodes = NODES, extraConf = '', hooks } = options;
  try {
    const place = await choosePlace(folder, name);
    makeFolders(place);
    const cluster = new SlurmCluster(place, keeper);
    const { conf, env } = cluster;
    writeConfiguration(place, nodes, extraConf);
    const hooked = (await hooks?.({ conf, folder, name, env })) ?? '';
    appendFileSync(join(conf, 'slurm.conf'), `${hooked}\n`);
    await cluster.start('munged');
    await makeDatabase(cluster, place);
    await cluster.start('slurmdbd');
    await makeAccounts(cluster);
    await cluster.start('slurmctld');
    await Promise.all(nodes.map((node) => cluster.start(node)));
    return cluster;
  } catch (error) {
    await keeper.end();
    throw error;
  }
}

async function makeDatabase(cluster: SlurmCluster, { folder, password }: Place): Promise<void> {
  const where = [`--defaults-file=${cluster.conf}/my.cnf`, '--user=mysql', `--datadir=${folder}/mariadb/data`];
  const how = ['--skip-test-db', '--auth-root-authentication-method=socket'];
  await cluster.ask('mariadb-install-db', [...where, ...how], { user: 'root' });
  await cluster.start('mariadbd');
  const input = ['127.0.0.1', 'localhost']
    .map(
      (host) =>
        `create user slurm@'${host}' identified by '${password}'; grant all on slurm_acct_db.* to slurm@'${host}';`,
    )
    .join('\n');
  await cluster.ask('mariadb', [`--socket=${folder}/mariadb/socket`], { user: 'root', input });
}

async function makeAccounts(cluster: SlurmCluster): Promise<void> {
  const sacctmgr = (...args: string[]) => cluster.ask('sacctmgr', ['-iQ', ...args], { user: 'root' });
  await sacctmgr('add', 'cluster', cluster.name);
  await sacctmgr('add', 'account', 'proj-a,proj-b');
  await sacctmgr('add', 'user', 'alice', 'account=proj-a,proj-b', 'defaultaccount=proj-a');
  await sacctmgr('add', 'user', 'bob', 'account=proj-a,proj-b', 'defaultaccount=proj-b');
}

export class SlurmCluster implements AsyncDisposable {
  readonly name: string;
  /** Everything is below it. */
  readonly folder: string;
  /** The folder of slurm.conf, and of the scripts that Slurm looks for beside it. */
  readonly conf: string;
  /** What a Slurm command needs to find this cluster. */
  readonly env: Record<string, string>;
  readonly ports: Ports;
  readonly #daemons: Daemons;

  constructor(
    place: Place,
    private readonly keeper: Keeper,
  ) {
    ({ name: this.name, folder: this.folder, ports: this.ports } = place);
    this.conf = join(this.folder, 'etc');
    this.env = { PATH, LANG: 'C.UTF-8', TZ: 'UTC', SLURM_CONF: join(this.conf, 'slurm.conf') };
    const askRoot = (command: string, args: readonly string[]) =>
      this.run(command, args, { user: 'root', withinMs: 15_000 });
    this.#daemons = new Daemons(place, this.env, keeper, askRoot);
  }

  /** Runs a command, as alice unless said, in a home of hers below the folder. A code that is not 0 is an answer like any other. */
  run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
    const { user = 'alice' } = options;
    const cwd = join(this.folder, 'home', user);
    const env = { ...this.env, HOME: cwd, USER: user, LOGNAME: user, ...options.env };
    return runAs(command, args, { ...options, user, env, cwd });
  }

  /** The same; fails where the command does, with what it said and the end of the log that matters. Returns what it printed. */
  async ask(command: string, args: readonly string[], options?: RunOptions): Promise<string> {
    const { code, stdout, stderr } = await this.run(command, args, options);
    if (code === 0) return stdout;
    const log = command.startsWith('mariadb') ? 'mariadbd' : command === 'sacctmgr' ? 'slurmdbd' : 'slurmctld';
    const said = `${command} ${args.join(' ')} ended with ${code}:\n${stderr}${stdout}`;
    throw new Error(`${said}\nThe end of ${log}'s log:\n${this.log(log)}`);
  }

  /** Submits and returns the job's number. Unless `args` or the input say otherwise the job sleeps for longer than a test takes. */
  async sbatch(args: readonly string[] = [], options?: RunOptions): Promise<number> {
    const hasScript = options?.input !== undefined || args.some((arg) => arg.startsWith('--wrap'));
    const out = await this.ask('sbatch', ['--parsable', ...args, ...(hasScript ? [] : ['--wrap=sleep 600'])], options);
    const id = Number.parseInt(out, 10);
    if (!Number.isInteger(id)) throw new Error(`sbatch printed no number but: ${out}`);
    return id;
  }

  /** What the controller says of a job; undefined when it does not know it (any more). Of an array, the first line. */
  async job(id: number | string): Promise<JobFacts | undefined> {
    const { code, stdout } = await this.run('scontrol', ['-o', 'show', 'job', String(id)], { user: 'root' });
    const line = stdout.split('\n')[0] ?? '';
    if (code !== 0 || line === '') return undefined;
    // A value may hold blanks; the next name ends it.
    const pairs = line.matchAll(/(\S+?)=(.*?)(?=\s+[\w:/]+=|\s*$)/g);
    return Object.fromEntries([...pairs].map(([, name = '', value = '']) => [name, value]));
  }

  /** Waits until the job is in one of these states, such as RUNNING or COMPLETED. */
  async jobIs(id: number | string, states: string | readonly string[], withinMs = 60_000): Promise<JobFacts> {
    const wanted = [states].flat();
    let last: JobFacts | undefined;
    const look = async () => {
      last = await this.job(id);
      return last !== undefined && wanted.includes(last.JobState ?? '') && last;
    };
    return eventually(`job ${id} is ${wanted.join(' or ')}`, look, withinMs).catch((error: unknown) => {
      const about = this.log('slurmctld', { match: new RegExp(`JobId=${id}\\b|error|fatal`) });
      const is = last ? `${last.JobState}, ${last.Reason}` : 'unknown to the controller';
      throw new Error(`job ${id} is not ${wanted.join(' or ')} but ${is}\nslurmctld:\n${about}`, { cause: error });
    });
  }

  /** The same by the accounting, which knows its jobs for longer than the controller does. */
  async jobEndedAs(id: number | string, state: string, withinMs = 120_000): Promise<void> {
    const look = async () => {
      const [row] = await this.sacct(['State'], ['-X', '-j', String(id)]);
      if (row?.State === state) return true;
      throw new Error(`it is ${row?.State}`);
    };
    await eventually(`job ${id} has ended as ${state}`, look, withinMs);
  }

  /** Waits until the job has run for so many seconds. */
  hasRun(id: number | string, seconds: number): Promise<JobFacts> {
    const look = async () => {
      const facts = await this.job(id);
      const [hours = 0, minutes = 0, rest = 0] = (facts?.RunTime ?? '').split(':').map(Number);
      return facts?.JobState === 'RUNNING' && hours * 3_600 + minutes * 60 + rest >= seconds && facts;
    };
    return eventually(`job ${id} has run for ${seconds} s`, look, 90_000);
  }

  /** What accounting has, a record for each line. */
  async sacct(columns: readonly string[], args: readonly string[]): Promise<Record<string, string>[]> {
    const out = await this.ask('sacct', ['-n', '-P', '-a', '-o', columns.join(','), ...args], { user: 'root' });
    const lines = out.split('\n').filter((line) => line !== '');
    return lines.map((line) => Object.fromEntries(line.split('|').map((cell, index) => [columns[index] ?? '', cell])));
  }

  /** Starts it unless it runs, and waits until it does its work. */
  start(daemon: Daemon): Promise<void> {
    return this.#daemons.start(daemon);
  }

  /** Sends a signal, SIGKILL unless said, and waits until the daemon is gone (not after SIGSTOP or SIGCONT). */
  kill(daemon: Daemon, signal?: NodeJS.Signals): Promise<void> {
    return this.#daemons.kill(daemon, signal);
  }

  /** The number of its process; undefined while it does not run. */
  pid(daemon: Daemon): number | undefined {
    return this.#daemons.pid(daemon);
  }

  /** Starts another program that ends with the cluster; `killProgram` and `log` know it by its name. */
  launch(name: string, argv: readonly string[], options?: LaunchOptions): Promise<number> {
    return this.#daemons.launch(name, argv, options);
  }

  killProgram(name: string, signal?: NodeJS.Signals): Promise<void> {
    return this.#daemons.kill(name, signal);
  }

  /** The last lines of a daemon's log, or of those that match. */
  log(name: string, options?: { lines?: number; match?: RegExp }): string {
    return this.#daemons.log(name, options);
  }

  /** The REST service, started when first asked for, and the headers that make its caller this person. */
  async rest(user: Person = 'alice'): Promise<{ url: string; token: string; headers: Record<string, string> }> {
    await this.start('slurmrestd');
    const out = await this.ask('scontrol', ['token', `username=${user}`, 'lifespan=3600'], { user: 'root' });
    const token = out.trim().replace(/^SLURM_JWT=/, '');
    const headers = { 'X-SLURM-USER-NAME': user, 'X-SLURM-USER-TOKEN': token };
    return { url: `http://127.0.0.1:${this.ports.slurmrestd}`, token, headers };
  }

  /** Cancels everything and waits until the queue is empty. */
  async drain(): Promise<void> {
    const isEmpty = async () => {
      const queue = (await this.ask('squeue', ['-h', '-o', '%i %T on "%N" (%r)'], { user: 'root' })).trim();
      if (queue === '') return true;
      const rows = queue.split('\n');
      // 7, 7_4 or 7+1 itself, and all of 7. By the number that a task has besides, scancel does nothing and says nothing.
      const names = rows.map((row) => (row.split(' ')[0] ?? '').replace(/_\[.*/, ''));
      const whole = names.map((name) => name.replace(/[_+].*/, ''));
      await this.run('scancel', [...new Set([...names, ...whole])], { user: 'root' });
      throw new Error(rows.join('; '));
    };
    // What a killed daemon of a node has not cleaned up is completing for minutes.
    await eventually('the queue is empty', isEmpty, 240_000);
  }

  /** Kills all of it; nothing is left, on disk neither. */
  stop(): Promise<void> {
    return this.keeper.end();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
