/** The audit: silent where the books are right, and by name where somebody changed a number behind the ledger's back. */
import { eventually } from '../helpers/eventually';
import { disarm } from '../helpers/tampering';
import { CALLER, openMoneyHouse, usd, type MoneyHouse } from './money-house';

let house: MoneyHouse;

/** One of everything: parents, two funds, caps, a transfer, a charge over its hold, a refund, an adjustment, an expiry. */
beforeAll(async () => {
  house = await openMoneyHouse();
  const { ledger } = house;
  await house.account('lab', { budgetLimit: usd('1000') });
  await house.account('team', {
    parent: 'lab',
    budgetLimit: usd('100'),
    onExhaustion: 'overdraft',
    overdraftLimit: usd('50'),
  });
  await ledger.accounts.setLimit('team', { partition: 'batch', limit: usd('500') }, CALLER);
  await ledger.accounts.setLimit('team', { user: '*', limit: usd('500') }, CALLER);
  await ledger.movements.deposit({ account: 'team', amount: usd('20'), closesAt: '2026-06-01T00:00:00Z' }, CALLER);
  await ledger.movements.transfer({ from: 'lab', to: 'team', amount: usd('30') }, CALLER);
  await ledger.movements.withdraw({ account: 'team', amount: usd('5') }, CALLER);
  await house.hold('team', usd('12'));
  const holdId = await house.hold('team', usd('10'));
  await house.charge({ runKey: 'hpc/1/-/-', holdId, cost: usd('11'), close: true });
  const released = await house.hold('team', usd('10'));
  const over = await house.charge({
    runKey: 'hpc/2/-/-',
    account: 'team',
    cost: usd('140'),
    at: '2026-07-01T00:00:00Z',
  });
  await ledger.movements.refund({ transactionId: over.transactionId, amount: usd('60') }, CALLER);
  await ledger.movements.adjust({ transactionId: over.transactionId, amount: usd('3'), description: 'more' }, CALLER);
  await ledger.holds.release(released, 'gone', CALLER);
  await ledger.movements.expireFunds();
});
afterAll(() => house.database.drop());

test('the books of a busy account are right, to the millionth', async () => {
  const report = await house.ledger.audit.run();
  expect(report.findings).toEqual([]);
  expect(report).toMatchObject({ ok: true, difference: '0', accounts: 2, openHolds: 1 });
});

