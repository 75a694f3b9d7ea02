/**
 * Walks the timeline of a staged log through the ledger's own functions, in the order of the log's clock, and does together what
 * may be done together without any answer becoming another one:
 *
 * - Trees of accounts share nothing, so each has a queue of its own, and a round takes a window of every queue.
 * - Within a tree and between two edges (of accounts, funds and limits) the clock does not matter. Of a window in which every
 *   deed only gives back what its job holds, all submissions are asked for first: with less money than they would have met one
 *   after the other. If all of them are a yes that way, each of them is a yes; and where an account has one open fund it is also
 *   the same fund that pays. Then the deeds are done. If not, nothing was done, and the window is walked event by event.
 * - Where two funds of an account are open, who asks first draws the one that expires first. There only submissions that
 *   follow each other go together, and deeds that do.
 */
import { instantOfMicros } from '../../domain/time';
import type { Sql } from '../../platform/postgres';
import type { OpenedBooks } from './proposal';
import { TRAIT } from './stage';

export interface WalkOptions {
  sql: Sql;
  opened: Pick<OpenedBooks, 'hasOneFund'>;
  lane: number;
  /** Moments after which balances are written down, ascending. */
  samples: readonly bigint[];
  signal: AbortSignal;
  /** How many events were done since it was last called. */
  onDone: (events: number) => void;
  /** False: event by event, as slowly as that is. For tests. */
  together?: boolean;
}

interface Event {
  jobNo: number;
  /** 0: its submission. */
  deedNo: number;
  at: bigint;
  epoch: number;
  traits: number;
}

interface Row {
  place: bigint;
  at: bigint;
  job_no: number;
  deed_no: number;
  tree_no: bigint;
  epoch: number;
  traits: number;
}

/** About as much as a statement does in a tenth of a second, and no hot row gets more versions than that before they can go. */
const EVENTS_A_ROUND = 512;
const WINDOW = { first: 32, most: 256 };
/** How many events a tree is walked by itself after a window of it was not plainly a yes: money is short there. */
const CLOSELY = { first: 8, most: 128 };
/** So few are done sooner by themselves. */
const TOGETHER_AT_LEAST = 6;
const READ_AHEAD = { least: 8_192, rows: 8_192 };

class Tree {
  private events: Event[] = [];
  private next = 0;
  window = WINDOW.first;
  closely = CLOSELY.first;
  /** Walk so many by themselves before trying together again. */
  walkFirst = 0;
  /** The last moment at which something moved and no balance was written down since. */
  movedAt: bigint | undefined;

  constructor(readonly no: bigint) {}

  get length(): number {
    return this.events.length - this.next;
  }

  push(event: Event): void {
    this.events.push(event);
  }

  peek(ahead = 0): Event | undefined {
    return this.events[this.next + ahead];
  }

  take(count: number): Event[] {
    const taken = this.events.slice(this.next, this.next + count);
    this.next += count;
    if (this.next > 1024 && this.next * 2 > this.events.length) {
      this.events = this.events.slice(this.next);
      this.next = 0;
    }
    return taken;
  }
}

interface Window {
  tree: Tree;
  events: Event[];
}

const isSubmission = ({ deedNo }: Event): boolean => deedNo === 0;
const has = ({ traits }: Event, trait: number): boolean => (traits & trait) !== 0;
const mayGoTogether = (event: Event): boolean => has(event, isSubmission(event) ? TRAIT.ordinary : TRAIT.givesBack);

export async function walkTimeline(options: WalkOptions): Promise<void> {
  const walk = new Walk(options);
  await walk.run();
}

class Walk {
  private readonly trees = new Map<bigint, Tree>();
  private readonly refused = new Set<number>();
  private place = 0n;
  private queued = 0;
  private isRead = false;

  constructor(private readonly options: WalkOptions) {}

