/** --csv: what a spreadsheet or a script gets. */
import { z } from 'zod';
import * as account from '../../api/schemas/account';
import * as asbx from '../../api/schemas/asbx';
import * as audit from '../../api/schemas/audit';
import * as budget from '../../api/schemas/budget';
import * as catalog from '../../api/schemas/catalog';
import * as hold from '../../api/schemas/hold';
import * as job from '../../api/schemas/job';
import * as key from '../../api/schemas/key';
import * as movement from '../../api/schemas/movement';
import * as slurm from '../../api/schemas/slurm';
import * as slurmQueue from '../../api/schemas/slurm-queue';
import * as refund from '../../api/schemas/refund';
import * as system from '../../api/schemas/system';
import * as usage from '../../api/schemas/usage';
import * as unmatched from '../../api/schemas/unmatched';
import { csvOf } from '../../cli/csv';
import { FIELDS } from '../../cli/fields';
import { startCli, type TestCli } from './helpers/cli';

let cli: TestCli;
beforeAll(async () => {
  cli = await startCli();
});
afterAll(() => cli.stop());

/** RFC 4180, as strictly as it is written: lines end with CRLF, a quote inside quotes is doubled. */
function readCsv(text: string): Record<string, string>[] {
  if (!text.endsWith('\r\n')) throw new Error('the last line does not end');
  const lines: string[][] = [];
  let rest = text;
  for (let line: string[] = []; rest !== '';) {
    const match = /^(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/.exec(rest);
    if (!match) throw new Error(`no CSV: ${rest.slice(0, 80)}`);
    line.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? '');
    rest = rest.slice(match[0].length);
    if (match[3] === ',') continue;
    lines.push(line);
    line = [];
  }
  const [heading = [], ...rows] = lines;
  for (const row of rows) expect(row).toHaveLength(heading.length);
  return rows.map((row) => Object.fromEntries(heading.map((name, index) => [name, row[index] ?? ''])));
}

const headingOf = (text: string): string => text.split('\r\n')[0] ?? '';

/** The fields of a schema, those of the objects inside it by their way. */
const fieldsOf = (schema: z.ZodObject): string[] =>
  Object.entries(schema.shape).flatMap(([name, field]) => {
    const inner = field instanceof z.ZodOptional ? field.unwrap() : field;
    return inner instanceof z.ZodObject ? fieldsOf(inner).map((below) => `${name}.${below}`) : [name];
  });

const statementLine = account.StatementAnswer.shape.lines.element;
const receipt = job.JobEventsAnswer.shape.receipts.element;

test.each([
  ['account', account.AccountAnswer],
  ['policy', account.PolicyAnswer],
  ['fund', account.FundAnswer],
  ['limit', account.LimitAnswer],
  ['balance', account.BalanceAnswer],
  ['statementLine', statementLine],
  ['decision', budget.BudgetDecision],
  ['reconciliation', budget.ReconcileAnswer],
  ['cluster', catalog.ClusterAnswer],
  ['partition', catalog.PartitionAnswer],
  ['rate', catalog.RateAnswer],
  ['hold', hold.HoldAnswer],
  ['job', job.JobAnswer],
  ['story', job.JobStoryAnswer.omit({ decision: true, hold: true })],
  ['receipt', receipt],
  ['transaction', movement.TransactionAnswer],
  ['refund', refund.RefundAnswer],
  ['key', key.ApiKeyAnswer],
  ['createdKey', key.CreatedKeyAnswer],
  ['change', key.ChangeAnswer],
  ['audit', audit.AuditAnswer],
  ['books', audit.BooksAnswer],
  ['seals', audit.SealAnswer],
  ['recovery', system.RecoverAnswer],
  ['slurmLook', slurmQueue.SlurmLookAnswer],
  ['look', slurmQueue.SchedulerLookAnswer],
  ['usage', usage.UsageAnswer.omit({ breakdown: true, next_cursor: true, forecast: true })],
  ['usageRow', usage.UsageAnswer.shape.breakdown.unwrap().element],
  ['refusal', slurm.RefusalReportAnswer.shape.denials.element],
  ['forecast', usage.ForecastAnswer],
  ['health', system.HealthAnswer],
  ['unmatched', unmatched.UnmatchedAnswer],
  ['unmatchedDetails', unmatched.UnmatchedDetailsAnswer],
  ['asbx', asbx.AsbxReconcileAnswer],
  ['asbxStatus', asbx.AsbxStatusAnswer],
] as const)('the columns of a %s are the fields that the API has', (name, schema) => {
  expect([...FIELDS[name]].sort()).toEqual(fieldsOf(schema).sort());
});

test('every kind of record has such a test, but for the services beside Bursar and the files of a spool, which no API answers', () => {
  expect(Object.keys(FIELDS)).toHaveLength(37);
});

const LISTS = [
  ['account', 'list'],
  ['cluster', 'list'],
  ['hold', 'list'],
  ['job', 'list'],
  ['transactions', 'list'],
  ['rates', 'list'],
  ['key', 'list'],
  ['changes'],
  ['refunds', 'list'],
  ['account', 'funds', 'lab'],
  ['account', 'limits', 'lab'],
];

