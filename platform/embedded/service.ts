/**
 * One child process that is kept alive: started, waited for, started again with back-off when it dies, ended politely.
 *
 * Its output goes straight to a file, not through a pipe: a pipe would break, and the child with it, when the supervisor
 * is killed. It gets a session of its own, so that Ctrl-C reaches only the supervisor, which then stops things in order.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, copyFileSync, openSync, readSync, statSync, truncateSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { endProcess, identify, isAlive, type ProcessIdentity, type StopStep } from './processes';

export interface Launch {
  command: string;
  args: readonly string[];
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  uid?: number;
  gid?: number;
  /** Open files that the child gets as 3, 4, …; closed here once it runs. */
  files?: readonly number[];
}

export interface ServiceSpec {
  name: string;
  logFile: string;
  /** Called before every start: cleans up after a crash and says how to start. */
  launch(): Promise<Launch>;
  /** Does it do its work? Asked again and again until yes. `output` is what it has written since this start. */
  isReady(output: () => string): Promise<boolean>;
  readyWithinMs: number;
  /** How often it may die before it was ready the first time. */
  attempts: number;
  stopSteps: readonly StopStep[];
}

export type ServiceEvent =
  | { type: 'spawned'; identity: ProcessIdentity }
  | { type: 'died'; how: string; againInMs: number }
  | { type: 'recovered'; afterMs: number };

export interface Service {
  readonly name: string;
  /** Resolves when it does its work for the first time; rejects when it never will. */
  readonly ready: Promise<void>;
  readonly identity: ProcessIdentity | undefined;
  readonly isUp: boolean;
  /** Ends it and does not start it again. */
  stop(): Promise<void>;
}

class ServiceFailed extends Error {
  override name = 'ServiceFailed';
  constructor(
    readonly service: string,
    what: string,
    readonly logFile: string,
    readonly lastLines: string,
  ) {
    super(`${service} ${what}. The end of ${logFile}:\n${lastLines || '(nothing)'}`);
  }
}

const BACK_OFF_MS = { first: 250, most: 30_000, forgottenAfter: 60_000 };
const LOG_BYTES_MAX = 16 * 1024 * 1024;

/** Starts it and keeps it alive until it is stopped. */
export const launchService = (spec: ServiceSpec, onEvent: (event: ServiceEvent) => void): Service =>
  new Keeper(spec, onEvent);

/** The same, once it is ready. */
export async function startService(spec: ServiceSpec, onEvent: (event: ServiceEvent) => void): Promise<Service> {
  const service = launchService(spec, onEvent);
  await service.ready;
  return service;
}

class Keeper implements Service {
  readonly name: string;
  readonly ready: Promise<void>;
  identity: ProcessIdentity | undefined;
  isUp = false;
  private over: Promise<void> = Promise.resolve();
  private stopping = false;
  private wasUp = false;
  private deaths = 0;
  private readonly stopSignal = new AbortController();

  constructor(
    private readonly spec: ServiceSpec,
    private readonly onEvent: (event: ServiceEvent) => void,
  ) {
    this.name = spec.name;
    this.ready = new Promise((resolve, reject) => {
      this.over = this.live(resolve).catch((error: unknown) => reject(error as Error));
    });
  }

  /** Runs until stopped; throws only while it never was up. */
  private async live(onFirstReady: () => void): Promise<void> {
    let diedAt: number | undefined;
    while (!this.stopping) {
      const life = await this.runOnce(() => {
        if (!this.wasUp) onFirstReady();
        else if (diedAt !== undefined) this.onEvent({ type: 'recovered', afterMs: Date.now() - diedAt });
        this.wasUp = true;
      });
      if (this.stopping) break;
      this.deaths = life.livedMs > BACK_OFF_MS.forgottenAfter ? 1 : this.deaths + 1;
      if (!this.wasUp && this.deaths >= this.spec.attempts) throw this.failure(life.how);
      const againInMs = Math.min(BACK_OFF_MS.most, BACK_OFF_MS.first * 2 ** (this.deaths - 1));
      diedAt = Date.now();
      this.onEvent({ type: 'died', how: life.how, againInMs });
      await sleep(againInMs, undefined, { signal: this.stopSignal.signal }).catch(() => {});
    }
    if (!this.wasUp) throw new Error(`${this.name} was stopped before it was ready`);
  }

