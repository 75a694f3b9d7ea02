/** The e-mail that tells a user of a refund. */
import { renderAmount, type Micro } from './money';
import type { RefundPolicy } from './policy';
import type { Instant } from './time';

export interface ToldRefund {
  transactionId: string;
  chargeId: string;
  account: string;
  unit: string;
  amount: Micro;
  charged: Micro;
  refunded: Micro;
  policy?: RefundPolicy;
  description: string;
  cluster: string;
  jobId: string;
  refundedAt: Instant;
  evidence?: { type: string; at: Instant };
}

export function renderNotice(refund: ToldRefund): { subject: string; text: string } {
  const { cluster, jobId, unit, evidence } = refund;
  const money = (amount: Micro) => `${renderAmount(amount)} ${unit}`;
  const when = (at: Instant) => `${at.slice(0, 19).replace('T', ' ')} UTC`;
  const facts = [
    ['Job', `${cluster}/${jobId}`],
    ['Account', refund.account],
    ['Given back', money(refund.amount)],
    ['Charged', `${money(refund.charged)}, of which ${money(refund.refunded)} is back`],
    ['Why', refund.description || 'a person decided so'],
    ...(evidence ? [['Record', `${evidence.type.replaceAll('_', ' ')}, ${when(evidence.at)}`]] : []),
    ['Refund', `${refund.transactionId}, ${when(refund.refundedAt)}`],
    ['Of charge', refund.chargeId],
  ];
  const lines = facts.map(([name = '', value = '']) => `${`${name}:`.padEnd(12)} ${value}`);
  return {
    subject: `${money(refund.amount)} refunded for job ${cluster}/${jobId}`,
    text: `${money(refund.amount)} went back to account ${refund.account} for your job ${cluster}/${jobId}.\n\n${lines.join('\n')}\n\nbursar job show ${cluster}/${jobId} tells the whole story of the job.\n`,
  };
}

/** What may stand in an address. */
const NAME = /^[^\s@<>()[\]\\,;:"]{1,64}$/;

/** Where a user's e-mail goes: undefined where a name in it is none that an address can have. */
export function addressOfUser(template: string, user: string, account: string): string | undefined {
  const names = template.includes('{account}') ? [user, account] : [user];
  if (!names.every((name) => NAME.test(name))) return undefined;
  return template.replaceAll('{user}', user).replaceAll('{account}', account);
}
