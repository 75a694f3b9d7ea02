import type { z } from 'zod';
import type { Hold } from '../../ledger/contract';
import type { HoldAnswer } from '../schemas/hold';
import { amount } from './money';

export const renderHold = (hold: Hold): z.infer<typeof HoldAnswer> => ({
  transaction_id: hold.holdId,
  key: hold.key,
  account: hold.account,
  unit: hold.unit,
  cluster: hold.cluster,
  partition: hold.partition,
  user_id: hold.user,
  job_id: hold.jobId,
  status: hold.status,
  placed: amount(hold.placed),
  resized: amount(hold.resized),
  given_back: amount(hold.givenBack),
  held: amount(hold.held),
  charged: amount(hold.charged),
  charged_from_hold: amount(hold.chargedFromHold),
  released: amount(hold.released),
  late: hold.late,
  overdue_at: hold.overdueAt,
  use_by: hold.useBy,
  group: hold.group,
  effective_at: hold.effectiveAt,
  placed_at: hold.placedAt,
  closed_at: hold.closedAt,
  parts: hold.parts.map((part) => ({ fund_id: part.fundId, source: part.source, held: amount(part.held) })),
});