describe('a number that was changed behind the ledger is found and named', () => {
  const ROLLED_BACK = new Error('rolled back');

  /** Tampers, audits, and takes the tampering back. */
  async function findingsAfter(tampering: string): Promise<string[]> {
    let checks: string[] = [];
    await house.database.sql
      .begin(async (tx) => {
        await disarm(tx);
        const changed = await tx.unsafe(tampering);
        if (changed.count === 0) throw new Error(`nothing to tamper with: ${tampering}`);
        const rows = await tx<{ check_name: string }[]>`select distinct check_name from ledger.audit() order by 1`;
        checks = rows.map(({ check_name }) => check_name);
        throw ROLLED_BACK;
      })
      .catch((error: unknown) => {
        if (error !== ROLLED_BACK) throw error;
      });
    return checks;
  }

  const team = `(select account_no from ledger.accounts where name = 'team')`;
  const open = `(select max(hold_no) from ledger.holds where status = 'open')`;
  const charge = `(select max(charge_no) from ledger.charges)`;

  test.each([
    [
      'fund_matches_its_lines',
      `update ledger.funds set granted_micro = granted_micro + 1 where source = 'base' and account_no = ${team}`,
    ],
    [
      'fund_matches_its_lines',
      `update ledger.funds set settled_micro = settled_micro - 1 where source = 'base' and account_no = ${team}`,
    ],
    ['fund_matches_its_lines', `update ledger.funds set held_micro = held_micro - 1 where held_micro > 0`],
    ['fund_matches_its_lines', `update ledger.funds set expired_micro = expired_micro + 1 where expired_micro > 0`],
    ['transaction_sums_to_zero', `delete from ledger.entries where book = 'x' and amount_micro = -20000000`],
    ['account_matches_its_funds', `update ledger.account_totals set granted_micro = granted_micro + 1`],
    [
      'account_matches_its_funds',
      `update ledger.account_totals set settled_micro = settled_micro - 1 where account_no = ${team}`,
    ],
    [
      'account_matches_its_funds',
      `update ledger.account_totals set held_micro = held_micro - 1 where account_no = ${team}`,
    ],
    [
      'subtree_matches_its_accounts',
      `update ledger.account_totals set subtree_settled_micro = subtree_settled_micro + 1`,
    ],
    ['subtree_matches_its_accounts', `update ledger.account_totals set subtree_held_micro = subtree_held_micro + 1`],
    ['parent_knows_that_it_is_one', `update ledger.account_totals set has_children = not has_children`],
    ['account_knows_its_ancestors', `update ledger.accounts set ancestors = '{}' where account_no = ${team}`],
    ['account_knows_its_ancestors', `update ledger.accounts set root_no = account_no where account_no = ${team}`],
    ['account_has_its_standing_funds', `delete from ledger.funds where source = 'overdraft'`],
    ['base_fund_has_the_accounts_window', `update ledger.funds set closes_at = '2098-01-01Z' where source = 'base'`],
    ['overdraft_fund_was_granted_nothing', `update ledger.funds set granted_micro = 1 where source = 'overdraft'`],
    ['account_has_totals', `delete from ledger.account_totals`],
    ['limit_matches_history', `update ledger.limits set settled_micro = settled_micro + 1 where partition = 'batch'`],
    ['limit_matches_history', `update ledger.limits set held_micro = held_micro + 1 where from_template`],
    ['hold_matches_its_lines', `update ledger.holds set held_micro = held_micro + 1 where hold_no = ${open}`],
    ['hold_part_matches_its_lines', `update ledger.hold_parts set held_micro = held_micro - 1 where hold_no = ${open}`],
    ['hold_matches_its_history', `update ledger.holds set placed_micro = placed_micro + 1 where hold_no = ${open}`],
    [
      'hold_matches_its_history',
      `update ledger.holds set released_micro = released_micro + 1 where status = 'released'`,
    ],
    ['hold_matches_its_history', `update ledger.holds set charged_micro = charged_micro + 1 where hold_no = ${open}`],
    ['hold_has_one_transaction', `delete from ledger.holds where hold_no = ${open}`],
    ['charge_matches_its_transactions', `update ledger.charges set amount_micro = amount_micro + 1`],
    ['charge_matches_its_transactions', `update ledger.charges set adjusted_micro = adjusted_micro + 1`],
    [
      'charge_matches_its_transactions',
      `update ledger.charges set refunded_micro = refunded_micro + 1 where charge_no = ${charge}`,
    ],
    ['charge_and_transaction_exist', `delete from ledger.charges where charge_no = ${charge}`],
    ['pieces_match_their_lines', `update ledger.charge_pieces set amount_micro = amount_micro + 1`],
    ['pieces_match_their_lines', `delete from ledger.charge_pieces where txn_no = ${charge}`],
    ['piece_belongs_to_its_charge', `update ledger.charge_pieces set charge_no = 1`],
    [
      'transaction_says_its_lines',
      `update ledger.transactions set amount_micro = amount_micro + 1 where kind = 'deposit'`,
    ],
    ['transaction_says_its_lines', `update ledger.transactions set kind = 'withdrawal' where kind = 'deposit'`],
    [
      'transaction_says_its_lines',
      `update ledger.transactions set amount_micro = amount_micro - 1 where kind = 'transfer'`,
    ],
    ['transaction_says_its_lines', `update ledger.entries set book = 's' where book = 'h' and amount_micro > 0`],
    [
      'transaction_sums_to_zero',
      `update ledger.entries set amount_micro = amount_micro + 1 where book = 'a' and amount_micro > 0`,
    ],
    ['line_without_transaction', `delete from ledger.transactions where kind = 'refund'`],
    ['line_in_foreign_account', `update ledger.entries set fund_no = 1 where book = 's'`],
    ['line_in_foreign_account', `update ledger.entries set account_no = 999 where book = 's'`],
  ])('%s: %s', async (check, tampering) => {
    expect(await findingsAfter(tampering)).toContain(check);
  });

  test('the difference is the sum of what does not fit, and an audit after it is right again', async () => {
    const { sql } = house.database;
    await sql`update ledger.funds set granted_micro = granted_micro + 7 where source = 'base'`;
    const wrong = await house.ledger.audit.run();
    expect(wrong).toMatchObject({ ok: false, difference: '0.000028' }); // two funds, and both accounts' totals
    await sql`update ledger.funds set granted_micro = granted_micro - 7 where source = 'base'`;
    expect(await house.ledger.audit.run()).toMatchObject({ ok: true, difference: '0' });
  });
});

