/**
 * How fast is a budget check, beside what the same PostgreSQL does at best?
 *
 *   floor (a)  pgbench updating one row, one transaction each: what one hot account costs whoever locks it
 *   floor (b)  pgbench calling the function that places holds, one hold a call: the same work without HTTP and batches
 *
 * All cases are measured in every round, one after another, so that whatever else the machine does meets all of them;
 * ratios are taken within a round. With dispatcher and worker stopped, and again with both at work on the outbox.
 */
import {
  askOnce,
  checkBodies,
  checkBody,
  expectBooksToBalance,
  nextKey,
  openAccounts,
  openHotRow,
  openPoorAccount,
  singleHoldStatement,
} from './house';
import { runLoad, type Figure } from './http-load';
import { hasPgbench, runFloor } from './pgbench';
import { conclude, figureCells, machine, medianRatio, Series, table, times, type Mark, type Options } from './report';
import { say, withStack, type BenchDatabase } from './stack';

export const CLIENTS = [1, 8, 64];
export const MANY = 1000;
export const HOT = 'hot-';
export const SPREAD = 'spread-';

export interface Case {
  name: string;
  /** Only answers of this kind count. */
  expects?: 'yes' | 'no';
  /** `running`: while dispatcher and worker are at work. */
  when: 'stopped' | 'running';
  measure(seconds: number): Promise<Figure>;
}

export const checkBench = (options: Options): Promise<boolean> =>
  withStack(async (stack) => {
    const on = machine(stack.postgresVersion);
    say('opening 1002 accounts …');
    const database = await stack.database('bench');
    await openAccounts(database, HOT, 1);
    await openAccounts(database, SPREAD, MANY);
    await openPoorAccount(database, 'poor');
    const temporal = await stack.temporal();
    const [first, second] = [await stack.api(database), await stack.api(database)];
    await askOnce(first.url, checkBody(`${HOT}1`, 0, nextKey()));

    const cases = [
      ...(await floors(database)),
      ...httpCases([first.url], 'stopped'),
      ...extraCases([first.url, second.url]),
      ...httpCases([first.url], 'running'),
    ];
    const series = new Map(cases.map(({ name }) => [name, new Series(name)]));
    const { rounds, seconds, warmUp } = options.quick
      ? { rounds: 1, seconds: 2, warmUp: 2 }
      : { rounds: 5, seconds: 3, warmUp: 2 };

    const run = async (state: Case['when'], forSeconds: number, keep: boolean) => {
      for (const each of cases.filter(({ when }) => when === state)) {
        const figure = await each.measure(forSeconds);
        if (keep) series.get(each.name)?.add(figure);
      }
    };
    say('warming up …');
    await run('stopped', warmUp, false);
    for (let round = 1; round <= rounds; round++) {
      say(`round ${round} of ${rounds} …`);
      await database.sql`checkpoint`;
      await run('stopped', seconds, true);
      const worker = await stack.worker(database, temporal);
      await run('running', seconds, true);
      await worker.stop();
    }
    await expectBooksToBalance(database);

    const figures = [...series.values()];
    const floor = (await hasPgbench()) ? 'pgbench' : 'raw loop (no pgbench here)';
    process.stdout.write(`\n${figuresTable(figures, floor)}\n`);
    const marks = marksOf(series);
    return conclude('check', on, marks, { floor, rounds, seconds, cases: figures.map(withMedian) }, options);
  });

async function floors(database: BenchDatabase): Promise<Case[]> {
  const { url } = database;
  const hotRow = await openHotRow(database);
  const onHot = await singleHoldStatement(database, HOT, `${HOT}1`);
  const onMany = await singleHoldStatement(database, SPREAD, `${HOT}1`);
  const floor = (name: string, statement: string, clients: number, accounts?: number): Case => ({
    name,
    when: 'stopped',
    measure: (seconds) =>
      runFloor({ url, statement, clients, seconds, ...(accounts === undefined ? {} : { accounts }) }),
  });
  return CLIENTS.flatMap((clients) => [
    floor(nameOf('floor (a)', 1, clients), hotRow, clients),
    floor(nameOf('floor (b)', 1, clients), onHot, clients),
    floor(nameOf('floor (b)', MANY, clients), onMany, clients, MANY),
  ]);
}

