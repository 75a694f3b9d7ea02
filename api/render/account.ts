import type { z } from 'zod';
import type { Account, Balance, Fund, Limit, Statement } from '../../ledger/contract';
import type {
  AccountAnswer,
  BalanceAnswer,
  FundAnswer,
  LimitAnswer,
  PolicyAnswer,
  StatementAnswer,
} from '../schemas/account';
import { amount, amountOr, factorOf } from './money';

/** What an answer about a part of an account says of the account. */
interface Of {
  account: string;
  unit: string;
}

export const renderAccount = (account: Account): z.infer<typeof AccountAnswer> => ({
  id: account.accountNo,
  slurm_account: account.name,
  name: account.title,
  description: account.description,
  unit: account.unit,
  time_zone: account.timeZone,
  budget_limit: amount(account.granted),
  budget_used: amount(account.settled),
  budget_held: amount(account.held),
  budget_available: amount(account.available),
  has_incremental_budget: false,
  total_allocated: 0,
  start_date: account.startsAt,
  end_date: account.endsAt,
  status: account.status,
  parent: account.parent,
  subtree_limit: amountOr(account.subtreeLimit, undefined),
  on_exhaustion: account.onExhaustion,
  overdraft_limit: amount(account.overdraftLimit),
  on_requeue_shortfall: account.onRequeueShortfall,
  hold_multiplier: account.holdMultiplier === undefined ? undefined : factorOf(account.holdMultiplier),
  overspent_at: account.overspentAt,
  created_at: account.createdAt,
  updated_at: account.updatedAt,
  archived_at: account.archivedAt,
});

export const renderPolicy = (account: Account): z.infer<typeof PolicyAnswer> => ({
  account: account.name,
  unit: account.unit,
  on_exhaustion: account.onExhaustion,
  overdraft_limit: amount(account.overdraftLimit),
  on_requeue_shortfall: account.onRequeueShortfall,
  hold_multiplier: account.holdMultiplier === undefined ? null : factorOf(account.holdMultiplier),
  parent: account.parent ?? null,
  subtree_limit: amountOr(account.subtreeLimit, null),
});

export const renderFund = (fund: Fund, of: Of): z.infer<typeof FundAnswer> => ({
  fund_id: fund.fundId,
  account: of.account,
  unit: of.unit,
  source: fund.source,
  label: fund.label,
  opens_at: fund.opensAt,
  closes_at: fund.closesAt,
  status: fund.status,
  granted: amount(fund.granted),
  settled: amount(fund.settled),
  held: amount(fund.held),
  available: amount(fund.available),
});

export const renderLimit = (limit: Limit, of: Of): z.infer<typeof LimitAnswer> => ({
  account: of.account,
  unit: of.unit,
  partition: limit.partition,
  user: limit.user,
  limit: amount(limit.limit),
  used: amount(limit.settled),
  held: amount(limit.held),
  remaining: amount(limit.remaining),
  opens_at: limit.opensAt,
  closes_at: limit.closesAt,
});

export const renderBalance = (balance: Balance): z.infer<typeof BalanceAnswer> => ({
  account: balance.account,
  unit: balance.unit,
  time_zone: balance.timeZone,
  at: balance.at,
  budget_limit: amount(balance.granted),
  budget_used: amount(balance.settled),
  budget_held: amount(balance.held),
  budget_available: amount(balance.available),
  granted: amount(balance.granted),
  settled: amount(balance.settled),
  held: amount(balance.held),
  in_flight: amount(balance.inFlight),
  committed: amount(balance.committed),
  available: amount(balance.available),
  over_hold: amount(balance.overHold),
  overdraft_used: amount(balance.overdraftUsed),
  overdraft_limit: amount(balance.overdraftLimit),
  upcoming: amount(balance.upcoming),
  difference: amount(balance.difference),
  next_money_at: balance.nextMoneyAt,
  funds: balance.funds.map((fund) => renderFund(fund, balance)),
  subtree: balance.subtree && {
    settled: amount(balance.subtree.settled),
    held: amount(balance.subtree.held),
    limit: amountOr(balance.subtree.limit, undefined),
  },
  limits: balance.limits.map((limit) => renderLimit(limit, balance)),
});

const renderTotals = (totals: Statement['opening']) => ({
  granted: amount(totals.granted),
  settled: amount(totals.settled),
  held: amount(totals.held),
  available: amount(totals.available),
});

export const renderStatement = (statement: Statement): z.infer<typeof StatementAnswer> => ({
  account: statement.account,
  unit: statement.unit,
  time_zone: statement.timeZone,
  from: statement.from,
  to: statement.to,
  opening: renderTotals(statement.opening),
  lines: statement.lines.map((line) => ({
    ...renderTotals(line),
    at: line.at,
    transaction_id: line.transactionId,
    kind: line.kind,
    description: line.description,
    job_id: line.jobId,
    user_id: line.user,
  })),
  closing: renderTotals(statement.closing),
});
