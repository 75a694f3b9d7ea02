/** What the keys say about the budgets of accounts. */
import { parseAmount } from '../../domain/money';
import type { Values } from './keys';
import type { Findings } from './read-file';

/** What is right in itself and wrong beside the others. Values that could not be read are missing here. */
export function checkBudgets(values: Partial<Values>, { mistakes }: Findings): void {
  const [least, most] = [values['budget.min_budget_amount'], values['budget.max_budget_amount']];
  if (least !== undefined && most !== undefined && parseAmount(most) <= parseAmount(least)) {
    mistakes.push('budget.max_budget_amount must be more than budget.min_budget_amount');
  }
}
