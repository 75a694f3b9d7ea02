/** `bursar import sacct` and `bursar replay`, where PostgreSQL or the person at the terminal ends them in the middle. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../platform/paths';
import { ensureBuilt } from '../helpers/built';
import { eventually } from '../helpers/eventually';
import { scratchFolder } from '../helpers/scratch';
import { openJobsHouse, type JobsHouse } from '../ledger/jobs-house';

const ROWS = 60_000;
const HEADER = 'JobID|Partition|Account|User|Submit|Start|End|State|AllocTRES|NodeList';
const log = (rows = ROWS): string => {
  const file = join(scratchFolder(), 'large.log');
  const rest = `cpu=8,mem=16G,node=2|${'n'.repeat(180)}`;
  const row = (id: number) =>
    `${id}|batch|physics|rkaur|2026-03-02T11:00:00|2026-03-02T12:00:00|2026-03-02T13:00:00|COMPLETED|${rest}`;
  writeFileSync(file, [HEADER, ...Array.from({ length: rows }, (_, n) => row(n + 1)), ''].join('\n'));
  return file;
};

const proposal = (): string => {
  const file = join(scratchFolder(), 'budgets.yaml');
  const rates = '[{ resource: cpu, price: 1 }]';
  writeFileSync(
    file,
    `clusters: { hpc: { time_zone: UTC, rates: ${rates} } }\naccounts: { physics: { budget: 1000 } }\n`,
  );
  return file;
};

function bursar(...args: string[]) {
  const child = spawn(process.execPath, [join(PACKAGE_ROOT, 'bin/bursar.js'), ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let err = '';
  child.stderr.setEncoding('utf8').on('data', (some: string) => (err += some));
  const ended = once(child, 'close').then(([code]) => ({ code: Number(code), err }));
  return { child, ended, says: (words: RegExp) => eventually(String(words), () => words.test(err)) };
}

/** In the midst of its decisions, with the name of its database, which its other connection has said last. */
async function midReplay({ sql, url }: JobsHouse) {
  ensureBuilt();
  const command = bursar('replay', '--proposal', proposal(), log(20_000), '--database-url', url);
  await command.says(/^replaying …$/m);
  const [row] = await sql<{ name: string }[]>`
    select substring(query from 'bursar_replay_[0-9a-f]+') as name from pg_stat_activity
    where datname = current_database() and application_name = 'bursar-replay'`;
  const isThere = async () => (await sql`select from pg_database where datname = ${row?.name ?? ''}`).length === 1;
  expect(await isThere()).toBe(true);
  return { ...command, name: row?.name ?? '', isThere };
}

test('connections that are lost in the middle end an import with 5 and a sentence, and the next one goes on', async () => {
  ensureBuilt();
  await using house = await openJobsHouse();
  const { sql } = house;
  const file = log();
  const command = ['import', 'sacct', file, '--cluster', 'hpc', '--database-url', house.url, '--apply'];
  const { ended } = bursar(...command);
  await eventually('the first chunk is kept', async () => (await sql`select from ledger.imported_chunks`).length > 0);
  await sql`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and application_name = 'bursar-database'`;
  const { code, err } = await ended;
  expect(err).toMatch(/The database .* was lost while it was worked on: .*\n.*run the same again/);
  expect(err).not.toMatch(/node_modules|TypeError/);
  expect(code).toBe(5);
  expect(await bursar(...command).ended).toMatchObject({ code: 0 });
  const [kept] = await sql<{ runs: bigint }[]>`select count(*) as runs from ledger.imported_runs`;
  expect(kept?.runs).toBe(BigInt(ROWS));
});

test('an import while another is at work is a conflict, not a database that cannot be reached', async () => {
  ensureBuilt();
  await using house = await openJobsHouse();
  const other = await house.sql.reserve();
  await other`select pg_advisory_lock(7205190012)`;
  const { code, err } = await bursar('import', 'sacct', log(), '--cluster', 'hpc', '--database-url', house.url).ended;
  other.release();
  expect(err).toContain('Another import is at work on this database; wait for its end.');
  expect(code).toBe(1);
});

test.each(['SIGINT', 'SIGTERM'] as const)(
  'a replay that is ended by %s takes its database with it, and ends with 130',
  async (signal) => {
    await using house = await openJobsHouse();
    const { child, ended, isThere } = await midReplay(house);
    child.kill(signal);
    expect(await ended).toMatchObject({ code: 130 });
    expect(await isThere()).toBe(false);
  },
);

test('a replay that loses its connections ends with 5 and a sentence', async () => {
  await using house = await openJobsHouse();
  const { ended, name } = await midReplay(house);
  await house.sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${name}`;
  const { code, err } = await ended;
  expect(err).toMatch(/The database .* was lost while it was worked on: /);
  expect(err).not.toMatch(/node_modules|TypeError/);
  expect(code).toBe(5);
});
