/** Accounts and their policy, funds, balance and statement. Limits have a file of their own. */
import { Hono } from 'hono';
import type { z } from 'zod';
import { given } from '../../domain/given';
import type { AccountSettings } from '../../ledger/contract';
import { ofNewAccounts, requireBudget } from '../budget-rules';
import type { ApiDeps, ApiEnv } from '../env';
import { ACCOUNT_EXAMPLE } from '../examples';
import { operation } from '../operation';
import { answerPage, pageOf } from '../paging';
import { renderAccount, renderBalance, renderFund, renderPolicy, renderStatement } from '../render/account';
import {
  AccountAnswer,
  AccountListQuery,
  AccountPath,
  BalanceAnswer,
  BalanceQuery,
  CreateAccountRequest,
  FundAnswer,
  PolicyAnswer,
  PolicyRequest,
  StatementAnswer,
  StatementQuery,
  UpdateAccountRequest,
} from '../schemas/account';

const tag = 'Accounts';
const path = AccountPath;

export const accountRoutes = ({ ledger, timeZone, budgets = {} }: ApiDeps) =>
  new Hono<ApiEnv>()
    .get(
      '/accounts',
      operation({
        id: 'listAccounts',
        tag,
        summary: 'All accounts, the newest first.',
        dialect: 'asbb',
        query: AccountListQuery,
        answer: AccountAnswer.array(),
        paged: true,
      }),
      async (c) => {
        const { status, parent, archived, ...page } = c.var.input.query;
        const filter = { ...given({ status, parent }), archived: archived ?? false };
        return answerPage(c, await ledger.accounts.list(filter, pageOf(page)), renderAccount);
      },
    )
    .post(
      '/accounts',
      operation({
        id: 'createAccount',
        tag,
        summary: 'Opens an account, with its money if budget_limit says so.',
        dialect: 'asbb',
        body: CreateAccountRequest,
        answer: AccountAnswer,
        status: 201,
        faults: ['account_exists', 'account_not_found', 'invalid_parent', 'unit_mismatch'],
        example: { request: ACCOUNT_EXAMPLE },
      }),
      async (c) => {
        const { body, caller } = c.var.input;
        requireBudget(budgets, body.budget_limit);
        const settings = { ...(body.on_exhaustion === undefined && ofNewAccounts(budgets)), ...readSettings(body) };
        const account = await ledger.accounts.create(
          {
            ...settings,
            name: body.slurm_account,
            unit: body.unit ?? 'USD',
            title: body.name,
            startsAt: body.start_date,
            endsAt: body.end_date,
            timeZone: settings.timeZone ?? timeZone,
          },
          caller,
        );
        return c.json(renderAccount(account), 201);
      },
    )
    .get(
      '/accounts/:account',
      operation({
        id: 'readAccount',
        tag,
        summary: 'One account.',
        dialect: 'asbb',
        path,
        answer: AccountAnswer,
        faults: ['account_not_found'],
      }),
      async (c) => c.json(renderAccount(await ledger.accounts.read(c.var.input.path.account))),
    )
    .put(
      '/accounts/:account',
      operation({
        id: 'updateAccount',
        tag,
        summary: 'Changes an account; what is absent or null stays.',
        dialect: 'asbb',
        path,
        body: UpdateAccountRequest,
        answer: AccountAnswer,
        faults: ['account_not_found', 'limit_below_use', 'invalid_parent', 'ceiling_exceeded'],
        example: { request: { budget_limit: 1500, end_date: '2027-06-30T00:00:00Z' } },
      }),
      async (c) => {
        const { path, body, caller } = c.var.input;
        requireBudget(budgets, body.budget_limit);
        return c.json(renderAccount(await ledger.accounts.update(path.account, readSettings(body), caller)));
      },
    )
    .delete(
      '/accounts/:account',
      operation({
        id: 'archiveAccount',
        tag,
        summary: 'Archives an account. Its books stay, and so does its name.',
        dialect: 'asbb',
        path,
        faults: ['account_not_found', 'holds_open'],
      }),
      async (c) => {
        const { path, caller } = c.var.input;
        await ledger.accounts.archive(path.account, caller);
        return c.body(null, 204);
      },
    )
    .post(
      '/accounts/:account/unarchive',
      operation({
        id: 'unarchiveAccount',
        tag,
        summary: 'Brings an archived account back.',
        path,
        answer: AccountAnswer,
        faults: ['account_not_found'],
      }),
      async (c) => {
        const { path, caller } = c.var.input;
        return c.json(renderAccount(await ledger.accounts.unarchive(path.account, caller)));
      },
    )
    .get(
      '/accounts/:account/balance',
      operation({
        id: 'readBalance',
        tag,
        summary: 'Settled, in flight, committed and available; per fund and per limit.',
        path,
        query: BalanceQuery,
        answer: BalanceAnswer,
        faults: ['account_not_found'],
      }),
      async (c) => {
        const { path, query } = c.var.input;
        return c.json(renderBalance(await ledger.accounts.balance(path.account, query.at)));
      },
    )
    .get(
      '/accounts/:account/statement',
      operation({
        id: 'readStatement',
        tag,
        summary: 'Every movement between two times, and what it changed: opening + lines = closing.',
        path,
        query: StatementQuery,
        answer: StatementAnswer,
        faults: ['account_not_found'],
      }),
      async (c) => {
        const { path, query } = c.var.input;
        return c.json(renderStatement(await ledger.accounts.statement(path.account, query.from, query.to)));
      },
    )
    .get(
      '/accounts/:account/funds',
      operation({
        id: 'listFunds',
        tag,
        summary: 'The dated money of an account, soonest-to-expire first.',
        path,
        answer: FundAnswer.array(),
        faults: ['account_not_found'],
      }),
      async (c) => {
        const { account, unit, funds } = await ledger.accounts.balance(c.var.input.path.account);
        return c.json(funds.map((fund) => renderFund(fund, { account, unit })));
      },
    )
    .get(
      '/accounts/:account/policy',
      operation({
        id: 'readPolicy',
        tag,
        summary: 'What happens when money runs out.',
        path,
        answer: PolicyAnswer,
        faults: ['account_not_found'],
      }),
      async (c) => c.json(renderPolicy(await ledger.accounts.read(c.var.input.path.account))),
    )
    .put(
      '/accounts/:account/policy',
      operation({
        id: 'updatePolicy',
        tag,
        summary: 'Changes the policy; what is absent stays, null takes away.',
        path,
        body: PolicyRequest,
        answer: PolicyAnswer,
        faults: ['account_not_found', 'invalid_parent'],
        example: { request: { on_exhaustion: 'overdraft', overdraft_limit: 100 } },
      }),
      async (c) => {
        const { path, body, caller } = c.var.input;
        return c.json(renderPolicy(await ledger.accounts.update(path.account, readPolicy(body), caller)));
      },
    );

function readSettings(body: z.output<typeof UpdateAccountRequest>): Partial<AccountSettings> {
  return given({
    title: body.name,
    description: body.description,
    budgetLimit: body.budget_limit,
    startsAt: body.start_date,
    endsAt: body.end_date,
    status: body.status,
    timeZone: body.time_zone,
    parent: body.parent === '' ? null : body.parent,
    subtreeLimit: body.subtree_limit,
    onExhaustion: body.on_exhaustion,
    overdraftLimit: body.overdraft_limit,
    onRequeueShortfall: body.on_requeue_shortfall,
    holdMultiplier: body.hold_multiplier,
  });
}

const readPolicy = (body: z.output<typeof PolicyRequest>): Partial<AccountSettings> =>
  given({
    onExhaustion: body.on_exhaustion,
    overdraftLimit: body.overdraft_limit,
    onRequeueShortfall: body.on_requeue_shortfall,
    holdMultiplier: body.hold_multiplier,
    parent: body.parent === '' ? null : body.parent,
    subtreeLimit: body.subtree_limit,
  });
