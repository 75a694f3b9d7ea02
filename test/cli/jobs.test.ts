/** Checks, holds, jobs, rates, clusters, transactions and the audit on the command line. */
import { eventually } from '../helpers/eventually';
import { disarm } from '../helpers/tampering';
import { startCli, type TestCli } from './helpers/cli';

let cli: TestCli;
beforeAll(async () => {
  cli = await startCli();
  await cli.api.account('lab', 100);
});
afterAll(() => cli.stop());

const JOB = ['--account', 'lab', '--partition', 'cpu', '--cpus', '10', '--time', '01:00:00'];

async function held(...more: string[]): Promise<string> {
  const { json } = await cli.works('check', ...JOB, '--hold', '--json', ...more);
  return (json as { transaction_id: string }).transaction_id;
}

test('a check asks and holds nothing', async () => {
  const before = await cli.api.rowCounts();
  const { out } = await cli.works('check', ...JOB);
  expect(out).toContain('Yes, this job may start.');
  expect(out).toMatch(/Estimated cost: +1\.00 USD\nWould be held: +1\.20 USD/);
  expect(out).toContain('How the estimate was made (asbb-compat)');
  expect(await cli.api.rowCounts()).toEqual(before);
});

test('with --hold the money is held, and the key finds the hold again', async () => {
  const { out } = await cli.works('check', ...JOB, '--hold', '--key', 'job-1');
  expect(out).toContain('Budget check passed');
  const found = await cli.works('hold', 'find', 'job-1');
  expect(found.out).toMatch(/Status: +open\nPlaced: +1\.20 USD/);
  expect(await cli.bursar('hold', 'find', 'no-such-key')).toMatchObject({ code: 4 });
});

test('a denial is the sentence on stderr, and ends with 3', async () => {
  for (const args of [['check'], ['check', '--hold']]) {
    const denied = await cli.bursar(...args, ...JOB, '--nodes', '900');
    expect(denied).toMatchObject({ code: 3, out: '' });
    expect(denied.err).toMatch(/^Insufficient budget: /);
  }
  const json = await cli.bursar('check', '--json', ...JOB, '--nodes', '900');
  expect(json.json).toMatchObject({ available: false, code: 'insufficient_budget' });
  expect(json.code).toBe(3);
});

test('a hold is listed, resized, shown and released', async () => {
  const id = await held();
  expect((await cli.works('hold', 'list', '--account', 'lab', '--status', 'open')).out).toContain(id);
  expect((await cli.works('hold', 'resize', id, '2.5', '--reason', 'longer')).out).toMatch(
    /Placed: +1\.20 USD\nResized: +\+1\.30 USD\nHeld: +2\.50 USD\nCharged: +0\.00 USD\nReleased/,
  );
  expect((await cli.works('hold', 'list', '--account', 'lab')).out).not.toContain('GIVEN BACK');
  expect((await cli.works('hold', 'resize', id, '1.7', '--reason', 'a task is over')).out).toMatch(
    /Resized: +\+0\.50 USD \(0\.80 USD given back\)\nHeld: +1\.70 USD/,
  );
  const list = await cli.works('hold', 'list', '--account', 'lab', '--status', 'open');
  expect(list.out).toMatch(/ CHARGED +GIVEN BACK +RELEASED /);
  expect(list.out).toMatch(new RegExp(`${id} .* 1\\.20 +1\\.70 +0\\.00 +0\\.80 +0\\.00 `));
  expect((await cli.works('hold', 'release', id)).out).toMatch(/Released\.[\s\S]*Released: +1\.70 USD/);
  expect((await cli.works('hold', 'release', id)).out).toMatch(/Status: +released/);
  expect((await cli.works('hold', 'list', '--overdue')).out).toBe('No holds found.\n');
});

test('a job that runs though it was refused is said to, and can be listed', async () => {
  const key = '0123456789abcdef0123456789abcdef';
  const asked = { cluster: 'default', key, job: { user: 'rkaur', account: 'nowhere', partition: 'cpu', min_cpus: 1 } };
  expect((await cli.api.post('/api/v1/slurm/submissions', asked)).body).toMatchObject({ accept: false });
  const event = { type: 'submitted', cluster: 'default', job_id: '640', hold_key: key, at: '2026-03-02T08:00:00Z' };
  await cli.api.post('/api/v1/jobs/events', { events: [event] });
  expect((await cli.works('job', 'show', 'default/640')).out).toMatch(/Came in: +though it was refused: .*nowhere/);
  expect((await cli.works('job', 'list', '--admitted', 'denied')).out).toContain('640');
});

