/** The daemons of a test cluster: each started as the user that a site starts it as, asked whether it works, killed, started again. */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { eventually } from '../helpers/eventually';
import type { Keeper } from './keeper';
import { asUser, type Ran } from './people';
import { NODES, type NodeName, type Place } from './slurm-conf';

export type Daemon = 'munged' | 'mariadbd' | 'slurmdbd' | 'slurmctld' | 'slurmrestd' | NodeName;

export interface LaunchOptions {
  user?: string;
  env?: Record<string, string>;
}

/** Runs a command as root. */
export type AskRoot = (command: string, args: readonly string[]) => Promise<Ran>;

export class Daemons {
  readonly #pids = new Map<string, number>();

  constructor(
    private readonly place: Place,
    private readonly env: Record<string, string>,
    private readonly keeper: Keeper,
    private readonly askRoot: AskRoot,
  ) {}

  /** The number of its process while it runs. */
  pid(name: string): number | undefined {
    const pid = this.#pids.get(name);
    return pid !== undefined && this.keeper.statusOf(pid) === undefined ? pid : undefined;
  }

  /** Starts any program below the keeper. */
  async launch(
    name: string,
    argv: readonly string[],
    { user = 'root', env = {} }: LaunchOptions = {},
  ): Promise<number> {
    const logs = join(this.place.folder, 'log');
    const command = asUser(user, argv);
    const order = { argv: command, env: { ...this.env, ...env }, cwd: logs, log: join(logs, `${name}.out`) };
    const pid = await this.keeper.start(order);
    this.#pids.set(name, pid);
    return pid;
  }

  async start(daemon: Daemon): Promise<void> {
    if (this.pid(daemon) !== undefined) return;
    const { user, argv, env = {} } = this.#commandOf(daemon);
    const pid = await this.launch(daemon, argv, { user, env });
    const isReady = async () => {
      const status = this.keeper.statusOf(pid);
      return status === undefined ? this.#answers(daemon) : `ended with ${status}`;
    };
    const fail = (how: string, cause?: unknown) =>
      new Error(`${daemon} ${how}. The end of its log:\n${this.log(daemon)}`, { cause });
    const answer = await eventually(`${daemon} does its work`, isReady, 120_000).catch((error: unknown) => {
      throw fail('does not answer', error);
    });
    if (answer !== true) throw fail(answer);
  }

  async kill(name: string, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const pid = this.pid(name);
    if (pid === undefined) return;
    process.kill(pid, signal);
    if (signal === 'SIGSTOP' || signal === 'SIGCONT') return;
    await eventually(`${name} is gone`, () => this.pid(name) === undefined, 60_000);
  }

  log(name: string, { lines = 30, match = /(?:)/ }: { lines?: number; match?: RegExp } = {}): string {
    const own = NODES.some((node) => node === name) ? `slurmd-${name}.log` : `${name}.log`;
    // What it says before it has opened its log, or where it has none, is in what it printed.
    const files = [join('log', own), join('munge', own), join('log', `${name}.out`)];
    const texts = files.map((file) => readIfThere(join(this.place.folder, file)));
    const text = texts.find((each) => each !== '') ?? '';
    const chosen = text.split('\n').filter((line) => line !== '' && match.test(line));
    return chosen.slice(-lines).join('\n') || '(nothing)';
  }

  #commandOf(daemon: Daemon): { user: string; argv: string[]; env?: Record<string, string> } {
    const { folder, ports } = this.place;
    switch (daemon) {
      case 'munged': {
        const files = ['--key-file=munge.key', '--socket=munge.socket', '--pid-file=pid', '--seed-file=seed'];
        const options = [...files, '--log-file=munged.log'].map((option) => option.replace('=', `=${folder}/munge/`));
        return { user: 'munge', argv: ['/usr/sbin/munged', '--foreground', '--force', ...options] };
      }
      case 'mariadbd':
        return { user: 'mysql', argv: ['/usr/sbin/mariadbd', `--defaults-file=${folder}/etc/my.cnf`] };
      case 'slurmdbd':
      case 'slurmctld':
        return { user: 'slurm', argv: [`/usr/sbin/${daemon}`, '-D'] };
      case 'slurmrestd': {
        const what = ['-a', 'rest_auth/jwt', '-s', 'openapi/v0.0.38,openapi/dbv0.0.38'];
        const argv = ['/usr/sbin/slurmrestd', ...what, `127.0.0.1:${ports.slurmrestd}`];
        // Neither root nor Slurm's own user, or it refuses to start.
        return { user: 'nobody', argv, env: { SLURM_JWT: 'daemon' } };
      }
      default:
        return { user: 'root', argv: ['/usr/sbin/slurmd', '-D', '-N', daemon] };
    }
  }

  async #answers(daemon: Daemon): Promise<true> {
    const { folder, ports } = this.place;
    const says = async (command: string, args: string[], words = /(?:)/): Promise<true> => {
      const { code, stdout, stderr } = await this.askRoot(command, args);
      if (code === 0 && words.test(stdout)) return true;
      throw new Error(`${command} ended with ${code} and said: ${stdout}${stderr}`);
    };
    switch (daemon) {
      case 'munged':
        return says('munge', ['-n', `--socket=${folder}/munge/munge.socket`]);
      case 'mariadbd':
        return says('mariadb-admin', [`--socket=${folder}/mariadb/socket`, 'ping']);
      case 'slurmdbd':
        return says('sacctmgr', ['-n', 'list', 'cluster']);
      case 'slurmctld':
        return says('scontrol', ['ping'], /is UP/);
      case 'slurmrestd':
        return isListenedOn(ports.slurmrestd);
      default:
        // Drained is not dead: after a crash of the controller a node may answer and take no job.
        return says('scontrol', ['-o', 'show', 'node', daemon], /State=(IDLE|MIXED|ALLOCATED)(?!\S*NOT_RESPONDING)/);
    }
  }
}

/** By a connection: whoever tries the port by listening on it may be in the way of the daemon that is just about to. */
function isListenedOn(port: number): Promise<true> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