describe('proving the books by the clock', () => {
  const HOUR = 3_600_000;
  const due = () => house.ledger.audit.runIfDue(HOUR);
  const lastOne = (set: string) => house.database.sql.unsafe(`update ledger.audits set ${set}`);
  beforeEach(() => house.database.sql`delete from ledger.audits`);

  test('is done once by all that ask at the same moment, and not again within the hour', async () => {
    const reports = await Promise.all(Array.from({ length: 6 }, due));
    expect(reports.filter((report) => report !== undefined)).toHaveLength(1);
    expect(await due()).toBeUndefined();
    expect(await house.ledger.audit.latest()).toMatchObject({ report: { ok: true, difference: '0' } });
    await lastOne(`started_at = started_at - interval '1 hour', finished_at = finished_at - interval '1 hour'`);
    expect(await due()).toMatchObject({ ok: true });
  });

  test('takes a twentieth of the time at most: a long one puts off the next', async () => {
    await due();
    await lastOne(
      `started_at = clock_timestamp() - interval '2 hours', finished_at = clock_timestamp() - interval '90 minutes'`,
    );
    expect(await due()).toBeUndefined();
  });

  test('waits for one that is at it, however long, and an hour for one that died; who asks for it gets it at any time', async () => {
    await house.database.sql`insert into ledger.audits (started_at) values (clock_timestamp() - interval '7 hours')`;
    expect(await due()).toBeUndefined();
    expect(await house.ledger.audit.latest()).toBeUndefined();
    await lastOne(`started_at = clock_timestamp() - interval '50 minutes', heard_at = started_at`);
    expect(await due()).toBeUndefined();
    await lastOne(`started_at = clock_timestamp() - interval '70 minutes'`);
    expect(await due()).toMatchObject({ ok: true });
    expect(await due()).toBeUndefined();
    expect(await house.ledger.audit.run()).toMatchObject({ ok: true });
  });

  test('counts no proof of the seals', async () => {
    await house.ledger.audit.verify();
    expect(await due()).toMatchObject({ ok: true });
  });
});

describe('a proof that takes its time', () => {
  /** Lets no proof get past the limits, which come last, until it is released or the test ends. */
  async function stopAtLimits() {
    const { sql } = house.database;
    const gate = await sql.reserve();
    await gate`begin`;
    await gate`lock table ledger.limits in access exclusive mode`;
    let isReleased = false;
    const release = async () => {
      if (isReleased) return;
      isReleased = true;
      await gate`rollback`;
      gate.release();
    };
    const reached = () =>
      eventually('a proof has come as far', async () => {
        const waiting = await sql`
          select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
        return waiting.length > 0;
      });
    return { reached, release, [Symbol.asyncDispose]: release };
  }

  test('keeps the others waiting for one that sees what was done before they asked, together', async () => {
    const { sql } = house.database;
    const { audit } = house.ledger;
    await using stopped = await stopAtLimits();
    const first = await audit.beginBooks();
    await stopped.reached();
    await sql`update ledger.funds set granted_micro = granted_micro + 7 where source = 'base'`;
    const [second, third] = await Promise.all([audit.beginBooks(), audit.beginBooks()]);
    expect(third.auditNo).toBe(second.auditNo);
    expect(second.auditNo).toBeGreaterThan(first.auditNo);
    expect(await audit.find(second.auditNo)).toMatchObject({ kind: 'books', status: 'running' });
    await stopped.release();
    expect(await first.report).toMatchObject({ ok: true });
    expect(await second.report).toMatchObject({ ok: false });
    await sql`update ledger.funds set granted_micro = granted_micro - 7 where source = 'base'`;
    expect(await audit.run()).toMatchObject({ ok: true });
    expect(await audit.find(second.auditNo)).toMatchObject({ status: 'finished', books: { difference: '0.000028' } });
  });

  test('has failed where it broke off, and the next begins all the same', async () => {
    const { audit } = house.ledger;
    await using stopped = await stopAtLimits();
    const begun = await audit.beginBooks();
    await stopped.reached();
    await house.database.sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`;
    await expect(begun.report).rejects.toMatchObject({ code: 'ledger_unavailable' });
    await stopped.release();
    expect(await audit.find(begun.auditNo)).toMatchObject({
      status: 'failed',
      failure: expect.stringContaining('cannot be reached'),
    });
    expect(await audit.run()).toMatchObject({ ok: true });
  });
});
