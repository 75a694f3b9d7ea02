/** What the ledger itself cannot read names the field that is wrong, and where no field is, the request as a whole. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from '../../domain/faults';
import { toMicro } from '../../domain/money';
import { functionFiles } from '../../migrations/migrate';
import { PACKAGE_ROOT } from '../../platform/paths';
import { CALLER, END, openMoneyHouse, START, usd, type MoneyHouse } from './money-house';

let house: MoneyHouse;
let charge: string;
let hold: string;

beforeAll(async () => {
  house = await openMoneyHouse();
  await house.account('lab', { budgetLimit: usd('100') });
  await house.account('other');
  ({ transactionId: charge } = await house.charge({ runKey: 'hpc/1', account: 'lab', cost: usd('5') }));
  hold = await house.hold('lab', usd('1'));
});
afterAll(() => house.database.drop());

const BEFORE = '2025-01-01T00:00:00Z';
const AFTER = '2099-06-01T00:00:00Z';
const HUGE = usd('8589934591.999999');
const TOO_MUCH = toMicro(8_589_934_592_000_000n);
const NOTHING = usd('0');
const LESS = usd('-1');

const accounts = () => house.ledger.accounts;
const movements = () => house.ledger.movements;
const deposit = (more: object) => movements().deposit({ account: 'lab', amount: usd('1'), ...more }, CALLER);
const transfer = (more: object) =>
  movements().transfer({ from: 'lab', to: 'other', amount: usd('1'), ...more }, CALLER);
const update = (changes: object) => accounts().update('lab', changes, CALLER);
const setLimit = (more: object) => accounts().setLimit('lab', { partition: 'gpu', limit: usd('1'), ...more }, CALLER);

const met = new Set<string>();

test.each<[string, string, () => Promise<unknown>]>([
  ['an account that would start after its end', '/start_date', () => update({ startsAt: AFTER })],
  ['an account that would end before its start', '/end_date', () => update({ endsAt: BEFORE })],
  [
    'an account made with its ends exchanged',
    '/end_date',
    () => house.account('new', { startsAt: END, endsAt: START }),
  ],
  ['a budget below zero', '/budget_limit', () => update({ budgetLimit: LESS })],
  ['a deposit of nothing', '/amount', () => deposit({ amount: NOTHING })],
  ['a deposit that opens after the account ends', '/opens_at', () => deposit({ opensAt: AFTER })],
  ['a deposit that closes before the account starts', '/closes_at', () => deposit({ closesAt: BEFORE })],
  ['a deposit that closes before it opens', '/closes_at', () => deposit({ opensAt: END, closesAt: START })],
  ['a withdrawal of nothing', '/amount', () => movements().withdraw({ account: 'lab', amount: NOTHING }, CALLER)],
  ['a transfer of nothing', '/amount', () => transfer({ amount: NOTHING })],
  ['a transfer to where it comes from', '/to', () => transfer({ to: 'lab' })],
  ['a transfer that opens after its money ends', '/opens_at', () => transfer({ opensAt: AFTER })],
  ['a transfer that closes before its money opens', '/closes_at', () => transfer({ closesAt: BEFORE })],
  ['a transfer that closes before it opens', '/closes_at', () => transfer({ opensAt: END, closesAt: START })],
  ['a refund of nothing', '/amount', () => movements().refund({ transactionId: charge, amount: NOTHING }, CALLER)],
  ['an adjustment by nothing', '/amount', () => adjust(NOTHING)],
  ['an adjustment beyond the ceiling', '/amount', () => adjust(HUGE)],
  ['a hold of less than nothing', '/amount', () => house.ledger.holds.resize(hold, LESS, 'why', CALLER)],
  ['a limit of nobody and nothing', '/partition', () => accounts().setLimit('lab', { limit: usd('1') }, CALLER)],
  ['a limit below zero', '/limit', () => setLimit({ limit: LESS })],
  ['a limit beyond the ceiling', '/limit', () => setLimit({ limit: TOO_MUCH })],
  ['a limit whose window ends before it starts', '/closes_at', () => setLimit({ opensAt: END, closesAt: START })],
  ['a cost beyond the ceiling', '', () => house.charge({ runKey: 'hpc/2', account: 'lab', cost: TOO_MUCH })],
  ['a cost below zero', '', () => house.charge({ runKey: 'hpc/3', account: 'lab', cost: LESS })],
  ['a head that is no hash', '/against', () => house.ledger.audit.verify('x')],
])('%s: "%s"', async (_what, pointer, ask) => {
  const said: unknown = await ask().catch((error: unknown) => error);
  expect(said).toMatchObject({ code: 'malformed_request', errors: [{ pointer, detail: expect.stringMatching(/\S/) }] });
  if (!(said instanceof Fault)) throw new Error('not a fault');
  expect(said.facts).not.toHaveProperty('pointer');
  met.add(said.message);
});

function adjust(amount: typeof HUGE) {
  return movements().adjust({ transactionId: charge, amount, description: 'why' }, CALLER);
}

test('no sentence of the SQL functions is left that was not met here', () => {
  const sentences = functionFiles().flatMap(({ name }) => {
    const text = readFileSync(join(PACKAGE_ROOT, 'migrations/functions', name), 'utf8');
    return [...text.matchAll(/fail\('malformed_request',\s*'([^']+)'/g)].map(([, sentence]) => sentence);
  });
  expect(sentences.length).toBeGreaterThan(15);
  expect(sentences.filter((sentence) => !met.has(sentence ?? ''))).toEqual([]);
});
