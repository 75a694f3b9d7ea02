/** What is due where somebody reports a cost, and where there is no price. */
import { minute, said } from './story-house';
import { DAY, charged, rows, runKey } from './story-rows';

describe('a reported cost', () => {
  const ended = [said('started', 10), said('ended', 70)];
  const reported = { costSource: 'reported' as const };
  rows({
    'is waited for after the end': {
      now: 71,
      events: ended,
      state: 'awaiting_cost',
      hold: reported,
      waitsFor: 'the cost of job 1 to be reported',
      until: 70 + DAY,
    },
    settles: {
      now: 80,
      events: [...ended, said('cost', 79, { cost: '12.5' })],
      state: 'awaiting_cost',
      hold: reported,
      due: ['reported 12.5', 'close'],
    },
    'that comes with the record of the end settles at once': {
      now: 71,
      events: [said('ended', 70, { startedAt: 10, cost: '12.5' })],
      state: 'awaiting_cost',
      hold: reported,
      due: ['reported 12.5', 'close'],
    },
    'that does not come in time leaves a provisional charge': {
      now: 70 + DAY,
      events: ended,
      state: 'awaiting_cost',
      hold: reported,
      due: ['provisional 10..70', 'close'],
    },
    'after the settlement adjusts it': {
      now: 3000,
      events: [...ended, said('cost', 2999, { cost: '12.5' })],
      state: 'awaiting_cost',
      hold: { ...reported, status: 'settled' },
      due: ['reported 12.5'],
      facts: { charges: [charged(runKey(10), { startedAt: minute(10) })] },
    },
    'that differs from the first is not applied': {
      now: 3000,
      events: [...ended, said('cost', 80, { cost: '12.5' }), said('cost', 90, { cost: '13' })],
      state: 'settled',
      hold: { ...reported, status: 'settled' },
      facts: { charges: [charged(runKey(10), { startedAt: minute(10), isReported: true })] },
    },
    'that is a correction is': {
      now: 3000,
      events: [...ended, said('cost', 80, { cost: '12.5' }), said('cost', 90, { cost: '13', correction: true })],
      state: 'awaiting_cost',
      hold: { ...reported, status: 'settled' },
      due: ['reported 13'],
      facts: { charges: [charged(runKey(10), { startedAt: minute(10), isReported: true })], handledThrough: 3n },
    },
    'before the end is charged, and the end closes the hold': {
      now: 30,
      events: [said('started', 10), said('cost', 20, { cost: '12.5' })],
      state: 'running',
      due: ['reported 12.5'],
    },
    'reconciled by hand ends a job of which nothing else is known': {
      now: 30,
      events: [said('cost', 20, { cost: '12.5', final: true })],
      state: 'awaiting_cost',
      due: ['reported 12.5', 'close'],
    },
    'charged before the start was known belongs to the run that then appears': {
      now: 80,
      events: [said('cost', 20, { cost: '12.5' }), ...ended],
      state: 'awaiting_cost',
      due: ['close'],
      facts: { charges: [charged(runKey('-'), { isReported: true })] },
    },
    'of a run that its start names is for that run': {
      now: 100,
      events: [
        said('started', 10),
        said('requeued', 40),
        said('started', 60),
        said('cost', 90, { cost: '3', startedAt: 10 }),
      ],
      state: 'running',
      due: ['reported 3', 'resize requeue x1'],
    },
  });
});

describe('a run without a price', () => {
  const ended = [said('started', 10), said('ended', 70)];
  rows({
    'is quarantined and keeps its hold': {
      now: 71,
      events: ended,
      state: 'quarantined',
      options: { unpriced: new Set([runKey(10)]) },
      waitsFor: 'a price for job 1',
      until: 71 + 60,
    },
    'is charged once there is one': { now: 500, events: ended, state: 'awaiting_cost', due: ['usage 10..70', 'close'] },
    'is settled by a cost that somebody reports': {
      now: 500,
      events: [...ended, said('cost', 499, { cost: '7' })],
      state: 'awaiting_cost',
      options: { unpriced: new Set([runKey(10)]) },
      due: ['reported 7', 'close'],
    },
  });
});
