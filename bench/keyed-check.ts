/**
 * What does a key cost? The same checks by who needs none and by who sends the key of a hook, one after the other in every
 * round. A key of a hook leaves the API open to its own machine, so both ask the same process.
 */
import { CLIENTS, HOT, http, MANY, nameOf, SPREAD, type Case } from './check';
import { askOnce, checkBodies, checkBody, expectBooksToBalance, nextKey, openAccounts } from './house';
import { conclude, figureCells, machine, medianRatio, Series, table, type Mark, type Options } from './report';
import { say, withStack } from './stack';

const WITHOUT = 'HTTP, no key';
const WITH = 'HTTP, an API key';

export const keyedCheckBench = (options: Options): Promise<boolean> =>
  withStack(async (stack) => {
    const on = machine(stack.postgresVersion);
    const database = await stack.database('bench');
    await openAccounts(database, HOT, 1);
    await openAccounts(database, SPREAD, MANY);
    const { url } = await stack.api(database);
    await defaultCluster(url);
    await askOnce(url, checkBody(`${HOT}1`, 0, nextKey()));
    const key = await makeKey(url);

    const cases: Case[] = CLIENTS.flatMap((clients) =>
      [1, MANY].flatMap((accounts) => {
        const bodies = checkBodies(accounts === 1 ? HOT : SPREAD, accounts);
        return [
          http(nameOf(WITHOUT, accounts, clients), [url], clients, 'stopped', bodies),
          http(nameOf(WITH, accounts, clients), [url], clients, 'stopped', bodies, 'yes', key),
        ];
      }),
    );
    const series = new Map(cases.map(({ name }) => [name, new Series(name)]));
    const { rounds, seconds } = options.quick ? { rounds: 1, seconds: 2 } : { rounds: 5, seconds: 3 };
    say('warming up …');
    for (const each of cases) await each.measure(1);
    for (let round = 1; round <= rounds; round++) {
      say(`round ${round} of ${rounds} …`);
      await database.sql`checkpoint`;
      for (const each of cases) series.get(each.name)?.add(await each.measure(seconds));
    }
    await expectBooksToBalance(database);

    const figures = [...series.values()];
    const rows = figures.map(({ name, median }) => [name, ...figureCells(median)]);
    process.stdout.write(`\n${table(['checks', 'per second', 'p50 ms', 'p99 ms'], rows)}\n`);
    const perSecond = (what: string, accounts: number) =>
      (series.get(nameOf(what, accounts, 64))?.rounds ?? []).map((figure) => figure.perSecond);
    const marks = [1, MANY].map((accounts): Mark => ({
      name: `${accounts === 1 ? 'one hot account' : `${accounts} accounts`}, 64 clients: with a key / without`,
      ratio: medianRatio(perSecond(WITH, accounts), perSecond(WITHOUT, accounts)),
      bound: 0.9,
      is: 'least',
    }));
    const facts = { rounds, seconds, cases: figures.map(({ name, median }) => ({ name, median })) };
    return conclude('check --key', on, marks, facts, options);
  });

/** An API that has begun to listen makes it in the next moment. */
async function defaultCluster(url: string): Promise<void> {
  while (!(await fetch(`${url}/api/v1/clusters/default`)).ok) await new Promise((resolve) => setTimeout(resolve, 100));
}

async function makeKey(url: string): Promise<string> {
  const answer = await fetch(`${url}/api/v1/keys`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ name: 'bench-hook', scope: 'hook', cluster: 'default' }),
  });
  const made: unknown = await answer.json();
  const key: unknown = typeof made === 'object' && made !== null ? Reflect.get(made, 'key') : undefined;
  if (typeof key !== 'string') throw new Error(`no key was made: ${JSON.stringify(made)}`);
  return key;
}
