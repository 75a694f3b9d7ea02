/** What ASBB's transactions were, rule by rule. */
import { readAsbb, standingOf, type AsbbTransaction } from '../../domain/asbb-readings';
import { parseAmount, renderAmount } from '../../domain/money';

const MINUTE = 60_000_000;
const DAY = 1440 * MINUTE;
const CLOCK = { now: 100 * DAY, timeout: DAY };

/** `hold 10 @5 #job <parent !failed`: on day 5; the ids are 1, 2, 3 in their order. */
const transaction = (line: string, index: number): AsbbTransaction => {
  const [type = '', amount = '', ...rest] = line.split(' ');
  const after = (mark: string) => rest.find((word) => word.startsWith(mark))?.slice(1);
  const status = after('!') ?? 'completed';
  const parent = after('<');
  return {
    ...{ id: index + 1, transactionId: `txn_${index + 1}`, type, status, isCompleted: status === 'completed' },
    ...{ amount: parseAmount(amount), hasAmount: true, at: Math.round(Number(after('@') ?? '1') * DAY) },
    ...{ jobId: after('#'), description: '', metadata: undefined, parentId: parent && `txn_${parent}` },
    ...{ partition: undefined, user: undefined },
  };
};

/** Each as `role hold/charge/release applied`, with the ids of what it belongs to. */
const read = (...lines: string[]) =>
  readAsbb(lines.map(transaction), CLOCK).map(({ role, hold, charge, release, how, repeats, follows, applied }) =>
    [
      role,
      hold && `hold:${hold.id}`,
      charge && `charge:${charge.id}`,
      release && `release:${release.id}`,
      how,
      repeats && `repeats:${repeats.id}`,
      follows && `follows:${follows.id}`,
      renderAmount(applied),
    ]
      .filter(Boolean)
      .join(' '),
  );

test('a charge and the refund behind it belong to the hold of their sum', () => {
  expect(read('hold 10 @1', 'charge 7 @2 #a', 'refund 3 @2 #a')).toEqual([
    'settled charge:2 inferred 10',
    'charge hold:1 release:3 inferred 7',
    'release hold:1 charge:2 inferred 0',
  ]);
});

test('of equal holds the first is charged first, and none that is younger than the charge', () => {
  expect(read('hold 10 @1', 'hold 10 @2', 'charge 10 @3 #a', 'hold 10 @4', 'charge 10 @3.5 #b')).toEqual([
    'settled charge:3 inferred 10',
    'settled charge:5 inferred 10',
    'charge hold:1 inferred 10',
    'closed 10',
    'charge hold:2 inferred 10',
  ]);
  // Ids need not go with the time.
  expect(read('hold 10 @2', 'hold 10 @1', 'charge 10 @3 #a')).toMatchObject(
    [/closed/, /charge:3/, /hold:2/].map(expect.stringMatching),
  );
  expect(read('charge 10 @1 #a', 'hold 10 @1')).toMatchObject([/hold:2/, /charge:1/].map(expect.stringMatching));
});

test('a refund is the rest only where it is the next of its job and written within a minute', () => {
  const rest = (job: string, days: number) => read('hold 10 @1', 'charge 7 @2 #a', `refund 3 @${days} #${job}`)[2];
  expect([rest('a', 2 + 1 / 1440), rest('a', 2 + 1.1 / 1440), rest('b', 2)]).toEqual([
    'release hold:1 charge:2 inferred 0',
    'void 0',
    'void 0',
  ]);
  expect(read('hold 10 @1', 'charge 7 @2 #a', 'charge 1 @2 #a', 'refund 3 @2 #a')[3]).toBe('void 0');
});

test('the same cost of a job within thirty days is a repetition, another cost is told, and later both are costs', () => {
  expect(read('charge 5 @1 #a', 'charge 5 @30.9 #a', 'charge 5 @61 #a', 'charge 6 @62 #a', 'charge 5 @62 #b')).toEqual([
    'charge 5',
    'charge repeats:1 5',
    'charge 5',
    'charge follows:3 6',
    'charge 5',
  ]);
  // Of no job none repeats another; and what was given back of is none.
  expect(read('charge 5', 'charge 5')).toEqual(['charge 5', 'charge 5']);
  expect(read('charge 5 #a', 'charge 5 #a', 'refund 5 <2')).toEqual([
    'charge 5',
    'charge follows:1 5',
    'refund charge:2 5',
  ]);
});

test('a job that cost more than was held has its hold where each is the only one that the other can be', () => {
  expect(read('hold 10 @1', 'charge 12 @2.9 #a')).toEqual([
    'settled charge:2 inferred 10',
    'charge hold:1 inferred 12',
  ]);
  expect(read('hold 10 @1', 'charge 12 @3.1 #a')[1]).toBe('charge 12');
  expect(read('hold 10 @1', 'hold 11 @1', 'charge 12 @2 #a')[2]).toBe('charge 12');
  expect(read('hold 10 @1', 'charge 12 @2 #a', 'charge 13 @2.5 #b').slice(1)).toEqual(['charge 12', 'charge 13']);
  expect(read('hold 10 @1', 'charge 9 @2 #a')[1]).toBe('charge 9');
});

test('a link is believed, once a hold, and not where its other end was never completed', () => {
  expect(read('hold 30', 'hold 12', 'charge 12 #a <1', 'refund 18 <1', 'charge 12 #b <1')).toEqual([
    'settled charge:3 linked 30',
    'closed 12',
    'charge hold:1 release:4 linked 12',
    'release hold:1 charge:3 linked 0',
    'charge 12',
  ]);
  expect(read('hold 30', 'refund 30 <1', 'refund 30 <1')).toEqual([
    'released linked 30',
    'release hold:1 linked 0',
    'void 0',
  ]);
  expect(read('hold 12 !failed', 'hold 12', 'charge 12 #a <1')[2]).toBe('charge hold:2 inferred 12');
});

test('no more is given back of a charge than it was', () => {
  expect(read('charge 10 #a', 'refund 6 <1', 'refund 6 <1', 'refund 6 <1')).toEqual([
    'charge 10',
    'refund charge:1 6',
    'refund charge:1 4',
    'void charge:1 0',
  ]);
});

test('a hold that nobody charged is open for twice the timeout', () => {
  expect(read('hold 1 @98.01', 'hold 2 @98', 'hold 3 @99 !pending')).toEqual(['open 1', 'closed 2', 'void 0']);
});

test('an account stands by what its transactions say', () => {
  const lines = [
    'hold 10 @1',
    'charge 7 @2 #a',
    'refund 3 @2 #a',
    'charge -2 @3 #b',
    'charge 5 @4',
    'refund 1 <5',
    'hold 4 @99',
    'hold 8 @5',
  ];
  const { given, used, open, closed } = standingOf(readAsbb(lines.map(transaction), CLOCK));
  expect([given, used, open, closed].map(renderAmount)).toEqual(['2', '9', '4', '8']);
});