const httpCases = (urls: string[], when: Case['when']): Case[] =>
  CLIENTS.flatMap((clients) => [
    http(nameOf(`HTTP, worker ${when}`, 1, clients), urls, clients, when, checkBodies(HOT, 1)),
    http(nameOf(`HTTP, worker ${when}`, MANY, clients), urls, clients, when, checkBodies(SPREAD, MANY)),
  ]);

const extraCases = ([first = '', second = '']: string[]): Case[] => [
  ...CLIENTS.map((clients) => ({
    ...http(
      nameOf('HTTP, all denied', 1, clients),
      [first],
      clients,
      'stopped',
      (n) => checkBody('poor', n, nextKey()),
      'no',
    ),
  })),
  http(nameOf('HTTP, two API processes', 1, 64), [first, second], 64, 'stopped', checkBodies(HOT, 1)),
  http(nameOf('HTTP, two API processes', MANY, 64), [first, second], 64, 'stopped', checkBodies(SPREAD, MANY)),
];

export function http(
  name: string,
  urls: string[],
  clients: number,
  when: Case['when'],
  body: (n: number) => string,
  expects: 'yes' | 'no' = 'yes',
  key?: string,
): Case {
  return {
    name,
    when,
    async measure(seconds) {
      const { answers, perSecond, p50Ms, p99Ms } = await runLoad({
        urls,
        path: '/api/v1/budget/check',
        clients,
        seconds,
        body,
        key,
      });
      const others = Object.keys(answers).filter((answer) => answer !== `200 ${expects}`);
      if (others.length > 0) throw new Error(`${name}: answers ${JSON.stringify(answers)}`);
      return { perSecond, p50Ms, p99Ms };
    },
  };
}

export const nameOf = (what: string, accounts: number, clients: number): string =>
  `${what}, ${accounts === 1 ? '1 account' : `${accounts} accounts`}, ${clients === 1 ? '1 client' : `${clients} clients`}`;

function marksOf(series: ReadonlyMap<string, Series>): Mark[] {
  const roundsOf = (...key: Parameters<typeof nameOf>) => series.get(nameOf(...key))?.rounds ?? [];
  const perSecond = (...key: Parameters<typeof nameOf>) => roundsOf(...key).map((figure) => figure.perSecond);
  /** Round by round, the best client count. */
  const bestOf = (what: string, accounts: number) =>
    perSecond(what, accounts, 1).map((_, round) =>
      Math.max(...CLIENTS.map((clients) => perSecond(what, accounts, clients)[round] ?? 0)),
    );
  const p50 = (...key: Parameters<typeof nameOf>) => roundsOf(...key).map((figure) => figure.p50Ms);
  const stopped = 'HTTP, worker stopped';
  return [
    {
      name: 'one hot account, 64 clients / floor (a) at its best',
      ratio: medianRatio(perSecond(stopped, 1, 64), bestOf('floor (a)', 1)),
      bound: 2,
      is: 'least',
    },
    {
      name: '1000 accounts, 64 clients / floor (b) at its best',
      ratio: medianRatio(perSecond(stopped, MANY, 64), bestOf('floor (b)', MANY)),
      bound: 2,
      is: 'least',
    },
    {
      name: 'latency of one client, one account / floor (b)',
      ratio: medianRatio(p50(stopped, 1, 1), p50('floor (b)', 1, 1)),
      bound: 2,
      is: 'most',
    },
    {
      name: 'latency of one client, 1000 accounts / floor (b)',
      ratio: medianRatio(p50(stopped, MANY, 1), p50('floor (b)', MANY, 1)),
      bound: 2,
      is: 'most',
    },
  ];
}

function figuresTable(series: Series[], floor: string): string {
  const hotFloor = Math.max(
    ...series.filter(({ name }) => name.startsWith('floor (a)')).map(({ median: { perSecond } }) => perSecond),
  );
  return table(
    [`floors by ${floor}`, 'per second', 'p50 ms', 'p99 ms', 'to (a) at its best'],
    series.map(({ name, median }) => [name, ...figureCells(median), times(median.perSecond / hotFloor)]),
  );
}

const withMedian = ({ name, median, rounds }: Series) => ({ name, median, rounds });
