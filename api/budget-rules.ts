/** What a site says of the budgets of all its accounts (budget.* of the configuration). */
import { Fault } from '../domain/faults';
import { CEILING, parseAmount, renderAmount, toMicro, ZERO, type Micro } from '../domain/money';
import type { AccountSettings } from '../ledger/contract';
import type { Config } from '../platform/config';

export interface BudgetRules {
  /** Limits of accounts below or above these are refused; zero never is (rulings 27). Default: any amount. */
  minimum?: Micro;
  maximum?: Micro;
  /** Accounts that are made without a word on it go on when their money is out. */
  allowsNegativeBalance?: boolean;
}

export const budgetRules = ({ minimum, maximum, allowsNegativeBalance }: Config['budgets']): BudgetRules => ({
  allowsNegativeBalance,
  ...(minimum !== undefined && { minimum: parseAmount(minimum) }),
  ...(maximum !== undefined && { maximum: parseAmount(maximum) }),
});

/** Throws `malformed_request` where a limit is outside of what the site allows. */
export function requireBudget({ minimum, maximum }: BudgetRules, limit: Micro | undefined): void {
  if (limit === undefined || limit === ZERO) return;
  if (minimum !== undefined && limit < minimum) throw outside(`at least ${renderAmount(minimum)}, or 0`);
  if (maximum !== undefined && limit > maximum) throw outside(`at most ${renderAmount(maximum)}`);
}

/** What a new account gets where its maker says nothing. */
export const ofNewAccounts = ({ allowsNegativeBalance }: BudgetRules): Partial<AccountSettings> =>
  allowsNegativeBalance ? { onExhaustion: 'overdraft', overdraftLimit: toMicro(CEILING - 1n) } : {};

function outside(what: string): Fault {
  const detail = `must be ${what}: the configuration of this site says so`;
  return new Fault('malformed_request', `budget_limit ${detail}.`, { errors: [{ pointer: '/budget_limit', detail }] });
}
