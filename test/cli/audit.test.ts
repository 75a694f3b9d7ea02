/** The proof of the books from the command line, however long it takes. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { eventually } from '../helpers/eventually';
import { runBursar, startCli, type TestCli } from './helpers/cli';

let cli: TestCli;
beforeAll(async () => {
  cli = await startCli({ deadlineMs: 2_000 });
  await cli.api.account('lab', 100);
});
afterAll(() => cli.stop());

/** Nobody reads the table until the API has said so often that a proof goes on, and `then` is done. */
async function untilLate(table: string, times: number, then: () => Promise<unknown> = async () => {}): Promise<void> {
  await cli.api.sql.begin(async (tx) => {
    await tx.unsafe(`lock table ${table} in access exclusive mode`);
    await eventually('the API has answered 202', async () => (await answeredLater()) >= times);
    await then();
  });
}

async function answeredLater(): Promise<number> {
  const text = await cli.api.metrics.scrape();
  const counts = [...text.matchAll(/^bursar_http_requests_total\{.*status="202"\} (\d+)$/gm)].map(([, count]) =>
    Number(count),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

test('is waited for, beyond what a request may take', async () => {
  const before = await answeredLater();
  const [books] = await Promise.all([cli.works('audit'), untilLate('ledger.limits', before + 1)]);
  expect(books.out).toMatch(/^The books balance\.\nAccounts: +1\n/);
  const [, comeBack = ''] = /`bursar (audit show \d+)` tells what came of it\.\nAudit \d+ …\n$/.exec(books.err) ?? [];
  expect((await cli.works(...comeBack.split(' '))).out).toMatch(
    /^Audit: +\d+, of the books\nStatus: +finished\n[^]*Took: .* s\nThe books balance\./,
  );
  const [seals] = await Promise.all([cli.works('audit', 'verify', '--json'), untilLate('ledger.seals', before + 2)]);
  expect(seals.json).toMatchObject({ ok: true });
});

test('is waited for while its server is away for a moment', async () => {
  const audit = { audit_no: 7, kind: 'books', status: 'running', started_at: '2026-11-23T10:00:00Z' };
  const books = { ok: true, difference: '0', findings: [], accounts: 3, transactions: 4, open_holds: 0 };
  const answers: Record<string, [status: number, body: object][]> = {
    '/api/v1/audit': [[202, audit]],
    '/api/v1/audits/7': [
      [503, { code: 'ledger_unavailable', detail: 'The ledger cannot be reached.' }],
      [200, { ...audit, status: 'finished', books }],
    ],
  };
  const server = createServer((request, response) => {
    const address = new URL(request.url ?? '', 'http://server').pathname;
    const [status, body] = answers[address]?.shift() ?? [200, []];
    response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  expect(await runBursar(['audit'], { endpoint })).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^The books balance\.\nAccounts: +3\n/),
  });
  expect(answers['/api/v1/audits/7']).toEqual([]);
  server.close();
});

test('ends with an error where it breaks off', async () => {
  const { sql } = cli.api;
  const breakOff = async () => {
    await sql`
      select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
  };
  const [ended] = await Promise.all([
    cli.bursar('audit'),
    untilLate('ledger.limits', (await answeredLater()) + 1, breakOff),
  ]);
  expect(ended).toMatchObject({ code: 1, out: '' });
  expect(ended.err).toMatch(/Audit \d+ failed: The ledger cannot be reached/);
});

test('all of them are listed, with what they found; one that nobody is heard of is lost', async () => {
  expect((await cli.works('audit', 'list', '--kind', 'seals')).out).toMatch(
    /^AUDIT +OF .*\n\d+ +seals +finished .* s +good\n/,
  );
  const { sql } = cli.api;
  await sql`update ledger.funds set granted_micro = granted_micro + 1`;
  expect((await cli.bursar('audit')).code).toBe(1);
  await sql`update ledger.funds set granted_micro = granted_micro - 1`;
  await sql`insert into ledger.audits (started_at, heard_at) values (now() - interval '2 hours', now() - interval '1 hour')`;
  const listed = (await cli.works('audit', 'list', '--limit', '2')).out;
  expect(listed).toMatch(/\n(\d+) +books +lost .*\n\d+ +books +finished .* s +[1-9] findings?\n/);
  const [, lost = ''] = /\n(\d+) +books +lost/.exec(listed) ?? [];
  expect(await cli.bursar('audit', 'show', lost)).toMatchObject({
    code: 1,
    out: expect.stringMatching(/Status: +lost/),
  });
  expect((await cli.bursar('audit', 'show', '999999')).code).toBe(4);
  expect((await cli.bursar('audit', 'show', 'x')).code).toBe(2);
});
