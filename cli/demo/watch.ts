/**
 * Watches the stories end: reads the holds of jobs that have ended until they are no longer open. A few are read one by one;
 * of many, the list of open holds tells at once which are not worth asking for yet.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { path, type Client } from '../client';
import type { Balance, Hold } from '../wire';
import type { Setup } from './setup';
import type { Followed, Tally } from './tally';

const FIRST_PAUSE_MS = 40;
const LONGEST_PAUSE_MS = 400;
const READ_ONE_BY_ONE = 40;

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
      await this.look();
      await sleep(LONGEST_PAUSE_MS);
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
    const { client, setup, tally } = this.on;
    // Only what had ended before the list was read may be missing from it because it is closed.
    const ended = [...tally.ended];
    const open = ended.length > READ_ONE_BY_ONE ? await this.openHolds() : new Set<string>();
    await Promise.all(ended.filter(({ holdId = '' }) => !open.has(holdId)).map((followed) => this.close(followed)));
    await Promise.all(setup.accounts.map((account) => this.readBalance(client, account)));
  }

  private async openHolds(): Promise<Set<string>> {
    const open = new Set<string>();
    for (const cluster of this.on.setup.clusters) {
      const { rows } = await this.on.client.list<Hold>('/api/v1/holds', { cluster, status: 'open' }, undefined);
      for (const { transaction_id } of rows) open.add(transaction_id);
    }
    return open;
  }

  async readBalance(client: Client, account: string): Promise<Balance> {
    const balance = await client.get<Balance>(path`/api/v1/accounts/${account}/balance`);
    this.balances.set(account, balance);
    return balance;
  }

  private async close(followed: Followed): Promise<void> {
    const hold = await this.on.client.get<Hold>(path`/api/v1/holds/${followed.holdId ?? ''}`);
    if (hold.status === 'open' || followed.standing !== 'ended') return;
    // A job that never ran costs nothing; its hold is given back whole, whichever way it was closed.
    this.on.tally.move(followed, hold.charged === 0 ? 'released' : 'settled');
    this.on.onClosed(followed, hold);
  }

  /** Waits until nothing that ended is left open, in an account or anywhere; false if that does not come about in time. */
  async settled(options: { account?: string; withinMs: number; stalledMs?: number }): Promise<boolean> {
    const { tally, interrupted } = this.on;
    const left = () =>
      [...tally.ended].filter(({ job }) => options.account === undefined || job.account === options.account);
    const startedAt = Date.now();
    let [pauseMs, before, progressAt] = [FIRST_PAUSE_MS, left().length, startedAt];
    for (let waiting = left(); waiting.length > 0; waiting = left()) {
      const now = Date.now();
      if (waiting.length < before) [before, progressAt] = [waiting.length, now];
      const stalled = options.stalledMs !== undefined && now - progressAt > options.stalledMs;
      if (now - startedAt > options.withinMs || stalled || interrupted.aborted) return false;
      await sleep(pauseMs);
      pauseMs = Math.min(pauseMs * 1.5, LONGEST_PAUSE_MS);
      if (waiting.length > READ_ONE_BY_ONE) await this.look();
      else await Promise.all(waiting.map((followed) => this.close(followed)));
    }
    return true;
  }
}