test("a job's story is told in order, with its money and its page in the Temporal UI", async () => {
  const hold = await held();
  const event = (...args: string[]) => cli.works('job', 'event', 'default/501', ...args);
  await event('submitted', '--at', '2026-03-02T08:00:00Z', '--hold', hold);
  await event('started', '--at', '2026-03-02T08:01:00Z', '--tres', 'cpu=10,node=1');
  expect((await cli.works('job', 'show', 'default/501')).out).toMatch(/^default\/501 {2}running/);
  const last = await event('ended', '--at', '2026-03-02T08:31:00Z', '--end-state', 'COMPLETED');
  expect(last.out).toContain('Recorded.');
  expect((await event('ended', '--at', '2026-03-02T08:31:00Z', '--end-state', 'COMPLETED')).out).toContain(
    'Known already',
  );
  await cli.api.ledger.jobs.advance(hold);

  const { out } = await cli.works('job', 'show', 'default/501');
  expect(out).toMatch(/^default\/501 {2}settled/);
  expect(out).toMatch(/Temporal UI: +http:\/\/127\.0\.0\.1:8233\/namespaces\/default\/workflows\/job%2Fdefault%2F/);
  expect(out).toMatch(/00:30:00 +COMPLETED +0\.50 +usage/);
  expect(out).toMatch(/submitted[\s\S]*started[\s\S]*ended[\s\S]*charged/);
  expect((await cli.works('job', 'list', '--state', 'settled')).out).toContain('default/501');
  expect((await cli.works('job', 'list', '--quarantined')).out).toBe('No jobs found.\n');
  expect(await cli.bursar('job', 'show', '501')).toMatchObject({ code: 2 });
  expect(await cli.bursar('job', 'show', 'default/999')).toMatchObject({ code: 4 });
});

test("a story that leaves out a part of its hold's money says so, and where all of it is", async () => {
  const hold = await held('--job-id', '505');
  const resize = (from: number, to: number) => cli.api.sql`
    select ledger.resize_hold(${hold}, 1000000 + n % 2, 'a task', 'local', null, null) from generate_series(${from}::int, ${to}::int) n`;
  await resize(1, 999);
  expect(await cli.works('job', 'show', 'default/505')).toMatchObject({ err: '' });
  await resize(1000, 1000);
  const { out, err } = await cli.works('job', 'show', 'default/505');
  expect(out).not.toMatch(/ held /);
  expect(err.replaceAll('\n', ' ')).toContain(
    `only the newest 1000 transactions are told; \`bursar transactions list --hold ${hold} --all\` lists all`,
  );
  const all = (await cli.works('transactions', 'list', '--hold', hold, '--all', '--json')).json as object[];
  expect(all).toHaveLength(1001);
  await cli.works('hold', 'release', hold);
});

test("a job's story says what was decided, a no in its whole sentence", async () => {
  await held('--job-id', '502');
  expect((await cli.works('job', 'show', 'default/502')).out).toMatch(
    /^default\/502 {2}pending[\s\S]*\nDecision: +Budget check passed\n/,
  );
  const denied = await cli.bursar('check', ...JOB, '--nodes', '900', '--hold', '--job-id', '503');
  const { out } = await cli.works('job', 'show', 'default/503');
  expect(out).toMatch(/^default\/503 {2}denied/);
  expect(out).toContain(`Decision:   ${denied.err.trim()}`);
});

test('a time that the clocks of the cluster showed twice is said to be one, by the command and in the story', async () => {
  const said = /the clocks of America\/Chicago showed 2026-11-01T01:30 twice/;
  const at = ['--at', '2026-11-01T01:30'];
  const hold = await held('--job-id', '504', ...at);
  expect((await cli.works('check', ...JOB, ...at)).out).toMatch(said);
  expect((await cli.works('job', 'event', 'default/504', 'started', ...at, '--hold', hold)).out).toMatch(said);
  const [event] = ((await cli.works('job', 'show', 'default/504', '--json')).json as { events: { at: string }[] })
    .events;
  expect(event?.at).toBe('2026-11-01T06:30:00Z');
  expect((await cli.works('job', 'show', 'default/504')).out).toMatch(said);
});

test('a cost is reported once; another one only as a correction; part of it is refunded', async () => {
  const hold = await held();
  const first = await cli.works('reconcile', '601', '--transaction', hold, '--actual-cost', '0.75');
  expect(first.out).toMatch(/Charged: +0\.75\nGiven back: +0\.45/);
  // One moment, and what came of what within it.
  const story = (await cli.works('job', 'show', 'default/601')).out;
  expect(story).toMatch(/ held [^\n]*\n[^\n]* charged [\s\S]* released /);
  expect((await cli.bursar('reconcile', '601', '--transaction', hold, '--actual-cost', '0.5')).err).toContain(
    '--correction',
  );
  await cli.works('reconcile', '601', '--transaction', hold, '--actual-cost', '0.5', '--correction');

  const charges = (await cli.works('transactions', 'list', '--kind', 'charge', '--hold', hold, '--json')).json;
  const [charge] = charges as { transaction_id: string }[];
  const id = charge?.transaction_id ?? '';
  await cli.works('refund', id, '0.2', '--description', 'half of it was lost');
  expect(await cli.bursar('refund', id, '0.4')).toMatchObject({ code: 3 });
  const shown = await cli.works('transactions', 'show', id);
  expect(shown.out).toMatch(
    /Entries[\s\S]*held +-0\.75[\s\S]*settled +0\.75|Entries[\s\S]*settled +0\.75[\s\S]*held +-0\.75/,
  );
  expect((await cli.works('transactions', 'list', '--kind', 'refund')).out).toContain('half of it was lost');
});