  async run(): Promise<void> {
    const { signal } = this.options;
    for (;;) {
      signal.throwIfAborted();
      if (!this.isRead && this.queued < READ_AHEAD.least) await this.read();
      if (this.queued === 0) break;
      await this.round();
    }
    await this.sample([...this.trees.values()].filter(({ movedAt }) => movedAt !== undefined));
  }

  private async read(): Promise<void> {
    const { sql, lane } = this.options;
    const rows = await sql<Row[]>`
      select place, at, job_no, deed_no, tree_no, epoch, traits from replay.timeline
      where lane = ${lane} and place > ${this.place} order by place limit ${READ_AHEAD.rows}`;
    this.isRead = rows.length < READ_AHEAD.rows;
    for (const { place, at, job_no, deed_no, tree_no, epoch, traits } of rows) {
      let tree = this.trees.get(tree_no);
      if (!tree) this.trees.set(tree_no, (tree = new Tree(tree_no)));
      tree.push({ jobNo: job_no, deedNo: deed_no, at, epoch, traits });
      this.place = place;
    }
    this.queued += rows.length;
  }

  /** A window of as many trees as are at the same stretch of time. */
  private async round(): Promise<void> {
    const waiting = [...this.trees.values()].filter(({ length }) => length > 0);
    await this.sample(waiting.filter((tree) => this.isPastSample(tree)));
    const epoch = waiting.reduce((least, tree) => Math.min(least, tree.peek()?.epoch ?? least), Infinity);
    const together: Window[] = [];
    const alone: Window[] = [];
    let left = EVENTS_A_ROUND;
    for (const tree of waiting) {
      if (left <= 0) break;
      if (tree.peek()?.epoch !== epoch) continue;
      const mayTogether = this.options.together !== false && tree.walkFirst <= 0;
      const most = Math.min(
        left,
        mayTogether ? tree.window : Math.max(1, Math.min(tree.walkFirst || CLOSELY.most, CLOSELY.most)),
      );
      const window = { tree, events: this.windowOf(tree, epoch, most, mayTogether) };
      if (mayTogether && window.events.every(mayGoTogether)) together.push(window);
      else alone.push(window);
      left -= window.events.length;
    }
    const few = together.reduce((sum, { events }) => sum + events.length, 0) < TOGETHER_AT_LEAST;
    if (few) alone.push(...together.splice(0));
    await this.doTogether(together, alone);
    await this.walk(alone);
    for (const { tree, events } of [...together, ...alone]) this.finish(tree, events.length);
  }

  /** Up to so many of its next events that lie in this stretch of time and before the next sample. */
  private windowOf(tree: Tree, epoch: number, most: number, mayTogether: boolean): Event[] {
    const first = tree.peek() as Event;
    const until = this.sampleAfter(first.at);
    const oneKind = !this.options.opened.hasOneFund(tree.no, epoch);
    let count = 0;
    for (; count < most; count += 1) {
      const event = tree.peek(count);
      if (!event || event.epoch !== epoch || (until !== undefined && event.at >= until)) break;
      if (!mayTogether || count === 0) continue;
      if (mayGoTogether(event) !== mayGoTogether(first)) break;
      if (oneKind && isSubmission(event) !== isSubmission(first)) break;
    }
    const events: Event[] = [];
    for (let ahead = 0; ahead < count; ahead += 1) events.push(tree.peek(ahead) as Event);
    return events;
  }

