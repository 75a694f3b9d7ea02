/**
 * Watches the stories end: reads the holds of jobs that have ended until they are no longer open, a few at a time, in turn,
 * so that watching thousands of jobs costs the server little and none that is stuck hides the others.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { path, type Client } from '../client';
import type { Balance, Hold } from '../wire';
import type { Setup } from './setup';
import type { Followed, Tally } from './tally';

const FIRST_PAUSE_MS = 40;
const LONGEST_PAUSE_MS = 400;
/** With so many stories going on, looking must not take the time that telling them needs. */
const MANY = 200;
const PAUSE_OF_MANY_MS = 1_200;
const READ_AT_ONCE = 40;

export interface Watched {
  client: Client;
  setup: Setup;
  tally: Tally;
  interrupted: AbortSignal;
  /** Called once for each job whose story has ended, with its hold as it ended. */
  onClosed: (followed: Followed, hold: Hold) => void;
}

export class Watch {
  balances = new Map<string, Balance>();
  private reading: Promise<void> | undefined;
  private stopped = false;

  constructor(private readonly on: Watched) {}

  /** Looks again and again until it is stopped. */
  async goOn(): Promise<void> {
    while (!this.stopped && !this.on.interrupted.aborted) {
      // Whoever replays meets the same fault, and says it.
      await this.look().catch(() => undefined);
      await sleep(this.on.tally.ended.size > MANY ? PAUSE_OF_MANY_MS : LONGEST_PAUSE_MS);
    }
  }

  stop(): void {
    this.stopped = true;
  }

  /** Looks once; who comes while somebody looks already shares what he sees next. */
  async look(): Promise<void> {
    await this.reading;
    this.reading ??= this.read().finally(() => (this.reading = undefined));
    await this.reading;
  }

  private async read(): Promise<void> {
    const { client, setup } = this.on;
    await this.closeSome([...this.on.tally.ended]);
    await Promise.all(setup.accounts.map((account) => this.readBalance(client, account)));
  }

  /** Goes on as long as most of those it asked for were closed: then more are. */
  private async closeSome(waiting: readonly Followed[]): Promise<void> {
    for (let from = 0; from < waiting.length; from += READ_AT_ONCE) {
      const closed = await Promise.all(
        waiting.slice(from, from + READ_AT_ONCE).map((followed) => this.close(followed)),
      );
      if (closed.filter((isClosed) => isClosed).length * 2 < closed.length) return;
    }
  }

  async readBalance(client: Client, account: string): Promise<Balance> {
    const balance = await client.get<Balance>(path`/api/v1/accounts/${account}/balance`);
    this.balances.set(account, balance);
    return balance;
  }

  private async close(followed: Followed): Promise<boolean> {
    const hold = await this.on.client.get<Hold>(path`/api/v1/holds/${followed.holdId ?? ''}`);
    if (followed.standing !== 'ended') return true;
    if (hold.status === 'open') {
      this.on.tally.toTheBack(followed);
      return false;
    }
    // A job that never ran costs nothing; its hold is given back whole, whichever way it was closed.
    this.on.tally.move(followed, hold.charged === 0 ? 'released' : 'settled');
    this.on.onClosed(followed, hold);
    return true;
  }

  /**
   * Waits until at most `atMost` (0) of the jobs that ended are still open, in an account or anywhere; false if that does
   * not come about in time.
   */
  async settled(options: {
    account?: string;
    atMost?: number;
    withinMs: number;
    stalledMs?: number;
  }): Promise<boolean> {
    const { tally, interrupted } = this.on;
    const left = () =>
      [...tally.ended].filter(({ job }) => options.account === undefined || job.account === options.account);
    const startedAt = Date.now();
    let [pauseMs, before, progressAt] = [FIRST_PAUSE_MS, left().length, startedAt];
    for (let waiting = left(); waiting.length > (options.atMost ?? 0); waiting = left()) {
      const now = Date.now();
      if (waiting.length < before) [before, progressAt] = [waiting.length, now];
      const stalled = options.stalledMs !== undefined && now - progressAt > options.stalledMs;
      if (now - startedAt > options.withinMs || stalled || interrupted.aborted) return false;
      await sleep(pauseMs);
      pauseMs = Math.min(pauseMs * 1.5, LONGEST_PAUSE_MS);
      // Of many, whoever looks all the time tells soon enough.
      if (waiting.length <= READ_AT_ONCE) await this.closeSome(waiting);
    }
    return true;
  }
}
