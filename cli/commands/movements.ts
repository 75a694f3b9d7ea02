/** deposit, withdraw, transfer, refund, adjust: the commands that move money. */
import { Option, type Command } from 'commander';
import { path } from '../client';
import { readTime } from '../dates';
import { clockIn, moneyIn } from '../format';
import { KEY_OPTION, keyOf } from '../keys';
import { FIELDS } from '../fields';
import type { Act, Session } from '../session';
import type { Account, Transaction } from '../wire';

const AMOUNT = ['<amount>', "decimal number in the account's unit, like 1250.50"] as const;

function show(session: Session, done: string, transaction: Transaction, key: string): void {
  session.answer(
    transaction,
    () => {
      session.line(session.paint('green', done));
      session.fields([
        ['Transaction', transaction.transaction_id],
        ['Account', transaction.account],
        ['Amount', moneyIn(transaction.amount, transaction.unit)],
        ['Description', transaction.description],
        ['Effective', clockIn(transaction.effective_at, 'UTC')],
        ['Key', key],
      ]);
    },
    FIELDS.transaction,
  );
}

/** The zone in which an account's days begin. */
const zoneOf = async (session: Session, account: string): Promise<string> =>
  (await session.client.get<Account>(path`/api/v1/accounts/${account}`)).time_zone;

interface Window {
  opens?: string;
  closes?: string;
}

/** Dates are read in the account's zone, so they cost a call; without dates there is none. */
async function readWindow(session: Session, account: string, { opens, closes }: Window) {
  if (opens === undefined && closes === undefined) return {};
  const zone = await zoneOf(session, account);
  return {
    opens_at: opens === undefined ? undefined : readTime('--opens', opens, zone, 'first'),
    closes_at: closes === undefined ? undefined : readTime('--closes', closes, zone, 'last'),
  };
}

export function defineDeposit(parent: Command, act: Act): void {
  parent
    .command('deposit')
    .summary('Put money into an account')
    .description(
      'Put money into an account. With --opens or --closes it becomes a fund of its own that lasts from the first day to the end of the last; without them it joins the base fund, which lasts as long as the account.',
    )
    .argument('<account>', 'account name')
    .argument(...AMOUNT)
    .option('--opens <date>', 'first day of the fund')
    .option('--closes <date>', 'last day of the fund, included')
    .option('--fund <id>', 'add to this fund')
    .addOption(
      new Option('--source <source>', 'where it comes from').choices([
        'manual',
        'allocation',
        'grant_period',
        'carry_forward',
      ]),
    )
    .option('--label <text>', 'name of the fund')
    .option('--description <text>', 'why; it stays with the transaction')
    .option('--unit <unit>', "must be the account's unit; a safeguard for scripts")
    .option(...KEY_OPTION)
    .addHelpText(
      'after',
      `
Examples:
  $ bursar deposit climate 500
  $ bursar deposit climate 1250.50 --opens 2026-10-01 --closes 2027-09-30 --label "year 2"
  $ bursar deposit climate 500 --key invoice-4711      twice is once
`,
    )
    .action(
      act(
        async (
          session,
          account: string,
          amount: string,
          options: Window & {
            fund?: string;
            source?: string;
            label?: string;
            description?: string;
            unit?: string;
            key?: string;
          },
        ) => {
          const key = keyOf(options);
          const transaction = await session.client.post<Transaction>(
            path`/api/v1/accounts/${account}/deposits`,
            {
              amount,
              ...(await readWindow(session, account, options)),
              fund_id: options.fund,
              source: options.source,
              label: options.label,
              description: options.description,
              unit: options.unit,
            },
            key,
          );
          show(session, 'Deposited.', transaction, key);
        },
      ),
    );
}

