/** Money that moves by hand, and the transactions of all movements. */
import { Hono } from 'hono';
import { given } from '../../domain/given';
import type { Transaction } from '../../ledger/contract';
import type { ApiDeps, ApiEnv } from '../env';
import { DEPOSIT_EXAMPLE, TRANSFER_EXAMPLE } from '../examples';
import { operation } from '../operation';
import { answerPage, pageOf } from '../paging';
import { kindsOf, renderTransaction } from '../render/transaction';
import { AccountPath } from '../schemas/account';
import {
  AdjustmentRequest,
  DepositRequest,
  RefundRequest,
  TransactionAnswer,
  TransactionListQuery,
  TransactionPath,
  TransferRequest,
  WithdrawalRequest,
} from '../schemas/movement';

const tag = 'Movements';

export function movementRoutes({ ledger: { movements }, metrics }: ApiDeps) {
  /** What a movement made, counted. */
  const made = (transaction: Transaction) => {
    const rendered = renderTransaction(transaction);
    metrics.transactions.inc({ type: rendered.type });
    return rendered;
  };
  return new Hono<ApiEnv>()
    .post(
      '/accounts/:account/deposits',
      operation({
        id: 'deposit',
        tag,
        summary: 'Puts money into an account.',
        path: AccountPath,
        body: DepositRequest,
        answer: TransactionAnswer,
        status: 201,
        faults: ['account_not_found', 'fund_not_found', 'unit_mismatch', 'ceiling_exceeded'],
        example: { request: DEPOSIT_EXAMPLE },
      }),
      async (c) => {
        const { path, body, caller } = c.var.input;
        const deposit = await movements.deposit(
          {
            account: path.account,
            amount: body.amount,
            ...given({
              unit: body.unit,
              opensAt: body.opens_at,
              closesAt: body.closes_at,
              fundId: body.fund_id,
              source: body.source,
              label: body.label,
              description: body.description,
              effectiveAt: body.effective_at,
            }),
          },
          caller,
        );
        return c.json(made(deposit), 201);
      },
    )
    .post(
      '/accounts/:account/withdrawals',
      operation({
        id: 'withdraw',
        tag,
        summary: 'Takes free money out of an account.',
        path: AccountPath,
        body: WithdrawalRequest,
        answer: TransactionAnswer,
        status: 201,
        faults: ['account_not_found', 'fund_not_found', 'unit_mismatch', 'insufficient_budget'],
        example: { request: { amount: '12.50', description: 'back to the department' } },
      }),
      async (c) => {
        const { path, body, caller } = c.var.input;
        const { amount, unit, fund_id: fundId, description } = body;
        const withdrawal = await movements.withdraw(
          { account: path.account, amount, ...given({ unit, fundId, description }) },
          caller,
        );
        return c.json(made(withdrawal), 201);
      },
    )
    .post(
      '/transfers',
      operation({
        id: 'transfer',
        tag,
        summary: 'Moves free money from one account to another of the same unit.',
        body: TransferRequest,
        answer: TransactionAnswer,
        status: 201,
        faults: ['account_not_found', 'unit_mismatch', 'insufficient_budget', 'ceiling_exceeded'],
        example: { request: TRANSFER_EXAMPLE },
      }),
      async (c) => {
        const { body, caller } = c.var.input;
        const { from, to, amount, unit, opens_at: opensAt, closes_at: closesAt, description } = body;
        const transfer = await movements.transfer(
          { from, to, amount, ...given({ unit, opensAt, closesAt, description }) },
          caller,
        );
        return c.json(made(transfer), 201);
      },
    )
    .post(
      '/refunds',
      operation({
        id: 'refund',
        tag,
        summary: 'Gives part of a charge back, or all of it.',
        body: RefundRequest,
        answer: TransactionAnswer,
        status: 201,
        faults: ['transaction_not_found', 'refund_exceeds_charge'],
        example: {
          request: { transaction_id: 'txn_01JD0000000000000000000000', amount: 5, description: 'node failure' },
        },
      }),
      async (c) => {
        const { body, caller } = c.var.input;
        const { transaction_id: transactionId, amount, description } = body;
        const refund = await movements.refund({ transactionId, amount, ...given({ description }) }, caller);
        return c.json(made(refund), 201);
      },
    )
    .post(
      '/adjustments',
      operation({
        id: 'adjust',
        tag,
        summary: 'Changes a charge by a signed amount, visibly.',
        body: AdjustmentRequest,
        answer: TransactionAnswer,
        status: 201,
        faults: ['transaction_not_found', 'refund_exceeds_charge'],
        example: {
          request: {
            transaction_id: 'txn_01JD0000000000000000000000',
            amount: -2.5,
            description: 'billed at the old rate',
          },
        },
      }),
      async (c) => {
        const { body, caller } = c.var.input;
        const { transaction_id: transactionId, amount, description } = body;
        return c.json(made(await movements.adjust({ transactionId, amount, description }, caller)), 201);
      },
    )
    .get(
      '/transactions',
      operation({
        id: 'listTransactions',
        tag,
        summary: 'All movements, the newest first.',
        dialect: 'asbb',
        query: TransactionListQuery,
        answer: TransactionAnswer.array(),
        paged: true,
        faults: ['account_not_found', 'cluster_not_found'],
      }),
      async (c) => {
        const { query } = c.var.input;
        const filter = given({
          account: query.account,
          jobId: query.job_id,
          cluster: query.cluster,
          kinds: kindsOf(query),
          status: query.status,
          user: query.user_id,
          holdId: query.hold,
          from: query.start_date,
          to: query.end_date,
        });
        return answerPage(c, await movements.list(filter, pageOf(query)), renderTransaction);
      },
    )
    .get(
      '/transactions/:transaction_id',
      operation({
        id: 'readTransaction',
        tag,
        summary: 'One movement, with its lines in the books.',
        path: TransactionPath,
        answer: TransactionAnswer,
        faults: ['transaction_not_found'],
      }),
      async (c) => c.json(renderTransaction(await movements.read(c.var.input.path.transaction_id))),
    );
}
