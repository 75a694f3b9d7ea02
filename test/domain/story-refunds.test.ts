/** What a run gets back for how it ended. */
import type { StoryCharge } from '../../domain/run-charges';
import { minute, said, type Said } from './story-house';
import { charged, rows, runKey } from './story-rows';

describe('what a run gets back for how it ended', () => {
  const end = { startedAt: 10, endState: 'COMPLETED' as const };
  const wasCharged = [charged(runKey(10), { startedAt: minute(10) })];
  const settled = { state: 'settled' as const, hold: { status: 'settled' as const } };
  const awaited = { state: 'awaiting_cost' as const, hold: { status: 'settled' as const } };
  const refunded = (amount: bigint) => ({ charges: [{ ...(wasCharged[0] as StoryCharge), refunded: amount }] });
  const cancelled = (more: Partial<Said>) => said('ended', 70, { ...end, endState: 'CANCELLED', ...more });
  rows({
    'is given with its charge': {
      now: 71,
      events: [said('ended', 70, { ...end, endState: 'NODE_FAIL' })],
      state: 'awaiting_cost',
      due: ['usage 10..70', 'close', 'refund node_fail 100 %'],
    },
    'is nothing where the policy is none': {
      now: 71,
      events: [said('ended', 70, { ...end, endState: 'BOOT_FAIL' })],
      state: 'awaiting_cost',
      due: ['usage 10..70', 'close'],
    },
    'of lost time is what it cost since then': {
      now: 71,
      events: [said('ended', 70, { ...end, endState: 'PREEMPTED' })],
      state: 'awaiting_cost',
      due: ['usage 10..70', 'close', 'refund preempted 50 %'],
    },
    'of lost time is all of it where it ran for less': {
      now: 71,
      events: [said('ended', 30, { ...end, endState: 'PREEMPTED' })],
      state: 'awaiting_cost',
      due: ['usage 10..30', 'close', 'refund preempted 100 %'],
    },
    'of lost time counts no time in which it was suspended': {
      now: 71,
      events: [said('suspended', 50), said('resumed', 60), said('ended', 70, { ...end, endState: 'PREEMPTED' })],
      state: 'awaiting_cost',
      due: ['usage 10..50+60..70', 'close', 'refund preempted 40 %'],
    },
    'is given when another record says it after the charge': {
      now: 90,
      events: [said('ended', 70, end), said('ended', 70, { ...end, endState: 'NODE_FAIL', recordedAt: 89 })],
      ...awaited,
      due: ['refund node_fail 100 %'],
      facts: { charges: wasCharged },
    },
    'is given once': {
      now: 90,
      events: [said('ended', 70, { ...end, endState: 'NODE_FAIL' })],
      ...settled,
      facts: refunded(100n),
    },
    'leaves what a person had given back before': {
      now: 90,
      events: [said('ended', 70, { ...end, endState: 'PREEMPTED' })],
      ...settled,
      facts: refunded(60n),
    },
    'is given where root cancelled it': {
      now: 90,
      events: [cancelled({ cancelledBy: '0', uid: 1000 })],
      ...awaited,
      due: ['refund admin_cancel 100 %'],
      facts: { charges: wasCharged },
    },
    'is nothing where its user cancelled it': {
      now: 90,
      events: [cancelled({ cancelledBy: '1000', uid: 1000 })],
      ...settled,
      facts: { charges: wasCharged },
    },
    'is nothing where nobody can say whose it was': {
      now: 90,
      events: [cancelled({ cancelledBy: '1001' })],
      ...settled,
      facts: { charges: wasCharged },
    },
    'is nothing for a run that had ended when its next wait was cancelled': {
      now: 90,
      events: [said('started', 10), said('requeued', 70), said('cancelled', 71, { cancelledBy: '0', uid: 1000 })],
      ...settled,
      facts: { charges: wasCharged },
    },
  });
});