  private async doTogether(together: Window[], alone: Window[]): Promise<void> {
    const { sql } = this.options;
    const asking = together.filter(({ events }) => events.some(isSubmission));
    const asked = asking.flatMap(({ events }) => events.filter(isSubmission));
    if (asked.length > 0) {
      const [row] = await sql<{ placed: number[] }[]>`
        select replay.place(${jobNos(asked)}::int[], ${clockOf(asked)}) as placed`;
      const placed = new Set(row?.placed);
      for (const window of asking) {
        const first = window.events.find(isSubmission) as Event;
        // A tree is a yes as a whole or not at all.
        if (placed.has(first.jobNo)) {
          window.tree.window = Math.min(WINDOW.most, window.tree.window * 2);
          window.tree.closely = CLOSELY.first;
          continue;
        }
        together.splice(together.indexOf(window), 1);
        const { tree } = window;
        tree.window = WINDOW.first;
        tree.walkFirst = tree.closely;
        tree.closely = Math.min(CLOSELY.most, tree.closely * 2);
        alone.push({ tree, events: window.events.slice(0, tree.walkFirst) });
      }
    }

    const deeds = together.flatMap(({ events }) => this.toBeDone(events.filter((event) => !isSubmission(event))));
    const ordinary = deeds.filter((deed) => has(deed, TRAIT.ordinary));
    let settled = new Set<number>();
    if (ordinary.length > 0) {
      const [row] = await sql<{ settled: number[] }[]>`
        select replay.settle(${jobNos(ordinary)}::int[], ${deedNos(ordinary)}::int[], ${clockOf(ordinary)}) as settled`;
      settled = new Set(row?.settled);
    }
    await this.walkEvents(deeds.filter((deed) => !has(deed, TRAIT.ordinary) || !settled.has(deed.jobNo)));
  }

  private walk(windows: readonly Window[]): Promise<void> {
    return this.walkEvents(windows.flatMap(({ events }) => this.toBeDone(events)));
  }

  /** A job that was refused does not run, whatever the log says of it. */
  private toBeDone(events: readonly Event[]): Event[] {
    return events.filter((event) => isSubmission(event) || !this.refused.has(event.jobNo));
  }

  private async walkEvents(events: readonly Event[]): Promise<void> {
    if (events.length === 0) return;
    const { sql } = this.options;
    const [row] = await sql<{ refused: number[] }[]>`
      select replay.walk(${jobNos(events)}::int[], ${deedNos(events)}::int[]) as refused`;
    for (const jobNo of row?.refused ?? []) this.refused.add(jobNo);
  }

  private finish(tree: Tree, count: number): void {
    const done = tree.take(count);
    if (tree.walkFirst > 0) tree.walkFirst -= count;
    tree.movedAt = done.at(-1)?.at ?? tree.movedAt;
    this.queued -= count;
    this.options.onDone(count);
  }

  // Balances ------------------------------------------------------------------------------------------------------------

  /** The first moment after `at` at which balances are wanted. */
  private sampleAfter(at: bigint): bigint | undefined {
    const { samples } = this.options;
    let [low, high] = [0, samples.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((samples[middle] as bigint) <= at) low = middle + 1;
      else high = middle;
    }
    return samples[low];
  }

  private isPastSample(tree: Tree): boolean {
    if (tree.movedAt === undefined) return false;
    const due = this.sampleAfter(tree.movedAt);
    return due !== undefined && (tree.peek()?.at ?? due) >= due;
  }

  private async sample(trees: readonly Tree[]): Promise<void> {
    const due = trees.flatMap((tree) => {
      const at = tree.movedAt === undefined ? undefined : this.sampleAfter(tree.movedAt);
      tree.movedAt = undefined;
      return at === undefined ? [] : [{ no: tree.no, at: instantOfMicros(at) }];
    });
    if (due.length === 0) return;
    await this.options.sql`
      select replay.sample(${due.map(({ no }) => String(no))}::bigint[], ${due.map(({ at }) => at)}::timestamptz[])`;
  }
}

const jobNos = (events: readonly Event[]): string[] => events.map(({ jobNo }) => String(jobNo));
const deedNos = (events: readonly Event[]): string[] => events.map(({ deedNo }) => String(deedNo));

/** Any moment of the stretch does. */
const clockOf = (events: readonly Event[]): string =>
  instantOfMicros(events.reduce((at, event) => (event.at < at ? event.at : at), events[0]?.at ?? 0n));
