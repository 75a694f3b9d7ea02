/** Accounts and money on the command line. */
import { startCli, type TestCli } from './helpers/cli';

let cli: TestCli;
beforeAll(async () => {
  cli = await startCli();
});
afterAll(() => cli.stop());

const YEAR = ['--start', '2026-01-01', '--end', '2098-12-31', '--time-zone', 'Europe/Berlin'];

test('without accounts, the list says how to make one', async () => {
  const { out } = await cli.works('account', 'list');
  expect(out).toContain('No budget accounts found.');
  expect(out).toContain('bursar account create');
});

test('an account is made as asbb does it, its last day included, its days in its own zone', async () => {
  const made = await cli.works(
    'account',
    'create',
    '--account',
    'climate',
    '--name',
    'Climate ML',
    '--budget',
    '1000',
    ...YEAR,
  );
  expect(made.out).toContain('Budget account created.');
  expect(made.out).toMatch(/Period: +2026-01-01 to 2098-12-31 \(Europe\/Berlin\)/);
  const shown = (await cli.works('account', 'show', 'climate', '--json')).json;
  expect(shown).toMatchObject({
    slurm_account: 'climate',
    budget_limit: 1000,
    start_date: '2025-12-31T23:00:00Z',
    end_date: '2098-12-31T23:00:00Z',
  });
});

test('an amount reaches the ledger as it was typed, and what a double could not carry is shown exactly', async () => {
  await cli.works('account', 'create', 'exact', '--name', 'Exact', ...YEAR);
  await cli.works('deposit', 'exact', '8589934590.000001');
  await cli.works('deposit', 'exact', '0.100001');
  const { out } = await cli.works('account', 'balance', 'exact');
  expect(out).toMatch(/Available +8,589,934,590\.100002/);
});

test('a deposit with dates is a fund of its own, from the first day to the end of the last', async () => {
  await cli.works('account', 'create', 'dated', '--name', 'Dated', '--budget', '10', ...YEAR);
  const made = await cli.works(
    'deposit',
    'dated',
    '500',
    '--opens',
    '2026-02-01',
    '--closes',
    '2097-06-30',
    '--label',
    'year 2',
  );
  expect(made.out).toMatch(/Deposited\.\nTransaction: +txn_\w{26}\nAccount: +dated\nAmount: +500\.00 USD/);
  const funds = await cli.works('account', 'funds', 'dated');
  expect(funds.out).toMatch(/2026-02-01 to 2097-06-30 +500\.00/);
});

test('the same key moves the money once', async () => {
  await cli.works('account', 'create', 'once', '--name', 'Once', ...YEAR);
  const first = await cli.works('deposit', 'once', '5', '--key', 'invoice-1', '--json');
  const again = await cli.works('deposit', 'once', '5', '--key', 'invoice-1', '--json');
  expect(again.json).toEqual(first.json);
  const other = await cli.bursar('deposit', 'once', '6', '--key', 'invoice-1');
  expect(other.code).toBe(1);
  expect(other.err).toContain('Leave --key out to let the command make a new one.');
  expect((await cli.works('account', 'balance', 'once', '--json')).json).toMatchObject({ available: 5 });
});

test('money is withdrawn and transferred, and what is not there is denied', async () => {
  await cli.works('account', 'create', 'giver', '--name', 'Giver', '--budget', '100', ...YEAR);
  await cli.works('account', 'create', 'taker', '--name', 'Taker', ...YEAR);
  await cli.works('withdraw', 'giver', '10.5');
  await cli.works('transfer', 'giver', 'taker', '20.25');
  expect((await cli.works('account', 'balance', 'giver', '--json')).json).toMatchObject({ available: 69.25 });
  expect((await cli.works('account', 'balance', 'taker', '--json')).json).toMatchObject({ available: 20.25 });
  expect((await cli.bursar('withdraw', 'giver', '1000')).code).toBe(3);
});

test('a cap is set, listed and taken away', async () => {
  await cli.works('account', 'create', 'capped', '--name', 'Capped', '--budget', '100', ...YEAR);
  expect((await cli.works('account', 'limits', 'capped')).out).toContain('capped has no caps.');
  await cli.works('account', 'set-limit', 'capped', '--partition', 'gpu', '--limit', '30');
  await cli.works('account', 'set-limit', 'capped', '--user', '*', '--limit', '5');
  const { out } = await cli.works('account', 'limits', 'capped');
  expect(out).toMatch(/gpu +all together +30\.00/);
  expect(out).toMatch(/any +each user +5\.00/);
  await cli.works('account', 'set-limit', 'capped', '--partition', 'gpu', '--remove');
  expect((await cli.works('account', 'limits', 'capped')).out).not.toContain('gpu');
  expect((await cli.bursar('account', 'set-limit', 'capped', '--partition', 'cpu')).code).toBe(2);
});

test('policy, update, archive and back again', async () => {
  await cli.works('account', 'create', 'lab', '--name', 'Lab', '--budget', '100', ...YEAR);
  const policy = await cli.works(
    'account',
    'policy',
    'lab',
    '--on-exhaustion',
    'overdraft',
    '--overdraft-limit',
    '7.5',
  );
  expect(policy.out).toMatch(/When the money is out: +overdraft up to 7\.50 USD/);
  await cli.works('account', 'update', 'lab', '--budget', '150', '--end', '2098-03-31');
  expect((await cli.works('account', 'show', 'lab')).out).toMatch(/to 2098-03-31[\s\S]*Limit: +150\.00/);
  expect((await cli.bursar('account', 'update', 'lab')).code).toBe(2);
  await cli.works('account', 'delete', 'lab');
  expect((await cli.works('account', 'list')).out).not.toMatch(/^lab /m);
  expect((await cli.works('account', 'list', '--archived')).out).toMatch(/^lab .*archived/m);
  await cli.works('account', 'unarchive', 'lab');
  expect((await cli.works('account', 'list')).out).toMatch(/^lab .*active/m);
});

test('a statement begins with the opening balance and ends with the closing one', async () => {
  await cli.works('account', 'create', 'told', '--name', 'Told', ...YEAR);
  await cli.works('deposit', 'told', '12.5', '--description', 'first money');
  const { out } = await cli.works('account', 'statement', 'told');
  expect(out).toMatch(/opening[\s\S]*deposit[\s\S]*12\.50[\s\S]*closing/);
  const backwards = await cli.bursar('account', 'statement', 'told', '--from', '2026-02-01', '--to', '2026-01-01');
  expect(backwards).toMatchObject({ code: 2, err: expect.stringContaining('--to must not lie before --from') });
});

test('a terminal gets what fits, a pipe gets everything', async () => {
  const title = 'A title that is far longer than any terminal that anybody has ever wished to have';
  await cli.works('account', 'create', 'wide', '--name', title, ...YEAR);
  const narrow = (await cli.inTerminal(72, 'account', 'list', '--no-color')).out.split('\n');
  expect(Math.max(...narrow.map((line) => line.length))).toBeLessThanOrEqual(72);
  expect((await cli.works('account', 'list')).out).toContain(title);
});

test('a list says when there is more, and --all shows it', async () => {
  const few = await cli.works('account', 'list', '--limit', '2');
  expect(few.out.trim().split('\n')).toHaveLength(3);
  expect(few.err).toContain('--all shows everything');
  const all = await cli.works('account', 'list', '--all', '--json');
  expect((all.json as unknown[]).length).toBeGreaterThan(5);
  expect(all.err).toBe('');
});
