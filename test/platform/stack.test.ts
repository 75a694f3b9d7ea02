import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { existsSync, readFileSync, statSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { connectPostgres } from '../../platform/postgres';
import { isAlive, type ProcessIdentity } from '../../platform/embedded/processes';
import { connectTemporal } from '../../platform/temporal';
import { findRunningStack, type RunningStack, type StackAddresses } from '../../platform/supervisor';
import { ensureBuilt } from '../helpers/built';
import { databaseUrl, freshDatabase } from '../helpers/database';
import { eventually } from '../helpers/eventually';
import { noteServer, removeScratch, scratchHome } from '../helpers/scratch';
import { temporalAddress } from '../helpers/temporal';

beforeAll(ensureBuilt);

/** A supervisor in a process of its own, and what it said. */
class Supervisor {
  readonly lines: string[] = [];
  readonly exited: Promise<number | null>;
  constructor(private readonly child: ChildProcess) {
    if (child.stdout) createInterface({ input: child.stdout }).on('line', (line) => this.lines.push(line));
    // Not before all that it said is read.
    this.exited = new Promise((resolve) => child.once('close', resolve));
  }
  get pid(): number {
    return this.child.pid ?? 0;
  }
  said(text: string | RegExp): string | undefined {
    return this.lines.find((line) => (typeof text === 'string' ? line.includes(text) : text.test(line)));
  }
  async addresses(): Promise<StackAddresses> {
    const line = await eventually(
      'the stack is up',
      () => {
        const failed = this.said(/^(FAILED|ALREADY)/);
        if (failed) throw new Error(failed);
        return this.said(/^UP /);
      },
      120_000,
    );
    return JSON.parse(line.slice(3)) as StackAddresses;
  }
  async interrupt(): Promise<number | null> {
    this.child.kill('SIGINT');
    return this.exited;
  }
  kill(): Promise<number | null> {
    this.child.kill('SIGKILL');
    return this.exited;
  }
}

let home: string;
let supervisors: Supervisor[];
async function openHome(): Promise<void> {
  home = await scratchHome();
  supervisors = [];
}
async function closeHome(): Promise<void> {
  await Promise.all(supervisors.map((supervisor) => supervisor.interrupt()));
  await removeScratch(home);
}

function up(env: Record<string, string> = {}): Supervisor {
  const child = spawn(process.execPath, [join(__dirname, 'fixtures/stack.js')], {
    env: { ...process.env, BURSAR_HOME: home, BURSAR_PORT: '0', DATABASE_URL: '', TEMPORAL_ADDRESS: '', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const supervisor = new Supervisor(child);
  supervisors.push(supervisor);
  return supervisor;
}

const running = (): RunningStack => {
  const stack = findRunningStack(home);
  if (!stack) throw new Error('no stack runs');
  for (const identity of Object.values(stack.services)) noteServer(home, identity);
  return stack;
};
const service = (name: string): ProcessIdentity => {
  const identity = running().services[name];
  if (!identity) throw new Error(`${name} does not run`);
  return identity;
};

async function ask(url: string, text: string): Promise<unknown> {
  const sql = connectPostgres({ url, poolSize: 1 });
  try {
    const [row] = await sql.unsafe<Record<string, unknown>[]>(text);
    return Object.values(row ?? {})[0];
  } finally {
    await sql.end({ timeout: 1 });
  }
}

async function retentionDaysOf(address: string): Promise<number> {
  const temporal = connectTemporal({ address });
  try {
    const { config } = await temporal.connection.workflowService.describeNamespace({ namespace: 'default' });
    return Number(config?.workflowExecutionRetentionTtl?.seconds ?? 0) / 86_400;
  } finally {
    await temporal.close();
  }
}

describe('one that is up', () => {
  let first: Supervisor;
  let addresses: StackAddresses;
  beforeAll(async () => {
    await openHome();
    first = up();
    addresses = await first.addresses();
  });
  afterAll(closeHome);

  test('passwords and addresses on disk are for their owner only', () => {
    for (const name of ['stack.json', 'postgres-password', 'logs/api.log']) {
      expect(statSync(join(home, name)).mode & 0o077).toBe(0);
    }
    expect(readFileSync(join(home, 'logs/postgres.log'), 'utf8')).not.toContain(
      readFileSync(join(home, 'postgres-password'), 'utf8').trim(),
    );
  });

  test('a second start finds the first, changes nothing, and knows its addresses', async () => {
    const before = running();
    const second = up();
    expect(await second.exited).toBe(1);
    expect(second.said(/^ALREADY/)).toBe(`ALREADY Bursar already runs in ${home} (process ${first.pid})`);
    expect(running()).toEqual(before);
    expect(before.addresses).toEqual(addresses);
  });

  test('whichever child is killed comes back, and that is said', async () => {
    await ask(addresses.database, 'create table kept as select 42 as answer');
    for (const [name, part] of [
      ['api', 'API'],
      ['worker', 'worker'],
      ['temporal', 'Temporal'],
      ['postgres', 'PostgreSQL'],
    ] as const) {
      const before = service(name);
      process.kill(before.pid, 'SIGKILL');
      await eventually(`${name} is back`, () => first.said(`${part} is back after`));
      expect(first.said(`${part} was ended by SIGKILL; starting it again in`)).toBeDefined();
      expect(service(name)).not.toEqual(before);
    }
    expect(await ask(addresses.database, 'select answer from kept')).toBe(42);
    expect((await fetch(addresses.api)).status).toBe(200);
    expect((await fetch(addresses.temporalUi ?? '')).status).toBe(200);
  });
});

describe('one that starts', () => {
  beforeEach(openHome);
  afterEach(closeHome);

  test('it starts everything from nothing, says where, and Ctrl-C leaves nothing running', async () => {
    const first = up();
    const addresses = await first.addresses();
    expect(await (await fetch(addresses.api)).json()).toEqual({
      DATABASE_URL: addresses.database,
      TEMPORAL_ADDRESS: addresses.temporal,
    });
    expect(await ask(addresses.database, 'select count(*)::int from migrations.applied')).toBeGreaterThan(0);
    expect((await fetch(addresses.temporalUi ?? '')).status).toBe(200);
    expect(await retentionDaysOf(addresses.temporal)).toBe(30);
    const { services, alive } = running();
    expect(alive.sort()).toEqual(['api', 'postgres', 'temporal', 'worker']);

    expect(await first.interrupt()).toBe(0);
    expect(Object.values(services).filter(isAlive)).toEqual([]);
    expect(findRunningStack(home)).toBeUndefined();
    expect(existsSync(join(home, `temporal-1.29.1.db`))).toBe(true);
  });

  test('of several starts at the same moment exactly one wins', async () => {
    const all = [up(), up(), up()];
    const ends = await Promise.all(
      all.map(async (each) => {
        await eventually('it decided', () => each.said(/^(UP|ALREADY|FAILED)/), 120_000);
        return each.said(/^(UP|ALREADY|FAILED)/)?.split(' ')[0];
      }),
    );
    expect(ends.sort()).toEqual(['ALREADY', 'ALREADY', 'UP']);
  });

  test('after kill -9 of the supervisor the next start ends what was left, keeps the data and the addresses', async () => {
    const first = up();
    const addresses = await first.addresses();
    await ask(addresses.database, 'create table kept as select 42 as answer');
    const { services } = running();
    await first.kill();
    expect(Object.values(services).every(isAlive)).toBe(true);
    expect(findRunningStack(home)).toBeUndefined();

    const second = up();
    expect(await second.addresses()).toEqual(addresses);
    expect(
      second.said(/an earlier start was killed; ended what it left behind \(API, worker, Temporal, PostgreSQL\)/),
    ).toBeDefined();
    expect(Object.values(services).filter(isAlive)).toEqual([]);
    expect(await ask(addresses.database, 'select answer from kept')).toBe(42);
  });

  test('with DATABASE_URL and TEMPORAL_ADDRESS, those are used and none of its own is started', async () => {
    await using database = await freshDatabase();
    const temporal = await temporalAddress();
    const supervisor = up({ DATABASE_URL: database.url, TEMPORAL_ADDRESS: temporal });
    const addresses = await supervisor.addresses();
    expect(addresses).toMatchObject({ database: database.url, temporal });
    expect(await (await fetch(addresses.api)).json()).toEqual({
      DATABASE_URL: database.url,
      TEMPORAL_ADDRESS: temporal,
    });
    expect(Object.keys(running().services).sort()).toEqual(['api', 'worker']);
    const said = supervisor.lines.filter((line) => !line.startsWith('UP ')).join('\n');
    expect(said).toContain('PostgreSQL: yours, postgres://');
    expect(said).not.toContain(`:${new URL(database.url).password || 'no password at all'}@`);
  });

  test('where HTTPS is spoken it says so, and a certificate that was named from here is found by the API', async () => {
    await using database = await freshDatabase();
    const tls = {
      BURSAR_SERVICE_TLS_ENABLED: 'true',
      ASBB_SERVICE_TLS_CERT_FILE: 'tls/cert.pem',
      BURSAR_SERVICE_TLS_KEY_FILE: '/etc/key.pem',
    };
    const servers = { DATABASE_URL: database.url, TEMPORAL_ADDRESS: await temporalAddress() };
    const { api, docs } = await up({ ...servers, ...tls }).addresses();
    expect(api).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
    expect(docs).toBe(`${api}/docs`);
    // The one that stands in for the API speaks no TLS.
    const answer: unknown = await (await fetch(api.replace('https', 'http'))).json();
    expect(answer).toMatchObject({ certFile: join(process.cwd(), 'tls/cert.pem') });
  });

  test('a database that cannot be used is said without its password, and nothing is left running', async () => {
    const url = Object.assign(new URL(databaseUrl('no_such_database')), { password: 'hunter2' }).toString();
    const supervisor = up({ DATABASE_URL: url, TEMPORAL_ADDRESS: await temporalAddress() });
    expect(await supervisor.exited).toBe(1);
    const said = supervisor.lines.join('\n');
    expect(said).toMatch(/FAILED the database .*no_such_database cannot be used/);
    expect(said).not.toContain('hunter2');
    expect(existsSync(join(home, 'stack.json'))).toBe(false);
  });

  test('a port that is taken is named, with what to do', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo; // It listens on a port, not on a pipe.
    const supervisor = up({ BURSAR_PORT: String(port) });
    expect(await supervisor.exited).toBe(1);
    expect(supervisor.said(`port ${port} is taken by another program. Set BURSAR_PORT to a free one`)).toBeDefined();
    other.close();
  });
});
