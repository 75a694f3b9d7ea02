/**
 * Admission: may this job start, and if so its money is held. Prices come from memory, the decision is one SQL call shared
 * by whoever asks at the same time. Nothing remote is waited for, but for an advisor where the site has one: as long as that
 * one was given and no longer, and before the check joins the others.
 */
import type { Advice } from '../domain/advice';
import { Fault } from '../domain/faults';
import type { Instant } from '../domain/time';
import type { Sql } from '../platform/postgres';
import {
  advised,
  makeItem,
  priceRequest,
  questionsOf,
  spareItems,
  type AccountTerms,
  type Item,
  type Priced,
  type PricingTerms,
  type SpareItem,
} from './admission-item';
import { openBatcher } from './batcher';
import type { Admission, Advisor, Caller, ChangedJob, CheckRequest, Decision, PriceBook } from './contract';
import { renderDecision, type RecordedAnswer, type RecordedRequest } from './decision';
import { ask, unavailable } from './errors';
import type { NumberedCluster, PriceBooks } from './price-book';
import { noSuchAccount } from './require-account';

export interface AdmissionOptions {
  sql: Sql;
  prices: PriceBooks;
  /** The cluster of requests that name none. */
  defaultCluster?: string;
  /** Asked what a job costs. Undefined: the cluster's own prices are all there is. */
  advisor?: Advisor;
  /** Items in one call: beyond 64 a batch gets longer without getting cheaper. */
  batchMax?: number;
  /** After which a hung PostgreSQL is answered as `ledger_unavailable`. */
  deadlineMs?: number;
}

interface Placed {
  n: number;
  outcome: 'decided' | 'replayed' | 'key_reused' | 'account_not_found' | 'stale' | 'moved';
  request: RecordedRequest | null;
  answer: RecordedAnswer | null;
  effectiveAt: Instant | null;
  /** Keys of the spares that are held. */
  spares?: string[];
}

/** One check in a batch, and what is to be held beside it. */
interface Asking {
  item: Item;
  spares: SpareItem[];
}

/** Prices can change between pricing and placing, but hardly this often in a row. */
const PRICINGS_MAX = 8;

export function openAdmission(options: AdmissionOptions): Admission {
  const { sql, prices, defaultCluster = 'default', advisor, batchMax = 64, deadlineMs = 5_000 } = options;
  const terms = openAccountTerms(sql);

  const placing = openBatcher<Asking, Placed>({
    batchMax,
    deadlineMs,
    late: () => unavailable(new Error(`no answer from PostgreSQL in ${deadlineMs} ms`)),
    send(askings) {
      let cancel: (() => void) | undefined = () => undefined;
      const place = async (some: Asking[]): Promise<(Placed | Error)[]> => {
        // Spares behind all that was asked for: nobody's answer is the worse for them.
        const spares = some.flatMap((asking) => asking.spares);
        const items = [...some.map(({ item }) => item), ...spares];
        const batch = JSON.stringify(items.map((item, n) => ({ n, ...item })));
        const rows = await ask(async () => {
          if (!cancel) throw unavailable();
          const query = sql<Placed[]>`
            select n, outcome, request, answer, effective_at as "effectiveAt" from ledger.place_holds(${batch}::text::jsonb)`;
          cancel = () => query.cancel();
          return await query;
        });
        const inOrder = new Array<Placed | undefined>(items.length);
        for (const row of rows) inOrder[row.n] = row;
        const held = new Set(spares.filter((_, n) => inOrder[some.length + n]));
        return some.map((asking, n) => {
          const placed = inOrder[n];
          if (!placed) return new Error(`place_holds gave no answer to item ${n} of ${some.length}`);
          const own = asking.spares.filter((spare) => held.has(spare)).map(({ key }) => key);
          return own.length > 0 ? { ...placed, spares: own } : placed;
        });
      };
      // Something that PostgreSQL cannot even read (a NUL in somebody's text) must not be its neighbours' trouble.
      const placeApart = async (error: unknown): Promise<(Placed | Error)[]> => {
        if (error instanceof Fault || askings.length === 1) throw error;
        const answers: (Placed | Error)[] = [];
        for (const asking of askings) {
          const [answer] = await place([asking]).catch((reason: unknown) => [asError(reason)]);
          if (answer) answers.push(answer);
        }
        return answers;
      };
      return {
        answers: place(askings).catch(placeApart),
        abandon() {
          cancel?.();
          cancel = undefined;
        },
      };
    },
  });

  /** What is in memory of account, cluster and rates. `account_not_found`, `cluster_not_found`. */
  async function knownTerms(request: CheckRequest): Promise<PricingTerms> {
    const [account, book] = await Promise.all([terms.of(request.account), prices.current()]);
    return { account, book, cluster: clusterOf(book, request.cluster ?? defaultCluster) };
  }

  /** Asks until the prices used are the prices in force. */
  async function decide(
    request: CheckRequest,
    caller: Caller,
    waiting: 'check' | 'estimate',
    judge: (item: Item) => Promise<Placed>,
  ): Promise<Decision> {
    let advice: Advice[] | undefined;
    for (let pricing = 1; pricing <= PRICINGS_MAX; pricing++) {
      const pricedBy = await termsOf(request);
      let priced = priceRequest(request, pricedBy);
      if (advisor) {
        // Once, however often the cluster's prices change: what it said of the job is still what it said.
        advice ??= await adviceOn(advisor, request, pricedBy, priced, waiting);
        priced = advised(request, pricedBy, priced, advice, advisor.policy);
      }
      const item = makeItem(request, caller, pricedBy, priced);
      const placed = await judge(item);
      if (placed.outcome !== 'stale') return decisionOf(request, caller, placed, item.request);
      terms.forget(request.account);
      await prices.refresh(BigInt(item.catalog));
    }
    throw unavailable(new Error(`prices changed ${PRICINGS_MAX} times while one request was decided`));
  }

  /** A cluster that was made a moment ago may not be in memory yet; nobody should be told that it does not exist. */
  async function termsOf(request: CheckRequest): Promise<PricingTerms> {
    try {
      return await knownTerms(request);
    } catch (error) {
      if (!(error instanceof Fault && error.code === 'cluster_not_found')) throw error;
      await prices.upToDate();
      return knownTerms(request);
    }
  }

  /** The first answer to a key, so that a repeated check asks no advisor again. Two at once do, and place_holds answers once. */
  async function firstAnswer(request: CheckRequest, caller: Caller): Promise<Decision | undefined> {
    if (caller.key === undefined) return undefined;
    const { principal, key, bodyHash } = caller;
    const [row] = await ask(
      () => sql<Placed[]>`
        select 0 as n, outcome, request, answer, effective_at as "effectiveAt"
        from ledger.replay_decision(${principal}, ${key}, ${bodyHash === undefined ? null : Buffer.from(bodyHash)})`,
    );
    return row && decisionOf(request, caller, row);
  }

  return {
    async check(request, caller, spares) {
      const before = advisor && (await firstAnswer(request, caller));
      return (
        before ??
        decide(request, caller, 'check', (item) =>
          placing.ask({ item, spares: spares ? spareItems(item, spares) : [] }),
        )
      );
    },
    exchange: (holdId, request, changed, caller) =>
      decide({ ...request, jobId: changed.jobId }, caller, 'check', async (item) => {
        const job = JSON.stringify(changedJob(changed));
        const [row] = await ask(
          () => sql<Placed[]>`
            select 0 as n, outcome, request, answer, effective_at as "effectiveAt"
            from ledger.replace_hold(${holdId}, ${JSON.stringify(item)}::text::jsonb, ${job}::text::jsonb)`,
        );
        if (!row) throw new Error('replace_hold gave no row');
        if (row.outcome === 'moved') throw holdMoved(holdId);
        return row;
      }),
    estimate: (request) =>
      decide(request, { principal: 'local' }, 'estimate', async (item) => {
        const [row] = await ask(
          () => sql<Placed[]>`
            select 0 as n, outcome, null::jsonb as request, answer, effective_at as "effectiveAt"
            from ledger.judge_item(${JSON.stringify(item)}::text::jsonb)`,
        );
        if (!row) throw new Error('judge_item gave no row');
        return row;
      }),
  };
}

