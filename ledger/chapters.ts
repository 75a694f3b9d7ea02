/** Tells the story of a hold from its facts, and writes it down as the chapter that a workflow waits by. */
import { divideUp, renderAmount } from '../domain/money';
import { tellStory, type Story, type StoryOptions } from '../domain/story';
import type { Chapter, PriceBook } from './contract';
import { priceDue, type Act } from './settlement';
import type { LedgerFacts } from './story-facts';

export interface Told {
  story: Story;
  acts: Act[];
  /** Runs without a price, and what is missing. */
  unpriced: Map<string, string>;
}

export type TellOptions = Pick<StoryOptions, 'scheduler'> & { chargedElsewhere?: ReadonlySet<string>; actor?: string };

/** What is due, with prices. A run without one is left out and the story told again: it then waits for the price. */
export function tellWithPrices(facts: LedgerFacts, book: PriceBook, options: TellOptions): Told {
  const { scheduler, chargedElsewhere = new Set(), actor } = options;
  const unpriced = new Map<string, string>();
  for (;;) {
    const story = tellStory(facts, { scheduler, chargedElsewhere, unpriced: new Set(unpriced.keys()) });
    const priced = priceDue(story.due, facts, book, actor);
    if (priced.unpriced.size === 0) return { story, acts: priced.acts, unpriced };
    for (const [runKey, reason] of priced.unpriced) unpriced.set(runKey, reason);
  }
}

/** The story without prices: enough to know what is waited for, or that something is due. */
export const tellWithoutPrices = (facts: LedgerFacts): Story =>
  tellStory(facts, { scheduler: 'absent', chargedElsewhere: new Set(), unpriced: new Set() });

export function chapterOf(facts: LedgerFacts, story: Story): Chapter {
  const leader = facts.holds[0];
  if (!leader) throw new Error(`story ${facts.leaderNo} has no hold`);
  const sum = (amountOf: (hold: (typeof facts.holds)[number]) => bigint) =>
    renderAmount(facts.holds.reduce((total, hold) => total + amountOf(hold), 0n));
  const shortfall = story.isOver ? undefined : facts.told?.shortfall;
  return {
    holdId: leader.holdId,
    cluster: facts.cluster.name,
    account: facts.account.name,
    ...(story.jobId === undefined ? {} : { jobId: story.jobId }),
    state: story.state,
    closed: story.isOver,
    waitsFor: story.waitsFor,
    ...(story.deadline === undefined ? {} : { deadlineMs: Number(divideUp(story.deadline, 1000n)) }),
    held: sum(({ held }) => held),
    charged: sum(({ charged }) => charged),
    released: sum(({ released }) => released),
    unit: facts.account.unit,
    ...(shortfall
      ? {
          shortfall: {
            why: shortfall.why,
            policy: shortfall.policy,
            requested: renderAmount(BigInt(shortfall.requested)),
            code: shortfall.refusal.code,
          },
        }
      : {}),
  };
}
