/** Does whatever is due for a hold, until nothing is. Two round trips for an ordinary step: read, then act. */
import { epochMicros } from '../domain/time';
import type { Sql } from '../platform/postgres';
import { chapterOf, tellWithPrices, type Told } from './chapters';
import type { AdvanceOptions, Chapter, PriceBook } from './contract';
import { ask } from './errors';
import type { PriceBooks } from './price-book';
import { loadFacts, readFacts, type LedgerFacts, type RawFacts } from './story-facts';

export type Advance = (holdId: string, options?: AdvanceOptions, actor?: string) => Promise<Chapter>;

interface ActAnswer {
  outcome: 'stale' | 'done';
  replayed?: string[];
  charges?: number;
  facts?: RawFacts | null;
}

/** An array of thousands settles in one round. More rounds than this and the story and the ledger disagree. */
const ROUNDS_MAX = 20;

/** About 50 ms under the lock of the account's tree. */
const ACTS_AT_ONCE = 50;

export function openAdvance({ sql, prices }: { sql: Sql; prices: PriceBooks }): Advance {
  return async function advance(holdId, options = {}, actor) {
    const chargedElsewhere = new Set<string>();
    let facts = at(await loadFacts(sql, holdId), options);
    for (let round = 0; round < ROUNDS_MAX; round += 1) {
      const told = tellWithPrices(facts, await bookFor(facts, prices), {
        scheduler: options.scheduler ?? 'absent',
        chargedElsewhere,
        ...(actor === undefined ? {} : { actor }),
      });
      if (told.acts.length === 0 && isRemembered(facts, told)) return chapterOf(facts, told.story);

      const answer = await act(sql, facts, told);
      if (answer.outcome === 'stale') {
        facts = at(await loadFacts(sql, holdId), options);
        continue;
      }
      if (told.acts.length === 0 || !answer.facts) return chapterOf(facts, told.story);
      facts = at(readFacts(facts.leaderNo, answer.facts), options);
      for (const runKey of answer.replayed ?? []) {
        if (!facts.charges.some((charge) => charge.runKey === runKey)) chargedElsewhere.add(runKey);
      }
    }
    throw new Error(`the story of hold ${holdId} does not come to rest`);
  };
}

/** Prices at least as new as the facts. */
export async function bookFor(facts: LedgerFacts, prices: PriceBooks): Promise<PriceBook> {
  const book = await prices.current();
  return book.version < facts.catalogVersion ? prices.refresh(book.version) : book;
}

const at = (facts: LedgerFacts, { now }: AdvanceOptions): LedgerFacts =>
  now === undefined ? facts : { ...facts, now: epochMicros(now) };

/** Something of it can be neither charged nor called free until somebody says more: a price, or when it began. */
const isQuarantined = ({ unpriced, story }: Told): boolean => unpriced.size > 0 || story.hasRunOfUnknownLength;

/** Does the ledger know already where the story stands? */
function isRemembered(facts: LedgerFacts, told: Told): boolean {
  const { story } = told;
  return (
    facts.told !== undefined &&
    facts.told.dueAt === story.deadline &&
    facts.handledThrough === story.handledThrough &&
    facts.jobs.every(({ state, quarantined }) => state === story.state && quarantined === isQuarantined(told))
  );
}

/**
 * All acts of one telling, in parts: a thousand tasks that ended together must not keep the account's lock for seconds. Each
 * part is a step towards the same end; what is interrupted after one of them is told anew from there.
 */
async function act(sql: Sql, facts: LedgerFacts, told: Told): Promise<ActAnswer> {
  const { story, acts } = told;
  const save = {
    due_at: story.deadline?.toString() ?? null,
    handled_through: story.handledThrough.toString(),
    state: story.state,
    quarantined: isQuarantined(told),
  };
  const eventNo = facts.events.reduce((no, event) => (event.eventNo > no ? event.eventNo : no), 0n).toString();
  const replayed: string[] = [];
  let charges = facts.charges.length;
  for (let start = 0; ; start += ACTS_AT_ONCE) {
    const part = acts.slice(start, start + ACTS_AT_ONCE);
    const isLast = start + ACTS_AT_ONCE >= acts.length;
    const seen = { event_no: eventNo, charges };
    const [row] = await ask(
      () => sql<{ answer: ActAnswer }[]>`
        select ledger.act_on_story(${facts.leaderNo}, ${JSON.stringify(seen)}::text::jsonb,
          ${JSON.stringify(part)}::text::jsonb, ${isLast ? JSON.stringify(save) : null}::text::jsonb) as answer`,
    );
    if (!row) throw new Error('ledger.act_on_story answered nothing');
    replayed.push(...(row.answer.replayed ?? []));
    if (isLast || row.answer.outcome === 'stale') return { ...row.answer, replayed };
    charges = row.answer.charges ?? charges;
  }
}
