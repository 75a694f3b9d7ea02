/**
 * A cluster whose every submission is asked about: Slurm, Bursar's hooks in it, the relay, and all of Bursar as processes that can be
 * killed, held down, frozen, or given a wrong clock. One house serves many tests; each has an account of its own.
 */
import { ensureBuilt } from '../helpers/built';
import { startCrashStack, type CrashStack, type CrashStackOptions } from '../simulation/crash-stack';
import { startCluster, type ClusterOptions, type SlurmCluster } from './cluster';
import { askOf, installHooks, prepareCluster, relayOf } from './hooks';

export interface HouseOptions extends CrashStackOptions {
  name?: string;
  /** Lines at the end of slurm.conf. */
  extraConf?: string;
  nodes?: ClusterOptions['nodes'];
  /** Fields of the hooks' configuration that differ from what the installer writes. */
  hook?: Record<string, unknown>;
}

/** Rounds of the relay, in seconds: a site has 30, 30 and 600. */
const QUICK = { policy_seconds: 2, queue_seconds: 2, history_seconds: 15 };

/** A hold that no job is seen for is given back after two minutes, the shortest that may be said, instead of five. */
const SETTINGS = { BURSAR_SLURM_HOLD_GRACE: '2m' };

/** How long until such a hold is gone. */
export const UNSEEN_WITHIN_MS = 240_000;

export class House implements AsyncDisposable {
  #accounts = 0;

  constructor(
    readonly bursar: CrashStack,
    readonly cluster: SlurmCluster,
  ) {}

  /** Asks Bursar's API as its administrator. */
  ask<T>(method: string, path: string, body?: unknown): Promise<T> {
    return askOf<T>(this.bursar.url, method, path, body);
  }

  /** A new account, in Slurm and in Bursar, with so much money; alice and bob may use it. */
  async account(budget = 1_000, purpose = 'test'): Promise<string> {
    const name = `${purpose}${++this.#accounts}`;
    const year = new Date().getUTCFullYear();
    await this.ask('POST', '/api/v1/accounts', {
      slurm_account: name,
      name,
      unit: 'USD',
      budget_limit: budget,
      start_date: `${year - 1}-01-01T00:00:00Z`,
      end_date: `${year + 2}-01-01T00:00:00Z`,
    });
    const sacctmgr = (...args: string[]) => this.cluster.ask('sacctmgr', ['-iQ', ...args], { user: 'root' });
    await sacctmgr('add', 'account', name);
    await sacctmgr('add', 'user', 'alice,bob', `account=${name}`);
    return name;
  }

  async balance(account: string): Promise<{ settled: number; held: number; available: number }> {
    return this.ask('GET', `/api/v1/accounts/${account}/balance`);
  }

  startRelay(): Promise<number> {
    const argv = relayOf(this.cluster.folder);
    return this.cluster.launch('relay', argv, { user: 'slurm' });
  }

  killRelay(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    return this.cluster.killProgram('relay', signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cluster.stop();
    await this.bursar[Symbol.asyncDispose]();
  }
}

export async function openHouse(options: HouseOptions = {}): Promise<House> {
  ensureBuilt();
  const { name = 'onebox', extraConf = '', nodes, hook = {} } = options;
  const bursar = await startCrashStack({ ...options, settings: { ...SETTINGS, ...options.settings } });
  try {
    await prepareCluster(bursar.url, name);
    const cluster = await startCluster({
      name,
      ...(nodes && { nodes }),
      extraConf,
      hooks: (place) => installHooks({ ...place, url: bursar.url, config: { ...QUICK, ...hook }, cliFilter: true }),
    });
    const house = new House(bursar, cluster);
    await house.startRelay();
    return house;
  } catch (error) {
    await bursar[Symbol.asyncDispose]();
    throw error;
  }
}
