/** account balance, statement, funds: where the money is and where it went. */
import type { Command } from 'commander';
import { path } from '../client';
import { readTime } from '../dates';
import { EXIT, Stop } from '../exit';
import { clock, clockIn, money, moneyIn, period } from '../format';
import { FIELDS } from '../fields';
import { withPages, type PageOptions } from '../paging';
import type { Act, Session } from '../session';
import type { Column } from '../table';
import type { Account, Balance, Fund, Limit, Statement } from '../wire';

const fundColumns = (zone: string): Column<Fund>[] => [
  { title: 'FUND', value: (fund) => fund.fund_id, optional: 2 },
  { title: 'SOURCE', value: (fund) => fund.source },
  { title: 'LABEL', value: (fund) => fund.label || undefined, shrinksTo: 8, optional: 1 },
  {
    title: `WINDOW (${zone})`,
    value: (fund) => (fund.source === 'overdraft' ? '-' : period(fund.opens_at, fund.closes_at, zone)),
  },
  { title: 'GRANTED', value: (fund) => money(fund.granted), align: 'point' },
  { title: 'SETTLED', value: (fund) => money(fund.settled), align: 'point' },
  { title: 'HELD', value: (fund) => money(fund.held), align: 'point' },
  { title: 'AVAILABLE', value: (fund) => money(fund.available), align: 'point' },
  { title: 'STATUS', value: (fund) => fund.status, color: (fund) => (fund.status === 'open' ? undefined : 'yellow') },
];

export const limitColumns: Column<Limit>[] = [
  { title: 'PARTITION', value: (limit) => limit.partition ?? 'any', shrinksTo: 9 },
  {
    title: 'USER',
    value: (limit) => (limit.user === '*' ? 'each user' : (limit.user ?? 'all together')),
    shrinksTo: 9,
  },
  { title: 'LIMIT', value: (limit) => money(limit.limit), align: 'point' },
  { title: 'USED', value: (limit) => money(limit.used), align: 'point' },
  { title: 'HELD', value: (limit) => money(limit.held), align: 'point' },
  { title: 'REMAINING', value: (limit) => money(limit.remaining), align: 'point' },
];

/** The three numbers that are never one, and what is left (rulings 5). */
function showBalance(session: Session, balance: Balance): void {
  const zone = session.zone(balance.time_zone);
  session.line(session.paint('bold', `${balance.account}, ${balance.unit}, ${clockIn(balance.at, zone)}`));
  session.table(
    [
      ['Granted', balance.granted, 'what came in, less what left or expired'],
      ['Settled', balance.settled, 'charged'],
      ['In flight', balance.in_flight, 'used up so far by running jobs, not charged yet'],
      ['Committed', balance.committed, 'held for what they may still use'],
      ['Available', balance.available, 'granted - settled - in flight - committed'],
    ] as const,
    [
      { title: '', value: ([label]) => label },
      { title: balance.unit, value: ([, amount]) => money(amount), align: 'point' },
      { title: '', value: ([, , meaning]) => meaning, shrinksTo: 10, optional: 1 },
    ],
  );
  const remarks: (readonly [string, string | undefined])[] = [
    ['Over hold', balance.over_hold > 0 ? `${moneyIn(balance.over_hold, balance.unit)} used beyond holds` : undefined],
    [
      'Overdraft',
      balance.overdraft_used > 0 || balance.overdraft_limit > 0
        ? `${money(balance.overdraft_used)} of ${moneyIn(balance.overdraft_limit, balance.unit)} used`
        : undefined,
    ],
    [
      'Upcoming',
      balance.upcoming > 0
        ? `${moneyIn(balance.upcoming, balance.unit)}, the next ${clockIn(balance.next_money_at, zone)}`
        : undefined,
    ],
    ['With all below', balance.subtree && subtreeLine(balance)],
    [
      'Difference',
      balance.difference === 0
        ? undefined
        : `${money(balance.difference)}: the books do not balance, run \`bursar audit\``,
    ],
  ];
  if (remarks.some(([, text]) => text !== undefined)) {
    session.line();
    session.fields(remarks);
  }
  const funds = balance.funds.filter(
    ({ source, settled, held }) => source !== 'overdraft' || settled !== 0 || held !== 0,
  );
  if (funds.length > 1) {
    session.heading('Funds, the soonest to expire first');
    session.table(funds, fundColumns(zone));
  }
  if (balance.limits.length > 0) {
    session.heading('Limits');
    session.table(balance.limits, limitColumns);
  }
}

function subtreeLine({ subtree, unit }: Balance): string | undefined {
  if (!subtree) return undefined;
  const limit = subtree.limit === undefined ? 'no limit' : `limit ${moneyIn(subtree.limit, unit)}`;
  return `${money(subtree.settled)} settled, ${money(subtree.held)} held, ${limit}`;
}

