/**
 * How long does a site's history take against a proposal? A year of a million jobs over 200 accounts, and a shorter one that is all
 * of one account, read, priced and walked. Beside it the same rows by a bare COPY, which is the least that anything does with
 * them, and job by job through the same functions, which is what doing things together saves.
 */
import { once } from 'node:events';
import { open, stat } from 'node:fs/promises';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createInterface } from 'node:readline';
import { parseAmount } from '../domain/money';
import { replay, type Proposal } from '../ledger/replay';
import { conclude, count, machine, table, type Mark, type Options } from './report';
import { say, withStack, type BenchDatabase } from './stack';

const WANTED_PER_SECOND = 1_000_000 / 600;
const START_SECONDS = Date.UTC(2025, 0, 1) / 1000;

interface Figure {
  name: string;
  jobs: number;
  perSecond: number;
  denied: number;
}

export const replayBench = (options: Options): Promise<boolean> =>
  withStack(async (stack) => {
    const on = machine(stack.postgresVersion);
    const sizes = options.quick
      ? { many: 20_000, one: 5_000, alone: 2_000 }
      : { many: 1_000_000, one: 200_000, alone: 20_000 };
    const database = await stack.database('live');
    const many = await writeLog(join(stack.folder, 'many.log'), sizes.many, 200);
    const one = await writeLog(join(stack.folder, 'one.log'), sizes.one, 1);
    const few = await writeLog(join(stack.folder, 'few.log'), sizes.alone, 200);

    const copied = await copyBare(database, many, sizes.many);
    const figures = [
      await measure('200 accounts', database, many, 200, true),
      await measure('one account', database, one, 1, true),
      await measure('200 accounts, job by job', database, few, 200, false),
    ];
    process.stdout.write(
      `${table(
        ['jobs', 'how many', 'denied', 'per second'],
        [
          ...figures.map(({ name, jobs, denied, perSecond }) => [name, count(jobs), count(denied), count(perSecond)]),
          ['bare COPY of the 200 accounts', count(sizes.many), '', count(copied)],
        ],
      )}\n`,
    );
    const marks: Mark[] = figures.slice(0, 2).map(({ name, perSecond }) => ({
      name: `replay, ${name}: jobs a second / a million in ten minutes`,
      ratio: perSecond / WANTED_PER_SECOND,
      bound: 1,
      is: 'least',
    }));
    return conclude('replay', on, marks, { figures, copied }, options);
  });

const accountName = (n: number) => `account${n}`;
const iso = (seconds: number) => new Date(seconds * 1000).toISOString().slice(0, 19);

/** A job every half minute or so, in the order of submission, as `sacct -P` writes them. */
async function writeLog(path: string, jobs: number, accounts: number): Promise<string> {
  say(`writing a log of ${count(jobs)} jobs …`);
  const file = await open(path, 'w');
  const out = file.createWriteStream();
  out.write(
    'JobID|Account|User|Partition|Submit|Start|End|State|NNodes|ReqTRES|AllocTRES|Timelimit|NodeList|JobName\n',
  );
  let state = 1;
  const next = (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  let at = START_SECONDS;
  for (let id = 1; id <= jobs; id += 1) {
    at += next(60);
    const [start, ran] = [at + next(3600), 60 + next(7200)];
    const account = next(accounts);
    const tres = `billing=8,cpu=${1 + next(32)},mem=16G,node=1${next(5) === 0 ? ',gres/gpu=1' : ''}`;
    const gone = next(40) === 0;
    const line = [
      id,
      accountName(account),
      `user${account * 5 + next(5)}`,
      next(4) === 0 ? 'gpu' : 'batch',
      iso(at),
      iso(start),
      iso(gone ? start : start + ran),
      gone ? 'CANCELLED' : 'COMPLETED',
      1,
      tres,
      gone ? '' : tres,
      `${Math.ceil((ran * (1 + next(3))) / 3600)}:00:00`,
      gone ? 'None assigned' : 'node1',
      'job',
    ].join('|');
    if (!out.write(`${line}\n`)) await once(out, 'drain');
  }
  await new Promise<void>((resolve) => out.end(() => resolve()));
  return path;
}

/** Accounts below five to a parent, each with a cap; every tenth runs out of money on the way. */
function proposalFor(accounts: number, jobs: number): Proposal {
  const window = { startsAt: '2024-01-01T00:00:00Z', endsAt: '2035-01-01T00:00:00Z' };
  const parents = Math.ceil(accounts / 5);
  const each = Math.max(1, Math.floor((jobs / accounts) * 4));
  return {
    clusters: [
      {
        name: 'bench',
        settings: { timeZone: 'UTC', pricePreset: 'none' },
        partitions: [{ name: 'gpu', queueWeight: '1.5' }],
        rates: [
          {
            resource: 'cpu',
            unit: 'USD',
            rate: parseAmount('0.04'),
            startsAt: window.startsAt,
            endsAt: null,
            source: 'bench',
          },
          {
            resource: 'gpu',
            unit: 'USD',
            rate: parseAmount('0.75'),
            startsAt: window.startsAt,
            endsAt: null,
            source: 'bench',
          },
        ],
      },
    ],
    accounts: [
      ...Array.from({ length: parents }, (_, n) => ({
        name: `project${n}`,
        unit: 'USD',
        settings: { title: 'project', ...window, subtreeLimit: parseAmount('4000000000') },
        deposits: [],
        limits: [],
      })),
      ...Array.from({ length: accounts }, (_, n) => ({
        name: accountName(n),
        unit: 'USD',
        settings: {
          title: 'account',
          ...window,
          parent: `project${n % parents}`,
          budgetLimit: parseAmount(n % 10 === 9 ? String(Math.max(1, Math.floor(each / 5))) : '1000000'),
        },
        deposits: [],
        limits: [{ partition: 'gpu', limit: parseAmount('1000000') }],
      })),
    ],
  };
}

async function measure(
  name: string,
  database: BenchDatabase,
  log: string,
  accounts: number,
  together: boolean,
): Promise<Figure> {
  say(`${name} …`);
  let step = '';
  const begun = performance.now();
  const lines = async function* () {
    yield* createInterface({ input: createReadStream(log, 'utf8'), crlfDelay: Infinity });
  };
  const { size } = await stat(log);
  return replay(
    [proposalFor(accounts, Math.floor(size / 150))],
    lines(),
    {
      url: database.url,
      log: { timeZone: 'UTC', cluster: 'bench' },
      every: 'month',
      signal: new AbortController().signal,
      together,
      onProgress: (progress) => {
        if (progress.step !== step) say(`  ${progress.step} at ${Math.round(performance.now() - begun)} ms`);
        step = progress.step;
      },
    },
    async ({ jobs }, [replayed]) => {
      const seconds = (performance.now() - begun) / 1000;
      say(`  done at ${Math.round(seconds * 1000)} ms`);
      return Promise.resolve({ name, jobs, perSecond: jobs / seconds, denied: replayed?.outcome.denied ?? 0 });
    },
  );
}

async function copyBare({ sql }: BenchDatabase, log: string, jobs: number): Promise<number> {
  await sql.unsafe('create table bare (line text)');
  const begun = performance.now();
  await pipeline(
    createReadStream(log),
    await sql.unsafe("copy bare from stdin (format csv, delimiter E'\\x01', quote E'\\x02')").writable(),
  );
  const perSecond = jobs / ((performance.now() - begun) / 1000);
  await sql.unsafe('drop table bare');
  return perSecond;
}
