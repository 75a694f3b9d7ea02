/**
 * A decision as ledger.decisions keeps it, and as it is told. What is told comes from what is kept and from nothing else, so
 * that a replay is the first answer word for word.
 */
import type { TransactionId } from '../domain/ids';
import { addMicro, toMicro, ZERO, type Micro } from '../domain/money';
import type { Enforcement } from '../domain/policy';
import { renderRefusal, type Asked, type Refusal } from '../domain/refusal';
import type { Instant } from '../domain/time';
import type { Decision, EstimateNote, StoredRequest } from './contract';
import { microOf } from './rows';

/** What ledger.decisions.request keeps: what was asked, and how it was priced. Amounts are millionths as text. */
export interface RecordedRequest extends StoredRequest {
  unit: string;
  timeZone: string;
  estimated: string;
  holdMultiplier: string;
  /** Of a submission: whether its cluster enforced decisions. */
  mode?: Enforcement;
  /** A component each. */
  amounts: string[];
  /** As priced; 0 where there is no finite one. */
  wallSeconds: number[];
  /** Where the cluster's cap made the hold smaller. */
  uncappedHold?: string;
  estimate: EstimateNote;
  at?: Instant;
  /** How it was read. */
  note?: string;
  details?: Record<string, unknown>;
}

/** What ledger.judge_hold answers: the account before this hold, and for a no the refusal. */
export interface RecordedAnswer {
  code: Decision['code'];
  balance: string;
  held: string;
  partition_used?: string;
  partition_limit?: string;
  hold_ids?: TransactionId[];
  refusal?: Refusal;
}

/** From the stored (request, answer) alone. */
export function renderDecision(
  request: RecordedRequest,
  answer: RecordedAnswer,
  at: Instant,
  replayed: boolean,
): Decision {
  const amounts = request.amounts.map(microOf);
  const holdAmount = addMicro(...amounts);
  const isPlaced = answer.code === 'placed';
  const taken = isPlaced ? holdAmount : ZERO;
  const inFirstPartition = request.components.map(({ partition }) => partition === request.components[0]?.partition);
  const takenInPartition = isPlaced ? addMicro(...amounts.filter((_, index) => inFirstPartition[index])) : ZERO;
  const balance = microOf(answer.balance);
  const refused = answer.refusal && renderRefusal(answer.refusal, askedOf(request, holdAmount));
  return {
    available: isPlaced,
    code: answer.code,
    message: refused?.message ?? 'Budget check passed',
    ...(request.mode === undefined ? {} : { mode: request.mode }),
    account: request.account,
    unit: request.unit,
    cluster: request.cluster,
    clusterTimeZone: request.timeZone,
    ...holdIdsOf(answer.hold_ids ?? []),
    estimatedCost: microOf(request.estimated),
    holdAmount,
    holdMultiplier: request.holdMultiplier,
    remaining: toMicro(balance - taken),
    balance,
    held: addMicro(microOf(answer.held), taken),
    ...(answer.partition_used === undefined || answer.partition_limit === undefined
      ? {}
      : {
          partitionUsed: addMicro(microOf(answer.partition_used), takenInPartition),
          partitionLimit: microOf(answer.partition_limit),
        }),
    estimate: request.estimate,
    ...(refused ? { explanation: refused.explanation } : {}),
    at,
    ...(request.note === undefined ? {} : { note: request.note }),
    replayed,
  };
}

function askedOf(request: RecordedRequest, holdAmount: Micro): Asked {
  const [only, ...others] = request.components;
  return {
    account: request.account,
    unit: request.unit,
    holdAmount,
    uncappedHold: request.uncappedHold === undefined ? holdAmount : microOf(request.uncappedHold),
    ...(only && others.length === 0
      ? { job: { wallSeconds: request.wallSeconds[0] ?? 0, nodes: only.resources.nodes, tasks: only.arrayTasks } }
      : {}),
  };
}

function holdIdsOf(ids: TransactionId[]): Pick<Decision, 'holdId' | 'componentHoldIds'> {
  const [first, ...others] = ids;
  if (first === undefined) return {};
  return { holdId: first, ...(others.length > 0 ? { componentHoldIds: ids } : {}) };
}