/** All components are asked about at once, and share the time there is. */
async function adviceOn(
  advisor: Advisor,
  request: CheckRequest,
  pricedBy: PricingTerms,
  priced: Priced,
  waiting: 'check' | 'estimate',
): Promise<Advice[]> {
  const questions = questionsOf(request, pricedBy, priced);
  if (questions) return Promise.all(questions.map((question) => advisor.advise(question, waiting)));
  return request.components.map(() => ({ outcome: 'not_asked', detail: 'was not asked about a job without an end' }));
}

/** Unit and hold multiplier of accounts, from memory. place_holds says 'stale' where they are not true any more. */
function openAccountTerms(sql: Sql) {
  const known = new Map<string, AccountTerms>();
  const KNOWN_MAX = 100_000;
  return {
    forget: (name: string) => void known.delete(name),
    async of(name: string): Promise<AccountTerms> {
      const found = known.get(name);
      if (found) return found;
      const [row] = await ask(
        () => sql<AccountTerms[]>`
          select unit, hold_multiplier_micro as "multiplierMicro" from ledger.accounts where name = ${name}`,
      );
      if (!row) throw noSuchAccount(name);
      if (known.size >= KNOWN_MAX) known.clear();
      known.set(name, row);
      return row;
    },
  };
}

function clusterOf(book: PriceBook, name: string): NumberedCluster {
  const cluster = book.clusters.get(name);
  if (!cluster) {
    throw new Fault('cluster_not_found', `There is no cluster "${name}".`, { facts: { cluster: name } });
  }
  return cluster;
}

/** As ledger.replace_hold takes it. */
export const changedJob = ({ jobId, submittedAt, task, tasksLeft }: ChangedJob) => ({
  job_id: jobId,
  submitted_at: submittedAt ?? null,
  ...(task === undefined ? {} : { task, tasks_left: tasksLeft ?? 1 }),
});

/** What replace_hold answers with 'moved', as a resize of a closed hold is answered. */
export const holdMoved = (holdId: string): Fault =>
  new Fault('hold_closed', `Hold ${holdId} is not the job's any more.`, { facts: { hold_id: holdId } });

const asError = (reason: unknown): Error => (reason instanceof Error ? reason : new Error(String(reason)));

/** `recorded` is what was asked just now; a replay has its own. */
function decisionOf(request: CheckRequest, caller: Caller, placed: Placed, recorded?: RecordedRequest): Decision {
  if (placed.outcome === 'account_not_found') throw noSuchAccount(request.account);
  if (placed.outcome === 'key_reused') {
    throw new Fault(
      'key_reused',
      `The key "${caller.key}" was used for another check. Use a new key for a new request.`,
      {
        facts: { key: caller.key },
      },
    );
  }
  const asked = placed.request ?? recorded;
  if (!asked || !placed.answer || placed.effectiveAt === null) {
    throw new Error(`place_holds gave ${placed.outcome} no answer`);
  }
  const decision = renderDecision(asked, placed.answer, placed.effectiveAt, placed.outcome === 'replayed');
  return placed.spares ? { ...decision, spares: placed.spares } : decision;
}
