/**
 * Admission: may this job start, and if so its money is held. Prices come from memory, the decision is one SQL call shared
 * by whoever asks at the same time, and nothing remote is waited for.
 */
import { randomFillSync } from 'node:crypto';
import { monotonicFactory } from 'ulid';
import { Fault } from '../domain/faults';
import type { TransactionId } from '../domain/ids';
import { addMicro, renderAmount, type Micro } from '../domain/money';
import { estimate as price, type Estimate } from '../domain/price';
import { roundUp, times, fractionOfDecimal } from '../domain/rational';
import type { Refusal } from '../domain/refusal';
import { instantOfMs, readTimeIn, type Instant } from '../domain/time';
import type { Sql } from '../platform/postgres';
import { openBatcher } from './batcher';
import type { Admission, Caller, CheckRequest, Decision, EstimateNote, PriceBook } from './contract';
import { renderDecision, type RecordedAnswer, type RecordedRequest } from './decision';
import { ask, unavailable } from './errors';
import type { NumberedCluster, PriceBooks } from './price-book';
import { noSuchAccount } from './require-account';

export interface AdmissionOptions {
  sql: Sql;
  prices: PriceBooks;
  /** The cluster of requests that name none. */
  defaultCluster?: string;
  /** Items in one call: beyond 64 a batch gets longer without getting cheaper. */
  batchMax?: number;
  /** After which a hung PostgreSQL is answered as `ledger_unavailable`. */
  deadlineMs?: number;
}

interface AccountTerms {
  unit: string;
  /** The account's own, in millionths; null: the cluster's. */
  multiplierMicro: bigint | null;
}

/** One item of place_holds. */
interface Item {
  principal: string;
  key: string | null;
  body_hash: string | null;
  account: string;
  unit: string;
  multiplier: string | null;
  catalog: string;
  at: Instant | null;
  user: string | null;
  cluster_no: number;
  pre_refusal: Refusal | null;
  hold_ids: TransactionId[];
  partitions: string[];
  amounts: string[];
  request: RecordedRequest;
}

interface Placed {
  n: number;
  outcome: 'decided' | 'replayed' | 'key_reused' | 'account_not_found' | 'stale';
  request: RecordedRequest | null;
  answer: RecordedAnswer | null;
  effectiveAt: Instant | null;
}

const nextUlid = monotonicFactory(bufferedRandom());

/** Prices can change between pricing and placing, but hardly this often in a row. */
const PRICINGS_MAX = 8;

