/**
 * The processes of one home: started and kept alive by one supervisor, written down in `stack.json`, and ended by it, or by
 * the next one where it was killed itself.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildFacts } from './build-facts';
import { STACK_FILE } from './config';
import { takeLock, type Lock } from './embedded/lock';
import { endProcess, identify, isAlive, killProcess, type ProcessIdentity, type StopStep } from './embedded/processes';
import { launchService, trimLog, type Service, type ServiceEvent, type ServiceSpec } from './embedded/service';

export interface StackAddresses {
  /** http://127.0.0.1:8080 */
  api: string;
  /** The page that documents the API. */
  docs: string;
  /** host:port */
  temporal: string;
  /** Undefined where we do not know the web page of a Temporal that is not ours. */
  temporalUi?: string;
  /** With its password: the file is for its owner only. */
  database: string;
}

/** What stands in stack.json. */
export interface StackRecord {
  version: string;
  startedAt: string;
  supervisor: ProcessIdentity;
  /** Undefined until everything is up. */
  addresses?: StackAddresses;
  services: Record<string, ProcessIdentity>;
}

export interface RunningStack extends StackRecord {
  home: string;
  /** Which of the services are there at this moment. */
  alive: string[];
}

/** The stack whose supervisor is at work in this home. */
export function findRunningStack(home: string): RunningStack | undefined {
  const record = readRecord(home);
  if (!record || !isAlive(record.supervisor)) return undefined;
  const alive = Object.entries(record.services)
    .filter(([, identity]) => isAlive(identity))
    .map(([name]) => name);
  return { ...record, home, alive };
}

export class AlreadyRunning extends Error {
  override name = 'AlreadyRunning';
  constructor(
    readonly home: string,
    readonly supervisor: ProcessIdentity,
  ) {
    super(`Bursar already runs in ${home} (process ${supervisor.pid})`);
  }
}

export type SupervisorEvent =
  { type: 'orphans-ended'; services: string[] } | ({ service: string } & Exclude<ServiceEvent, { type: 'spawned' }>);

export interface Supervisor {
  readonly logFolder: string;
  /** Starts it, waits until it is ready, and keeps it alive from then on. */
  start(spec: ServiceSpec): Promise<Service>;
  /** Writes down where things are, for who looks for a running stack. */
  announce(addresses: StackAddresses): void;
  /** Ends everything, the last started first. */
  stop(): Promise<void>;
  /** Kills everything before it returns; for a process that ends the next moment. What was committed survives. */
  kill(): void;
}

/** How orphans are ended, whoever they are: politely, then not. The order is the reverse of how things depend on each other. */
const ORPHAN_STEPS: Record<string, readonly StopStep[]> = {
  api: [['SIGTERM', 5_000]],
  worker: [['SIGTERM', 10_000]],
  temporal: [['SIGTERM', 10_000]],
  postgres: [
    ['SIGINT', 15_000],
    ['SIGQUIT', 5_000],
  ],
};

const LOGS_LOOKED_AT_EVERY_MS = 60_000;

/** Takes the home over. Throws `AlreadyRunning` where another supervisor has it. */
export async function openSupervisor(home: string, onEvent: (event: SupervisorEvent) => void): Promise<Supervisor> {
  mkdirSync(home, { recursive: true });
  const lock = await takeLock(join(home, 'stack.lock'));
  if ('heldBy' in lock) throw new AlreadyRunning(home, lock.heldBy);
  try {
    const orphans = await endOrphans(home);
    if (orphans.length > 0) onEvent({ type: 'orphans-ended', services: orphans });
    return new HomeSupervisor(home, lock, onEvent);
  } catch (error) {
    lock.release();
    throw error;
  }
}

async function endOrphans(home: string): Promise<string[]> {
  const services = readRecord(home)?.services ?? {};
  const ended: string[] = [];
  for (const [name, steps] of Object.entries(ORPHAN_STEPS)) {
    const identity = services[name];
    if (!identity || !isAlive(identity)) continue;
    await endProcess(identity, steps);
    ended.push(name);
  }
  return ended;
}

class HomeSupervisor implements Supervisor {
  readonly logFolder: string;
  private readonly record: StackRecord;
  private readonly running: Service[] = [];
  private readonly logFiles = new Set<string>();
  private readonly logKeeper: NodeJS.Timeout;
  private stopped = false;

  constructor(
    private readonly home: string,
    private readonly lock: Lock,
    private readonly onEvent: (event: SupervisorEvent) => void,
  ) {
    this.logFolder = join(home, 'logs');
    mkdirSync(this.logFolder, { recursive: true });
    const supervisor = identify(process.pid);
    if (!supervisor) throw new Error('this process cannot be identified');
    this.record = {
      version: buildFacts().version,
      startedAt: new Date().toISOString(),
      supervisor,
      services: {},
    };
    this.write();
    this.logKeeper = setInterval(() => this.logFiles.forEach(trimLog), LOGS_LOOKED_AT_EVERY_MS);
    this.logKeeper.unref();
  }

  async start(spec: ServiceSpec): Promise<Service> {
    if (this.stopped) throw new Error('the supervisor has stopped');
    this.logFiles.add(spec.logFile);
    const service = launchService(spec, (event) => {
      if (event.type === 'spawned') this.note(spec.name, event.identity);
      else this.onEvent({ service: spec.name, ...event });
    });
    this.running.push(service);
    await service.ready;
    return service;
  }

  /** At once, before anything else can happen to us: what is not written down cannot be found by the next supervisor. */
  private note(name: string, identity: ProcessIdentity): void {
    this.record.services[name] = identity;
    try {
      this.write();
    } catch {
      // On a full disk, a service that is not written down is better than one that nobody keeps alive any more.
    }
  }

  announce(addresses: StackAddresses): void {
    this.record.addresses = addresses;
    this.write();
  }

  async stop(): Promise<void> {
    if (this.stopped) return;
    this.stopped = true;
    clearInterval(this.logKeeper);
    for (const service of [...this.running].reverse()) await service.stop();
    rmSync(join(this.home, STACK_FILE), { force: true });
    this.lock.release();
  }

  kill(): void {
    this.stopped = true;
    for (const { identity } of this.running) if (identity) killProcess(identity);
    rmSync(join(this.home, STACK_FILE), { force: true });
    this.lock.release();
  }

  private write(): void {
    const path = join(this.home, STACK_FILE);
    writeFileSync(`${path}.new`, `${JSON.stringify(this.record, null, 2)}\n`, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }
}

function readRecord(home: string): StackRecord | undefined {
  try {
    const record = JSON.parse(readFileSync(join(home, STACK_FILE), 'utf8')) as StackRecord;
    return typeof record.supervisor?.pid === 'number' && typeof record.services === 'object' ? record : undefined;
  } catch {
    return undefined;
  }
}
