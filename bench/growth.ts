/**
 * Does a check get slower as the ledger grows? The same checks on a ledger with ten million entries and on an empty one, side
 * by side on one PostgreSQL, each behind an API process of its own; rounds interleaved. Keys are time-ordered, as we
 * recommend: random ones would read and write a cold page each.
 */
import { openLedger } from '../ledger';
import { askOnce, checkBodies, expectBooksToBalance, openAccounts, openCluster } from './house';
import { giveHistory } from './history';
import { runLoad } from './http-load';
import { conclude, count, figureCells, machine, medianRatio, Series, table, type Mark, type Options } from './report';
import { say, withStack, type BenchDatabase } from './stack';

const PREFIX = 'growth-';
const ACCOUNTS = 64;
const CLIENTS = [1, 64];
const AGES = ['empty', 'grown'] as const;

export const growthBench = (options: Options): Promise<boolean> =>
  withStack(async (stack) => {
    const on = machine(stack.postgresVersion);
    const { rounds, seconds, wanted } = options.quick
      ? { rounds: 1, seconds: 2, wanted: 100_000 }
      : { rounds: 7, seconds: 4, wanted: 10_000_000 };
    const databases = { empty: await stack.database('empty'), grown: await stack.database('grown') };
    for (const age of AGES) {
      await openCluster(databases[age]);
      await openAccounts(databases[age], PREFIX, ACCOUNTS);
    }
    const accounts = Array.from({ length: ACCOUNTS }, (_, n) => `${PREFIX}${n + 1}`);
    const entries = await giveHistory(databases.grown, accounts, wanted);
    say(`the grown ledger has ${count(entries)} entries`);
    for (const age of AGES) await proveFirst(databases[age], age);
    const apis = { empty: await stack.api(databases.empty), grown: await stack.api(databases.grown) };

    const body = checkBodies(PREFIX, ACCOUNTS);
    const series = new Map(
      AGES.flatMap((age) => CLIENTS.map((clients) => [nameOf(age, clients), new Series(nameOf(age, clients))])),
    );
    const measure = async (age: (typeof AGES)[number], clients: number, forSeconds: number) => {
      const load = { urls: [apis[age].url], path: '/api/v1/budget/check', clients, seconds: forSeconds, body };
      const { answers, ...figure } = await runLoad(load);
      if (Object.keys(answers).join() !== '200 yes') throw new Error(`${age}: answers ${JSON.stringify(answers)}`);
      return figure;
    };
    say('warming up …');
    // One by one: the first hold of a user under a template counts all that the account was ever charged.
    for (const age of AGES) for (let n = 0; n < ACCOUNTS; n++) await askOnce(apis[age].url, body(n));
    for (const clients of CLIENTS) for (const age of AGES) await measure(age, clients, 2);
    for (let round = 1; round <= rounds; round++) {
      say(`round ${round} of ${rounds} …`);
      await databases.empty.sql`checkpoint`;
      for (const clients of CLIENTS) {
        // Who goes first changes from round to round: the second finds what the first has left to be written.
        for (const age of round % 2 === 0 ? AGES : AGES.toReversed()) {
          series.get(nameOf(age, clients))?.add(await measure(age, clients, seconds));
        }
      }
    }
    for (const age of AGES) await expectBooksToBalance(databases[age]);

    const figures = [...series.values()];
    const rows = figures.map(({ name, median }) => [name, ...figureCells(median)]);
    process.stdout.write(`\n${table(['checks over HTTP', 'per second', 'p50 ms', 'p99 ms'], rows)}\n`);
    const p50 = (age: (typeof AGES)[number], clients: number) =>
      series.get(nameOf(age, clients))?.rounds.map(({ p50Ms }) => p50Ms) ?? [];
    const marks = CLIENTS.map((clients): Mark => ({
      name: `latency of ${clientsOf(clients)}, ${count(entries)} entries / none`,
      ratio: medianRatio(p50('grown', clients), p50('empty', clients)),
      bound: 1.2,
      is: 'most',
    }));
    const cases = figures.map(({ name, median, rounds: all }) => ({ name, median, rounds: all }));
    return conclude('growth', on, marks, { entries, rounds, seconds, cases }, options);
  });

/** As a site has: its hourly audit is over, and nobody begins another in the middle of a round. */
async function proveFirst({ sql }: BenchDatabase, age: string): Promise<void> {
  const began = performance.now();
  const { ok, transactions } = await openLedger(sql).audit.run();
  if (!ok) throw new Error(`the books of the ${age} ledger do not balance`);
  say(`the audit of ${count(transactions)} transactions took ${count((performance.now() - began) / 1000)} s`);
}

const clientsOf = (clients: number): string => (clients === 1 ? '1 client' : `${clients} clients`);
const nameOf = (age: string, clients: number): string => `${age} ledger, ${clientsOf(clients)}`;
