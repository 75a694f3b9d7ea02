/** Jobs of several parts: arrays and heterogeneous jobs. */
import { factsOf, holdOf, linesOf, minute, nodes, said, settle, tell, type Said } from './story-house';
import { DAY, charged, rows, runKey } from './story-rows';

describe('an array', () => {
  const three = { arrayTasks: 3 };
  const task = (name: string, type: Said['type'], at: number, more: Partial<Said> = {}) =>
    said(type, at, { task: name, ...more });
  const one = [task('1', 'started', 10), task('1', 'ended', 40)];
  rows({
    'settles each task as it ends and holds for the rest': {
      now: 41,
      events: one,
      state: 'pending',
      hold: three,
      due: ['1: usage 10..40', 'resize tasks x2'],
    },
    'waits for the tasks that nobody has heard of': {
      now: 41,
      events: one,
      state: 'pending',
      hold: three,
      facts: {
        charges: [charged(runKey(10, '1_1'), { startedAt: minute(10) })],
        handledThrough: 2n,
      },
      waitsFor: '2 more tasks of job 1 to start',
      until: 40 + DAY,
    },
    'closes when all of its tasks have ended, a cancelled pending one among them': {
      now: 90,
      events: [...one, task('2', 'started', 20), task('2', 'ended', 80), task('3', 'cancelled', 50)],
      state: 'awaiting_cost',
      hold: three,
      due: ['1: usage 10..40', '2: usage 20..80', 'close'],
    },
    'cancelled as a whole ends the tasks that nobody has heard of, and those that run': {
      now: 90,
      events: [...one, task('2', 'started', 20), said('cancelled', 50)],
      state: 'awaiting_cost',
      hold: three,
      due: ['1: usage 10..40', '2: usage 20..50', 'close'],
    },
    'of which the waiting tasks were cancelled goes on with those that run': {
      now: 60,
      events: [...one, task('2', 'started', 20), said('cancelled', 50, { onlyWaiting: true })],
      state: 'running',
      hold: three,
      facts: { charges: [charged(runKey(10, '1_1'), { startedAt: minute(10) })], handledThrough: 4n },
      waitsFor: 'job 1_2 to end',
    },
    'of which one task was requeued is topped up for it': {
      now: 90,
      events: [...one, task('2', 'started', 20), task('2', 'requeued', 50)],
      state: 'pending',
      hold: three,
      facts: { charges: [charged(runKey(10, '1_1'), { startedAt: minute(10) })], handledThrough: 3n },
      due: ['2: usage 20..50', 'resize requeue x2'],
    },
    'whose cost is reported as one number has it divided over its runs when all have ended': {
      now: 90,
      events: [...one, task('2', 'started', 20), task('2', 'ended', 80), said('cost', 85, { cost: '9' })],
      state: 'awaiting_cost',
      hold: { arrayTasks: 2, costSource: 'reported' },
      due: ['spread 9 over 2', 'close'],
    },
    'reconciled by hand is over': {
      now: 90,
      events: [...one, said('cost', 85, { cost: '9', final: true })],
      state: 'awaiting_cost',
      hold: three,
      due: ['spread 9 over 1', 'close'],
    },
  });
});

describe('a heterogeneous job', () => {
  const holds = [holdOf(), holdOf({ holdNo: 2n, holdId: 'txn_2', resources: nodes(4) })];

  test('runs and ends as its leader does', () => {
    const story = tell(factsOf(80, [said('started', 10), said('ended', 70)], { holds }));
    expect(linesOf(story)).toEqual(['usage 10..70', 'close', '+1: usage 10..70', 'close 2']);
    expect(story.runs.map((run) => run.runKey)).toEqual([runKey(10), runKey(10, '1+1')]);
    expect(story.due.flatMap((due) => (due.act === 'charge' ? [due.run.asked?.nodes] : []))).toEqual([1, 4]);
  });

  test('lets a component end for itself', () => {
    const events = [said('started', 10), said('ended', 40, { task: '+1', startedAt: 10 })];
    const { facts, story } = settle(factsOf(41, events, { holds }));
    expect(facts.holds.map(({ status }) => status)).toEqual(['open', 'settled']);
    expect(story.state).toBe('running');
    expect(story.isOver).toBe(false);
  });

  test('hears of a component under an id of its own', () => {
    const own = { jobId: '2', holdNo: 2n };
    const events = [said('started', 10), said('started', 11, own), said('ended', 50, own), said('ended', 70)];
    const story = tell(factsOf(80, events, { holds }));
    expect(linesOf(story)).toEqual(['usage 10..70', 'close', 'usage 11..50', 'close 2']);
  });

  test('cancelled while it waited gives back every component', () => {
    expect(linesOf(tell(factsOf(10, [said('cancelled', 5)], { holds })))).toEqual(['close', 'close 2']);
  });

  test('whose cost is one number has it divided over its components', () => {
    const events = [said('started', 10), said('ended', 70), said('cost', 75, { cost: '5' })];
    expect(linesOf(tell(factsOf(80, events, { holds })))).toEqual(['spread 5 over 2', 'close', 'close 2']);
  });
});