export function defineBalance(account: Command, act: Act): void {
  account
    .command('balance')
    .summary('Settled, in flight, committed and what is left')
    .description(
      'Show what an account has: settled, in flight, committed and available, fund by fund and limit by limit.',
    )
    .argument('<account>', 'account name')
    .option('--at <time>', 'as of this time')
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar account balance climate\n  $ bursar account balance climate --json | jq .available\n',
    )
    .action(
      act(async (session, name: string, options: { at?: string }) => {
        const zone = options.at && (await session.client.get<Account>(path`/api/v1/accounts/${name}`)).time_zone;
        const at = options.at && readTime('--at', options.at, zone ?? 'UTC', 'first');
        const balance = await session.client.get<Balance>(path`/api/v1/accounts/${name}/balance`, { at });
        session.answer(balance, () => showBalance(session, balance), FIELDS.balance);
      }),
    );
}

export function defineStatement(account: Command, act: Act): void {
  account
    .command('statement')
    .summary('Everything that moved between two days')
    .description('Everything that moved between two days, and what each line changed: opening, changes, closing.')
    .argument('<account>', 'account name')
    .option('--from <date>', "first day (default: the account's first)")
    .option('--to <date>', 'last day, included (default: until now)')
    .addHelpText('after', '\nExamples:\n  $ bursar account statement climate --from 2026-01-01 --to 2026-01-31\n')
    .action(
      act(async (session, name: string, options: { from?: string; to?: string }) => {
        const found = await session.client.get<Account>(path`/api/v1/accounts/${name}`);
        const from =
          options.from === undefined ? found.start_date : readTime('--from', options.from, found.time_zone, 'first');
        const to =
          options.to === undefined
            ? shortlyAfter(session.io.now())
            : readTime('--to', options.to, found.time_zone, 'last');
        if (Date.parse(to) <= Date.parse(from)) throw new Stop(EXIT.usage, '--to must not lie before --from.');
        const statement = await session.client.get<Statement>(path`/api/v1/accounts/${name}/statement`, { from, to });
        session.answer(statement, () => showStatement(session, statement), FIELDS.statementLine, withEdges(statement));
      }),
    );
}

/** A minute from now, so that what was written just now is in it, whatever the two clocks say. */
const shortlyAfter = (now: Date): string => new Date(now.getTime() + 60_000).toISOString();

/** The edges show balances; a line in between shows what it changed, and nothing where it changed nothing. */
function change(line: { kind: string }, amount: number): string | undefined {
  if (line.kind === 'opening' || line.kind === 'closing') return money(amount);
  return amount === 0 ? ' ' : `${amount > 0 ? '+' : ''}${money(amount)}`;
}

type Line = Omit<Statement['lines'][number], 'transaction_id'> & { transaction_id?: string };

/** The lines between the balance that they start from and the one that they lead to. */
function withEdges(statement: Statement): Line[] {
  const edge = (kind: string, at: string, amounts: Statement['opening']): Line => ({
    at,
    kind,
    description: '',
    ...amounts,
  });
  return [
    edge('opening', statement.from, statement.opening),
    ...statement.lines,
    edge('closing', statement.to, statement.closing),
  ];
}

function showStatement(session: Session, statement: Statement): void {
  const zone = session.zone(statement.time_zone);
  session.line(
    session.paint(
      'bold',
      `${statement.account}, ${statement.unit}, ${period(statement.from, statement.to, zone)} (${zone})`,
    ),
  );
  session.table(withEdges(statement), [
    { title: `WHEN (${zone})`, value: (line) => clock(line.at, zone) },
    { title: 'KIND', value: (line) => line.kind },
    { title: 'JOB', value: (line) => line.job_id ?? ' ', shrinksTo: 8, optional: 2 },
    { title: 'GRANTED', value: (line) => change(line, line.granted), align: 'point', optional: 4 },
    { title: 'SETTLED', value: (line) => change(line, line.settled), align: 'point' },
    { title: 'HELD', value: (line) => change(line, line.held), align: 'point' },
    { title: 'AVAILABLE', value: (line) => change(line, line.available), align: 'point' },
    { title: 'DESCRIPTION', value: (line) => line.description || ' ', shrinksTo: 12, optional: 3 },
    { title: 'TRANSACTION', value: (line) => line.transaction_id ?? ' ', optional: 5 },
  ]);
  if (statement.lines.length === 0) session.line('Nothing moved in this time.');
}

export function defineFunds(account: Command, act: Act): void {
  withPages(
    account
      .command('funds')
      .summary('The dated parts of its money')
      .description(
        'List the funds of an account: what came in with which window. Holds draw on the soonest to expire first.',
      )
      .argument('<account>', 'account name'),
  )
    .addHelpText('after', '\nExamples:\n  $ bursar account funds climate\n')
    .action(
      act(async (session, name: string, options: PageOptions) => {
        const [{ time_zone, unit }, funds] = await Promise.all([
          session.client.get<Account>(path`/api/v1/accounts/${name}`),
          session.client.get<Fund[]>(path`/api/v1/accounts/${name}/funds`),
        ]);
        session.page(
          funds,
          options,
          (shown) => {
            session.line(session.paint('bold', `${name}, ${unit}`));
            session.table(shown, fundColumns(session.zone(time_zone)));
          },
          `${name} has no funds yet. \`bursar deposit ${name} AMOUNT\` puts money in.`,
          FIELDS.fund,
        );
      }),
    );
}