test('a charge is adjusted up or down by who says why, once a key, and never below what was refunded', async () => {
  const hold = await held();
  await cli.works('reconcile', '602', '--transaction', hold, '--actual-cost', '0.75');
  const charges = (await cli.works('transactions', 'list', '--kind', 'charge', '--hold', hold, '--json')).json;
  const id = (charges as { transaction_id: string }[])[0]?.transaction_id ?? '';
  const settled = async () => {
    const { json } = await cli.works('account', 'balance', 'lab', '--json');
    return (json as { settled: number }).settled;
  };
  const before = await settled();

  const less = ['adjust', id, '-0.5', '--description', 'billed at the old rate', '--key', 'ticket-1'];
  expect((await cli.works(...less)).out).toMatch(/Adjusted\.[\s\S]*Description: +billed at the old rate/);
  expect((await cli.works(...less, '--json')).json).toMatchObject({ kind: 'adjustment', amount: -0.5 });
  expect(await settled()).toBeCloseTo(before - 0.5, 6);
  await cli.works('adjust', id, '.25', '--description', 'not metered');
  expect(await settled()).toBeCloseTo(before - 0.25, 6);

  expect(await cli.bursar('adjust', id, '-0.75', '--description', 'too much')).toMatchObject({ code: 3 });
  expect(await cli.bursar('adjust', id, '0', '--description', 'nothing')).toMatchObject({ code: 2 });
  expect(await cli.bursar('adjust', id, '1')).toMatchObject({ code: 2, err: expect.stringContaining('--description') });
  expect(await cli.bursar('adjust', id, '-x', '--description', 'typo')).toMatchObject({ code: 2 });
});

test('clusters, partitions and rates are entered and read back', async () => {
  expect((await cli.works('rates', 'list')).out).toContain('No rates found.');
  await cli.works('cluster', 'create', 'big', '--time-zone', 'America/Chicago');
  await cli.works('cluster', 'set', 'big', '--hold-multiplier', '1.5', '--failure-policy', 'open');
  await cli.works('cluster', 'partition', 'big', 'gpu', '--max-time', '2-00:00:00', '--weight', '1.5');
  expect((await cli.works('cluster', 'show', 'big')).out).toMatch(/Holds: +1\.5 x[\s\S]*gpu +2-00:00:00 +- +1\.5/);
  expect((await cli.works('cluster', 'list')).out).toMatch(/big +America\/Chicago +gpu/);
  await cli.works('cluster', 'partition', 'big', 'gpu', '--remove');

  await cli.works('rates', 'set', 'big', 'cpu', '--price', '0.04', '--from', '2026-01-01', '--source', 'price list');
  const rates = await cli.works('rates', 'list', '--cluster', 'big');
  expect(rates.out).toMatch(/cpu +0\.04 +USD +2026-01-01 00:00:00 +further notice +price list/);
  const no = /^ *(\d+) +big/m.exec(rates.out)?.[1] ?? '';
  expect((await cli.works('rates', 'end', no, '--at', '2098-01-01T00:00:00Z')).out).toContain('2098-01-01 00:00:00');
  expect(await cli.bursar('rates', 'set', 'big', 'cpu')).toMatchObject({ code: 2 });
});

test('the audit proves the books, and names what was changed behind them', async () => {
  expect((await cli.works('audit')).out).toMatch(/^The books balance\.\n/);
  // The sealer stays below what is running, so that it may have to be asked twice.
  await eventually('all is sealed', async () => {
    await cli.api.ledger.audit.seal();
    return (await cli.api.ledger.audit.verify()).unsealed === 0;
  });
  const head = ((await cli.works('audit', 'verify', '--json')).json as { head: string }).head;
  expect((await cli.works('audit', 'verify', '--against', head)).out).toContain('The chain holds');

  const { sql } = cli.api;
  await disarm(sql);
  const [row] = await sql<{ txn_no: bigint }[]>`
    update ledger.transactions set amount_micro = amount_micro + 1
    where txn_no = (select min(txn_no) from ledger.transactions) returning txn_no`;
  const broken = await cli.bursar('audit', 'verify');
  expect(broken.code).toBe(1);
  expect(broken.out).toMatch(new RegExp(`First changed: +number ${row?.txn_no}\\b`));
  await sql`update ledger.transactions set amount_micro = amount_micro - 1 where txn_no = ${row?.txn_no ?? 0n}`;

  await sql`update ledger.account_totals set settled_micro = settled_micro + 1, subtree_settled_micro = subtree_settled_micro + 1`;
  const off = await cli.bursar('audit', 'run');
  expect(off.code).toBe(1);
  expect(off.out).toMatch(/The books do not balance[\s\S]*lab/);
});
