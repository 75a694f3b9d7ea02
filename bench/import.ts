/**
 * How fast does an ASBB database come over? A million of its transactions, read, understood and booked, beside a bare COPY of the
 * same rows into a table without any index: from the same source, into the same PostgreSQL, one after the other in each round. The
 * bare COPY hands each row on as the driver gives it; what it does when it gathers them first, as the import does, is shown beside it.
 * Then a log of Slurm's accounting, the same way (import-sacct.ts).
 */
import type { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import postgres from 'postgres';
import { withAsbbImport } from '../ledger/imports/asbb';
import { gatherRows } from '../ledger/imports/gather-rows';
import { copyOut } from '../platform/copy-out';
import type { Sql } from '../platform/postgres';
import { ASBB_TABLES } from './asbb-tables';
import { expectBooksToBalance, openCluster } from './house';
import { sacctRounds } from './import-sacct';
import { conclude, count, machine, median, medianRatio, table, type Mark, type Options } from './report';
import { say, withStack, type BenchDatabase } from './stack';

/** Rows of ASBB's a second. */
interface Round {
  copied: number;
  gathered: number;
  read: number;
  booked: number;
  imported: number;
}

export const importBench = (options: Options): Promise<boolean> =>
  withStack(async (stack) => {
    const on = machine(stack.postgresVersion);
    const { rounds, jobs, accounts } = options.quick
      ? { rounds: 1, jobs: 20_000, accounts: 50 }
      : { rounds: 3, jobs: 340_000, accounts: 500 };
    const asbb = await stack.database('asbb');
    const rows = await fillAsbb(asbb, jobs, accounts);
    say(`ASBB has ${count(rows)} transactions of ${count(accounts)} accounts`);

    const figures: Round[] = [];
    for (let round = 1; round <= rounds; round++) {
      say(`round ${round} of ${rounds} …`);
      const target = await stack.database(`round_${round}`);
      await openCluster(target);
      // Who goes first changes from round to round: the second finds what the first has left to be written.
      const copyFirst = round % 2 === 1;
      const copied = copyFirst ? await copyBare(asbb, target) : 0;
      const { read, booked } = await importAll(asbb, target);
      const copiedLater = copyFirst ? copied : await copyBare(asbb, target);
      const gathered = await copyBare(
        asbb,
        target,
        gatherRows(() => undefined),
      );
      await expectBooksToBalance(target);
      const perSecond = (ms: number) => (rows / ms) * 1000;
      figures.push({
        copied: perSecond(copiedLater),
        gathered: perSecond(gathered),
        read: perSecond(read),
        booked: perSecond(booked),
        imported: perSecond(read + booked),
      });
      await target.sql.unsafe('drop schema ledger cascade; drop table bare');
    }

    const of = (pick: (round: Round) => number) => count(median(figures.map(pick)));
    process.stdout.write(
      `${table(
        ['rows of ASBB', 'per second'],
        [
          ['bare COPY', of(({ copied }) => copied)],
          ['bare COPY, its rows gathered', of(({ gathered }) => gathered)],
          ['import', of(({ imported }) => imported)],
          ['of it: read, understood and written', of(({ read }) => read)],
          ['of it: the indexes', of(({ booked }) => booked)],
        ],
      )}\n`,
    );
    const marks: Mark[] = [
      {
        name: 'import: rows a second / bare COPY of them',
        ratio: medianRatio(
          figures.map(({ imported }) => imported),
          figures.map(({ copied }) => copied),
        ),
        bound: 0.2,
        is: 'least',
      },
    ];
    const sacct = await sacctRounds(stack, options);
    return conclude('import', on, [...marks, ...sacct.marks], { asbb: figures, sacct: sacct.figures }, options);
  });

/** Jobs that were held, charged and refunded; a few that never were. */
async function fillAsbb({ sql }: BenchDatabase, jobs: number, accounts: number): Promise<number> {
  await sql.unsafe(ASBB_TABLES);
  await sql.unsafe(`
    drop schema ledger cascade;
    drop schema migrations cascade;
    alter table budget_transactions disable trigger user;
    insert into budget_accounts (slurm_account, name, budget_limit, start_date, end_date)
    select 'account' || n, 'Account', 100000000, '2024-01-01', '2099-01-01' from generate_series(1, ${accounts}) n;
    insert into budget_transactions (transaction_id, account_id, job_id, type, amount, description, status, created_at)
    select format('txn_%s_%s', 1735689600000000000 + n::bigint * 1000000 + part.no, part.no), 1 + n % ${accounts},
      case when part.no > 1 then (n)::text end, part.type, part.amount, part.words, 'completed',
      timestamptz '2025-01-01' + n * interval '20 seconds' + part.later
    from generate_series(1, ${jobs}) n
    cross join lateral (values
      (1, 'hold', 20 + n % 977, 'Budget hold for job submission', interval '0'),
      (2, 'charge', 10 + n % 877, format('Actual cost for job %s', n), interval '3 hours'),
      (3, 'refund', 10 + n % 977 - n % 877, format('Refund for job %s', n), interval '3 hours')) as part (no, type, amount, words, later)
    where part.amount > 0 and (part.no = 1 or n % 200 <> 0)
    order by timestamptz '2025-01-01' + n * interval '20 seconds' + part.later, n, part.no`);
  await sql`vacuum analyze`;
  const [row] = await sql<{ count: number }[]>`select count(*)::int as count from budget_transactions`;
  return row?.count ?? 0;
}

/** By the driver as it comes, on connections of its own. */
async function copyBare(asbb: BenchDatabase, target: BenchDatabase, ...between: Transform[]): Promise<number> {
  await target.sql.unsafe(`
    create table if not exists bare (
      id bigint, transaction_id varchar(128), account_id bigint, job_id varchar(128), type varchar(32), amount decimal(12,2),
      description text, metadata jsonb, status varchar(32), parent_transaction_id varchar(128), created_at timestamptz,
      completed_at timestamptz)`);
  const [out, into] = [asbb, target].map(({ url }) => postgres(url, { max: 1 })) as [postgres.Sql, postgres.Sql];
  try {
    await Promise.all([out`select 1`, into`select 1`]);
    const begun = performance.now();
    const from = await copyOut(out as unknown as Sql, 'copy budget_transactions to stdout');
    await pipeline([from, ...between, await into.unsafe('copy bare from stdin').writable()]);
    return performance.now() - begun;
  } finally {
    await Promise.all([out.end(), into.end()]);
  }
}

async function importAll(asbb: BenchDatabase, { sql }: BenchDatabase): Promise<{ read: number; booked: number }> {
  const settings = { unit: 'USD', cluster: 'default', correct: false, apply: true };
  const begun = performance.now();
  let [readAt, told] = [0, ''];
  await withAsbbImport(
    { sql, source: asbb.sql },
    settings,
    ({ step }) => {
      if (step !== told) say(`  ${step} at ${Math.round(performance.now() - begun)} ms`);
      told = step;
    },
    async ({ plan, apply }) => {
      readAt = performance.now();
      if (plan.problems.length > 0) throw new Error(JSON.stringify(plan.problems[0]));
      await apply();
    },
  );
  return { read: readAt - begun, booked: performance.now() - readAt };
}