export function openAdmission(options: AdmissionOptions): Admission {
  const { sql, prices, defaultCluster = 'default', batchMax = 64, deadlineMs = 5_000 } = options;
  const terms = openAccountTerms(sql);

  const placing = openBatcher<Item, Placed>({
    batchMax,
    deadlineMs,
    late: () => unavailable(new Error(`no answer from PostgreSQL in ${deadlineMs} ms`)),
    send(items) {
      let cancel: (() => void) | undefined = () => undefined;
      const place = async (some: Item[]): Promise<(Placed | Error)[]> => {
        const batch = JSON.stringify(some.map((item, n) => ({ n, ...item })));
        const rows = await ask(async () => {
          if (!cancel) throw unavailable();
          const query = sql<Placed[]>`
            select n, outcome, request, answer, effective_at as "effectiveAt" from ledger.place_holds(${batch}::text::jsonb)`;
          cancel = () => query.cancel();
          return await query;
        });
        const inOrder = new Array<Placed>(some.length);
        for (const row of rows) inOrder[row.n] = row;
        return inOrder;
      };
      // Something that PostgreSQL cannot even read (a NUL in somebody's text) must not be its neighbours' trouble.
      const placeApart = async (error: unknown): Promise<(Placed | Error)[]> => {
        if (error instanceof Fault || items.length === 1) throw error;
        const answers: (Placed | Error)[] = [];
        for (const item of items) {
          const [answer] = await place([item]).catch((reason: unknown) => [asError(reason)]);
          if (answer) answers.push(answer);
        }
        return answers;
      };
      return {
        answers: place(items).catch(placeApart),
        abandon() {
          cancel?.();
          cancel = undefined;
        },
      };
    },
  });

  /** The request as an item, priced by what is in memory. `account_not_found`, `cluster_not_found`. */
  async function priced(request: CheckRequest, caller: Caller): Promise<Item> {
    const [account, book] = await Promise.all([terms.of(request.account), prices.current()]);
    const cluster = clusterOf(book, request.cluster ?? defaultCluster);
    return makeItem(request, caller, account, book, cluster);
  }

  /** Asks until the prices used are the prices in force. */
  async function decide(
    request: CheckRequest,
    caller: Caller,
    judge: (item: Item) => Promise<Placed>,
  ): Promise<Decision> {
    for (let pricing = 1; pricing <= PRICINGS_MAX; pricing++) {
      const item = await pricedOnce(request, caller);
      const placed = await judge(item);
      if (placed.outcome !== 'stale') return decisionOf(request, caller, item, placed);
      terms.forget(request.account);
      await prices.refresh(BigInt(item.catalog));
    }
    throw unavailable(new Error(`prices changed ${PRICINGS_MAX} times while one request was decided`));
  }

  /** A cluster that was made a moment ago may not be in memory yet; nobody should be told that it does not exist. */
  async function pricedOnce(request: CheckRequest, caller: Caller): Promise<Item> {
    try {
      return await priced(request, caller);
    } catch (error) {
      if (!(error instanceof Fault && error.code === 'cluster_not_found')) throw error;
      await prices.upToDate();
      return priced(request, caller);
    }
  }

  return {
    check: (request, caller) => decide(request, caller, placing.ask),
    estimate: (request) =>
      decide(request, { principal: 'local' }, async (item) => {
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

function makeItem(
  request: CheckRequest,
  caller: Caller,
  account: AccountTerms,
  book: PriceBook,
  cluster: NumberedCluster,
): Item {
  const asked = request.at === undefined ? undefined : readTimeIn(request.at, cluster.timeZone);
  const at = asked?.at ?? instantOfMs(Date.now());
  const own = account.multiplierMicro === null ? {} : { holdMultiplier: renderAmount(account.multiplierMicro) };
  const estimates = request.components.map((component) => price(component, cluster, book.rates, account.unit, at, own));
  const first = estimates[0];
  if (!first) throw new Fault('malformed_request', 'A check asks for at least one component.');
  const refused = estimates.find(({ refusal }) => refusal?.code === 'time_limit_missing') ?? estimates.find(isRefused);
  const amounts = estimates.map(({ hold }) => hold.toString());
  const uncapped = first.hold === cluster.holdCap ? uncappedHold(first) : first.hold;
  return {
    principal: caller.principal,
    key: caller.key ?? null,
    body_hash: caller.bodyHash === undefined ? null : Buffer.from(caller.bodyHash).toString('hex'),
    account: request.account,
    unit: account.unit,
    multiplier: account.multiplierMicro === null ? null : account.multiplierMicro.toString(),
    catalog: book.version.toString(),
    at: asked?.at ?? null,
    user: request.user ?? null,
    cluster_no: cluster.clusterNo,
    pre_refusal: refused?.refusal ?? null,
    hold_ids: request.components.map((): TransactionId => `txn_${nextUlid()}`),
    partitions: request.components.map(({ partition }) => partition),
    amounts,
    request: {
      account: request.account,
      cluster: cluster.name,
      components: request.components,
      ...(request.user === undefined ? {} : { user: request.user }),
      ...(request.jobId === undefined ? {} : { jobId: request.jobId }),
      ...(request.jobName === undefined ? {} : { jobName: request.jobName }),
      unit: account.unit,
      timeZone: cluster.timeZone,
      estimated: addMicro(...estimates.map(({ estimated }) => estimated)).toString(),
      holdMultiplier: first.holdMultiplier,
      amounts,
      wallSeconds: estimates.map(({ wallSeconds }) => wallSeconds),
      ...(uncapped > first.hold ? { uncappedHold: uncapped.toString() } : {}),
      estimate: noteOf(estimates),
      ...(asked === undefined ? {} : asked),
      ...(request.details === undefined ? {} : { details: request.details }),
    },
  };
}

/** Fractions from the system's random bytes, fetched by the page: one call a character cost more than pricing the job. */
function bufferedRandom(): () => number {
  const page = new Uint8Array(4096);
  let next = page.length;
  return () => {
    if (next === page.length) {
      randomFillSync(page);
      next = 0;
    }
    return (page[next++] ?? 0) / 256;
  };
}

const asError = (reason: unknown): Error => (reason instanceof Error ? reason : new Error(String(reason)));

const isRefused = ({ refusal }: Estimate): boolean => refusal !== undefined;

const uncappedHold = ({ cost, holdMultiplier }: Estimate): Micro =>
  roundUp(times(cost, fractionOfDecimal(holdMultiplier)));

/** How all components together were priced: as sure as the least sure of them. */
function noteOf(estimates: Estimate[]): EstimateNote {
  const [first] = estimates;
  const leastSure = estimates.reduce((least, one) => (one.confidence < least.confidence ? one : least));
  const recommendation = first?.recommendation ?? leastSure.recommendation;
  return {
    method: leastSure.method,
    confidence: leastSure.confidence,
    ...(recommendation === undefined ? {} : { recommendation }),
    lines:
      estimates.length === 1
        ? leastSure.lines
        : estimates.flatMap(({ lines }, index) => lines.map((line) => `component ${index}: ${line}`)),
    unbilled: [...new Set(estimates.flatMap(({ unbilled }) => unbilled))],
  };
}

function decisionOf(request: CheckRequest, caller: Caller, item: Item, placed: Placed): Decision {
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
  if (!placed.answer || placed.effectiveAt === null) throw new Error(`place_holds gave ${placed.outcome} no answer`);
  return renderDecision(
    placed.request ?? item.request,
    placed.answer,
    placed.effectiveAt,
    placed.outcome === 'replayed',
  );
}