test('an empty list is its heading, and a full one has the same', async () => {
  await cli.api.account('lab', 100);
  const empty = new Map<string, string>();
  for (const args of LISTS) {
    const { out } = await cli.works(...args, '--offset', '900', '--csv');
    expect(readCsv(out)).toEqual([]);
    empty.set(args.join(' '), headingOf(out));
  }
  await cli.works('check', '--account', 'lab', '--partition', 'cpu', '--time', '60', '--hold', '--job-id', '71');
  await cli.works('job', 'event', 'default/71', 'started');
  await cli.works('rates', 'set', 'default', 'gpu', '--price', '0.04', '--partition', 'gpu');
  await cli.works('reconcile', '71', '--actual-cost', '2');
  const { out: charges } = await cli.works('transactions', 'list', '--kind', 'charge', '--csv');
  await cli.works('refund', readCsv(charges)[0]?.transaction_id ?? '', '1');
  await cli.works('account', 'set-limit', 'lab', '--partition', 'gpu', '--limit', '30');
  for (const args of LISTS) {
    const { out } = await cli.works(...args, '--csv');
    expect(headingOf(out)).toBe(empty.get(args.join(' ')));
    if (args[0] !== 'key') expect(readCsv(out).length).toBeGreaterThan(0);
  }
});

test('every table with times names their zone', async () => {
  const tables = [...LISTS, ['account', 'show', 'lab'], ['account', 'statement', 'lab'], ['job', 'show', 'default/71']];
  for (const args of tables) {
    const { out } = await cli.works(...args);
    if (/\d\d:\d\d:\d\d/.test(out)) expect(out).toMatch(/\(?\b(UTC|[A-Z][a-z]+\/[A-Z]\w+)\b/);
  }
});

test('amounts and times are those of the API: plain numerals, UTC by RFC 3339', async () => {
  await cli.api.account('exact', 0);
  await cli.works('deposit', 'exact', '1234567.000001');
  const [row] = readCsv((await cli.works('account', 'list', '--csv')).out).filter(
    ({ slurm_account: name }) => name === 'exact',
  );
  expect(row).toMatchObject({ budget_limit: '1234567.000001', budget_held: '0', parent: '', unit: 'USD' });
  expect(row?.created_at).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  await cli.works('withdraw', 'exact', '0.5');
  const statement = readCsv((await cli.works('account', 'statement', 'exact', '--csv')).out);
  expect(statement.map(({ kind, granted }) => [kind, granted])).toEqual([
    ['opening', '0'],
    ['deposit', '1234567.000001'],
    ['withdrawal', '-0.5'],
    ['closing', '1234566.500001'],
  ]);
});

test('what others wrote is no formula in a spreadsheet, and comes back whole', async () => {
  const texts = ['=HYPERLINK("http://evil")', '+1+1', '@SUM(A1)', '-2+3', 'two\nlines, and a "quote"'];
  await cli.api.account('named');
  for (const text of texts) await cli.api.post('/api/v1/accounts/named/deposits', { amount: 1, description: text });
  const { out } = await cli.works('transactions', 'list', '--account', 'named', '--csv');
  const shown = readCsv(out).map(({ description }) => description);
  expect(shown.reverse().slice(-5)).toEqual([...texts.slice(0, 4).map((text) => `'${text}`), texts[4]]);
  expect(csvOf(['amount', 'difference'], [{ amount: -5, difference: '-0.000001' }])).toBe(
    'amount,difference\r\n-5,-0.000001\r\n',
  );
});

/** Where nothing is: no port of this machine is asked that somebody else may have. */
const NOWHERE = 'http://127.0.0.1:1';
const ECOSYSTEM = ['ecosystem', 'status', '--advisor', NOWHERE, '--asbx', NOWHERE, '--asba', NOWHERE];

test('a record is one row; what is a list inside it is JSON', async () => {
  const [balance] = readCsv((await cli.works('account', 'balance', 'lab', '--csv')).out);
  expect(JSON.parse(balance?.funds ?? '')).toEqual([expect.objectContaining({ source: 'base' })]);
  for (const args of [['status'], ['version'], ['audit'], ['account', 'show', 'lab'], ['config', 'show'], ECOSYSTEM]) {
    const rows = readCsv((await cli.works(...args, '--csv')).out);
    expect(rows.length).toBeGreaterThan(0);
  }
  const job = ['--account', 'lab', '--partition', 'cpu', '--cpus', '9000', '--time', '60'];
  const denied = await cli.bursar('check', ...job, '--csv');
  expect(readCsv(denied.out)).toEqual([expect.objectContaining({ available: 'false', code: 'unpriced' })]);
  expect(denied.code).toBe(3);
});

test('it is CSV or JSON', async () => {
  expect(await cli.bursar('account', 'list', '--csv', '--json')).toMatchObject({ code: 2, out: '' });
});

test('every list is paged with the same words, and says when there is more', async () => {
  for (const args of [...LISTS, ['rates', 'list', '--cluster', 'default']]) {
    expect(await cli.bursar(...args, '--offset', 'x')).toMatchObject({ code: 2 });
    await cli.works(...args, '--all');
  }
  for (const [n] of Array.from({ length: 4 }).entries()) await cli.api.account(`page-${n}`);
  const page = await cli.works('account', 'list', '--limit', '2', '--offset', '1', '--csv');
  expect(readCsv(page.out).map(({ slurm_account: name }) => name)).toEqual(['page-2', 'page-1']);
  expect(page.err).toContain('Only 2 to 3 are shown');
  await cli.works('deposit', 'lab', '1', '--closes', '2097-01-01');
  const funds = await cli.works('account', 'funds', 'lab', '--limit', '1');
  expect(funds.err).toContain('Only the first 1 are shown');
  expect((await cli.works('cluster', 'list', '--offset', '5')).out).toBe('No more than 5.\n');
});