  /** One life of the process, from start to exit. */
  private async runOnce(onReady: () => void): Promise<{ how: string; livedMs: number }> {
    const bornAt = Date.now();
    const lived = () => Date.now() - bornAt;
    let child: ChildProcess;
    let outputFrom: number;
    try {
      const launch = await this.spec.launch();
      if (this.stopping) {
        for (const file of launch.files ?? []) closeSync(file);
        return { how: 'was stopped before it was started', livedMs: lived() };
      }
      trimLog(this.spec.logFile);
      const log = openSync(this.spec.logFile, 'a', 0o600);
      outputFrom = sizeOf(this.spec.logFile);
      child = spawn(launch.command, launch.args, {
        detached: true,
        stdio: ['ignore', log, log, ...(launch.files ?? [])],
        ...(launch.env && { env: launch.env }),
        ...(launch.cwd && { cwd: launch.cwd }),
        ...(launch.uid !== undefined && { uid: launch.uid }),
        ...(launch.gid !== undefined && { gid: launch.gid }),
      });
      for (const file of [log, ...(launch.files ?? [])]) closeSync(file);
    } catch (error) {
      return { how: `could not be started (${messageOf(error)})`, livedMs: lived() };
    }

    const exited = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(`could not be started (${error.message})`));
      child.once('exit', (code, signal) => resolve(signal ? `was ended by ${signal}` : `ended with code ${code}`));
    });
    this.identity = child.pid === undefined ? undefined : identify(child.pid);
    if (this.identity) this.onEvent({ type: 'spawned', identity: this.identity });

    const gone = new AbortController();
    void exited.then(() => gone.abort());
    void this.watchForReady(outputFrom, gone.signal, onReady);
    const how = await exited;
    this.isUp = false;
    this.identity = undefined;
    return { how, livedMs: lived() };
  }

  private async watchForReady(outputFrom: number, gone: AbortSignal, onReady: () => void): Promise<void> {
    const output = () => readFrom(this.spec.logFile, outputFrom);
    const deadline = Date.now() + this.spec.readyWithinMs;
    while (!gone.aborted) {
      if (await this.spec.isReady(output).catch(() => false)) {
        if (gone.aborted) return;
        this.isUp = true;
        onReady();
        return;
      }
      if (Date.now() > deadline && this.identity && !this.stopping) {
        // Alive but mute. Ending it makes this one more death, which is counted and told.
        await endProcess(this.identity, this.spec.stopSteps).catch(() => {});
        return;
      }
      await sleep(50);
    }
  }

  private failure(how: string): ServiceFailed {
    const { name, logFile } = this.spec;
    const lines = readFrom(logFile, Math.max(0, sizeOf(logFile) - 8_192))
      .trimEnd()
      .split('\n');
    return new ServiceFailed(name, how, logFile, lines.slice(-12).join('\n'));
  }

  async stop(): Promise<void> {
    this.stopping = true;
    this.stopSignal.abort();
    if (this.identity && isAlive(this.identity)) await endProcess(this.identity, this.spec.stopSteps);
    await this.over; // One that was still being prepared is not started any more.
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch {
    return 0;
  }
}

/** What stands in a file from a position on, at most a megabyte of it. A file that was cut since is read whole. */
function readFrom(path: string, position: number): string {
  const size = sizeOf(path);
  const start = position <= size ? position : 0;
  const buffer = Buffer.alloc(Math.min(size - start, 1024 * 1024));
  if (buffer.length === 0) return '';
  const file = openSync(path, 'r');
  try {
    return buffer.toString('utf8', 0, readSync(file, buffer, 0, buffer.length, start));
  } finally {
    closeSync(file);
  }
}

/**
 * Keeps a log within bounds: the old one beside it as `.1`, the file itself emptied. Copied and cut rather than renamed,
 * because its writer holds it open (for appending, so that it goes on at the new end).
 */
export function trimLog(path: string): void {
  if (sizeOf(path) <= LOG_BYTES_MAX) return;
  try {
    copyFileSync(path, `${path}.1`);
  } catch {
    // On a full disk the old lines are lost, which makes room; whoever looks after the log must not end for it.
  }
  truncateSync(path);
}
