/** Stories as tables: a row is what was told, and what is due then. Times are minutes after the hold was placed. */
import type { JobState } from '../../domain/job';
import type { StoryCharge } from '../../domain/run-charges';
import type { StoryFacts, StoryOptions } from '../../domain/story';
import type { StoryHold } from '../../domain/tasks';
import { factsOf, linesOf, minute, minutesOf, tell, type Said } from './story-house';

export const DAY = 24 * 60;
export const GRACE = 5;

export interface Row {
  now: number;
  events: Said[];
  state: JobState;
  due?: string[];
  until?: number;
  waitsFor?: string;
  hold?: Partial<StoryHold>;
  facts?: Partial<StoryFacts>;
  options?: Partial<StoryOptions>;
}

export function expectStory({ now, events, state, due = [], until, waitsFor, hold, facts, options }: Row): void {
  const story = tell(factsOf(now, events, { ...facts, ...(hold ? { hold } : {}) }), options);
  expect(linesOf(story)).toEqual(due);
  expect(story.state).toBe(state);
  if (waitsFor !== undefined) expect(story.waitsFor).toBe(waitsFor);
  if (until !== undefined) expect(minutesOf(story.deadline)).toBe(until);
}

export const charged = (runKey: string, more: Partial<StoryCharge> = {}): StoryCharge => ({
  runKey,
  holdNo: 1n,
  isReported: false,
  amount: 100n,
  refunded: 0n,
  ...more,
});

export const runKey = (start: number | '-', job = '1', submit: number | '-' = '-') => {
  const seconds = (at: number | '-') => (at === '-' ? '-' : (minute(at) / 1_000_000n).toString());
  return `hpc/${job}/${seconds(submit)}/${seconds(start)}`;
};

export const rows = (table: Record<string, Row>) =>
  test.each(Object.entries(table))('%s', (_name, row) => expectStory(row));