export function defineWithdraw(parent: Command, act: Act): void {
  parent
    .command('withdraw')
    .summary('Take free money out of an account')
    .description('Take free money out of an account: from the fund that lasts longest first, or from --fund.')
    .argument('<account>', 'account name')
    .argument(...AMOUNT)
    .option('--fund <id>', 'from this fund')
    .option('--description <text>', 'why; it stays with the transaction')
    .option('--unit <unit>', "must be the account's unit; a safeguard for scripts")
    .option(...KEY_OPTION)
    .addHelpText('after', '\nExamples:\n  $ bursar withdraw climate 100 --description "returned to the pool"\n')
    .action(
      act(
        async (
          session,
          account: string,
          amount: string,
          options: { fund?: string; description?: string; unit?: string; key?: string },
        ) => {
          const key = keyOf(options);
          const transaction = await session.client.post<Transaction>(
            path`/api/v1/accounts/${account}/withdrawals`,
            { amount, fund_id: options.fund, description: options.description, unit: options.unit },
            key,
          );
          show(session, 'Withdrawn.', transaction, key);
        },
      ),
    );
}

export function defineTransfer(parent: Command, act: Act): void {
  parent
    .command('transfer')
    .summary('Move free money between accounts')
    .description(
      'Move free money to another account of the same unit. It keeps the window it has unless dates are given.',
    )
    .argument('<from>', 'account that gives')
    .argument('<to>', 'account that gets')
    .argument(...AMOUNT)
    .option('--opens <date>', 'first day at the receiver')
    .option('--closes <date>', 'last day at the receiver, included')
    .option('--description <text>', 'why; it stays with the transaction')
    .option('--unit <unit>', "must be the accounts' unit; a safeguard for scripts")
    .option(...KEY_OPTION)
    .addHelpText('after', '\nExamples:\n  $ bursar transfer climate physics 250\n')
    .action(
      act(
        async (
          session,
          from: string,
          to: string,
          amount: string,
          options: Window & { description?: string; unit?: string; key?: string },
        ) => {
          const key = keyOf(options);
          const transaction = await session.client.post<Transaction>(
            '/api/v1/transfers',
            {
              from,
              to,
              amount,
              ...(await readWindow(session, to, options)),
              description: options.description,
              unit: options.unit,
            },
            key,
          );
          show(session, `Transferred to ${to}.`, transaction, key);
        },
      ),
    );
}

export function defineRefund(parent: Command, act: Act): void {
  parent
    .command('refund')
    .summary('Give back part of a charge')
    .description(
      'Give back part of a charge, or all of it. However many refunds there are, together they never exceed it.',
    )
    .argument('<charge>', 'transaction id of the charge (`bursar transactions list --kind charge`)')
    .argument(...AMOUNT)
    .option('--description <text>', 'why; it stays with the transaction')
    .option(...KEY_OPTION)
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar refund txn_01JDABCDEFGHJKMNPQRSTVWXYZ 12.50 --description "node failed, run was lost"\n',
    )
    .action(
      act(async (session, charge: string, amount: string, options: { description?: string; key?: string }) => {
        const key = keyOf(options);
        const transaction = await session.client.post<Transaction>(
          '/api/v1/refunds',
          { transaction_id: charge, amount, description: options.description },
          key,
        );
        show(session, 'Refunded.', transaction, key);
      }),
    );
}

export function defineAdjust(parent: Command, act: Act): void {
  parent
    .command('adjust')
    .summary('Change a charge, visibly')
    .description(
      'Change a charge by a signed amount: above zero charges more, below zero gives back. The charge stays as it was written; the adjustment stands beside it with its reason.',
    )
    .argument('<charge>', 'transaction id of the charge (`bursar transactions list --kind charge`)')
    .argument('<amount>', "signed decimal number in the account's unit, like 2.50 or -2.50")
    .requiredOption('--description <text>', 'why; it stays with the transaction')
    .option(...KEY_OPTION)
    .addHelpText(
      'after',
      `
Examples:
  $ bursar adjust txn_01JDABCDEFGHJKMNPQRSTVWXYZ -2.50 --description "billed at the old rate"
  $ bursar adjust txn_01JDABCDEFGHJKMNPQRSTVWXYZ 4 --description "the GPUs were not metered"
`,
    )
    .action(
      act(async (session, charge: string, amount: string, options: { description: string; key?: string }) => {
        const key = keyOf(options);
        const transaction = await session.client.post<Transaction>(
          '/api/v1/adjustments',
          { transaction_id: charge, amount, description: options.description },
          key,
        );
        show(session, 'Adjusted.', transaction, key);
      }),
    );
}
