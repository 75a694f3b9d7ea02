/** From events and the clock to what is due: one table a subject. Times are minutes after the hold was placed. */
import type { JobState } from '../../domain/job';
import type { StoryCharge } from '../../domain/run-charges';
import type { StoryFacts, StoryOptions } from '../../domain/story';
import type { StoryHold } from '../../domain/tasks';
import { factsOf, holdOf, linesOf, minute, minutesOf, nodes, said, settle, tell, type Said } from './story-house';

const DAY = 24 * 60;
const GRACE = 5;

interface Row {
  now: number;
  events: Said[];
  state: JobState;
  due?: string[];
  until?: number;
  waitsFor?: string;
  hold?: Partial<StoryHold>;
  facts?: Partial<StoryFacts>;
  options?: Partial<StoryOptions>;
}

function expectStory({ now, events, state, due = [], until, waitsFor, hold, facts, options }: Row): void {
  const story = tell(factsOf(now, events, { ...facts, ...(hold ? { hold } : {}) }), options);
  expect(linesOf(story)).toEqual(due);
  expect(story.state).toBe(state);
  if (waitsFor !== undefined) expect(story.waitsFor).toBe(waitsFor);
  if (until !== undefined) expect(minutesOf(story.deadline)).toBe(until);
}

const charged = (runKey: string, more: Partial<StoryCharge> = {}): StoryCharge => ({
  runKey,
  holdNo: 1n,
  isReported: false,
  amount: 100n,
  refunded: 0n,
  ...more,
});

const runKey = (start: number | '-', job = '1', submit: number | '-' = '-') => {
  const seconds = (at: number | '-') => (at === '-' ? '-' : (minute(at) / 1_000_000n).toString());
  return `hpc/${job}/${seconds(submit)}/${seconds(start)}`;
};

const rows = (table: Record<string, Row>) => test.each(Object.entries(table))('%s', (_name, row) => expectStory(row));

describe('an ordinary job', () => {
  rows({
    'waits to start until the reconciliation timeout': {
      now: 1,
      events: [],
      state: 'pending',
      waitsFor: 'the job to start',
      until: DAY,
    },
    'waits to start by its id once an event has said it': {
      now: 3,
      events: [said('submitted', 2)],
      state: 'pending',
      waitsFor: 'job 1 to start',
      until: 2 + DAY,
    },
    'runs until its time limit and a grace': {
      now: 11,
      events: [said('started', 10)],
      state: 'running',
      waitsFor: 'job 1 to end',
      until: 10 + 240 + GRACE,
    },
    'that was given a shorter limit is looked for earlier': {
      now: 11,
      events: [said('started', 10, { timeLimitSeconds: 3600 })],
      state: 'running',
      until: 10 + 60 + GRACE,
    },
    'that ended is charged for its run, and its hold closed': {
      now: 71,
      events: [said('started', 10), said('ended', 70, { endState: 'COMPLETED' })],
      state: 'awaiting_cost',
      due: ['usage 10..70', 'close'],
    },
    'is settled by the record of its end alone': {
      now: 71,
      events: [said('ended', 70, { startedAt: 10 })],
      state: 'awaiting_cost',
      due: ['usage 10..70', 'close'],
    },
    'cancelled before it started gives the hold back': {
      now: 6,
      events: [said('submitted', 0), said('cancelled', 5)],
      state: 'awaiting_cost',
      due: ['close'],
    },
    'ended as cancelled without a start never ran': {
      now: 6,
      events: [said('ended', 5, { endState: 'CANCELLED' })],
      state: 'awaiting_cost',
      due: ['close'],
    },
    'cancelled while it ran is charged until then': {
      now: 31,
      events: [said('started', 10), said('cancelled', 30)],
      state: 'awaiting_cost',
      due: ['usage 10..30', 'close'],
    },
    'that ended although nobody said when it started waits for somebody who knows': {
      now: 71,
      events: [said('ended', 70, { endState: 'COMPLETED' })],
      state: 'awaiting_cost',
      waitsFor: 'somebody to say when job 1 started, or what it cost',
      until: 70 + DAY,
    },
    'whose two records of the end differ keeps the first': {
      now: 200,
      events: [said('started', 10), said('ended', 70, { startedAt: 10 }), said('ended', 190, { startedAt: 10 })],
      state: 'awaiting_cost',
      due: ['usage 10..70', 'close'],
    },
    "whose prolog's clock lags behind the accounting has run once": {
      now: 71,
      events: [said('started', 10.5), said('ended', 70, { startedAt: 10 })],
      state: 'awaiting_cost',
      due: ['usage 10..70', 'close'],
    },
    'of ten seconds whose start was stamped on arrival has run once': {
      now: 12,
      events: [said('ended', 10.25, { startedAt: 10 }), said('started', 10.5)],
      state: 'awaiting_cost',
      due: ['usage 10..10.25', 'close'],
    },
  });
});

describe('an end that another clock puts before the start', () => {
  const again = [said('started', 10), said('requeued', 40)];
  const second = { charges: [charged(runKey(10), { startedAt: minute(10) })], handledThrough: 2n };
  rows({
    'closes that run with length zero': {
      now: 71,
      events: [said('started', 10), said('ended', 10 - 1 / 60, { endState: 'COMPLETED' })],
      state: 'awaiting_cost',
      due: ['usage nothing', 'close'],
    },
    'closes it as well where the end is a cancellation': {
      now: 71,
      events: [said('started', 10), said('cancelled', 9)],
      state: 'awaiting_cost',
      due: ['usage nothing', 'close'],
    },
    'by more than clocks differ is no end of it': {
      now: 71,
      events: [said('started', 10), said('ended', 9 - 1 / 60)],
      state: 'running',
    },
    'and says itself when the run started is taken at its word': {
      now: 71,
      events: [said('started', 10), said('ended', 10 - 1 / 60, { startedAt: 9.5 })],
      state: 'awaiting_cost',
      due: [`usage 9.5..${10 - 1 / 60}`, 'close'],
    },
    'and names that very start closes the run and the hold': {
      now: 71,
      events: [said('started', 10), said('ended', 10 - 1 / 60, { startedAt: 10 })],
      state: 'awaiting_cost',
      due: ['usage nothing', 'close'],
    },
    'leaves the run to the end that comes after its start': {
      now: 71,
      events: [said('started', 10), said('ended', 10 - 1 / 60), said('ended', 70, { startedAt: 10 })],
      state: 'awaiting_cost',
      due: ['usage 10..70', 'close'],
    },
    'of the second run closes the second': {
      now: 71,
      events: [...again, said('started', 60), said('ended', 60 - 1 / 60)],
      state: 'awaiting_cost',
      due: ['usage nothing', 'close'],
      facts: second,
    },
    'of the second run is that of the first while the first has none': {
      now: 71,
      events: [said('started', 10), said('started', 60), said('ended', 60 - 1 / 60)],
      state: 'running',
      due: [`usage 10..${60 - 1 / 60}`, 'resize requeue x1'],
    },
    'of the second run may be the end of the first told twice, which closes nothing': {
      now: 71,
      events: [...again, said('ended', 40 + 1 / 60, { endState: 'NODE_FAIL' }), said('started', 40.5)],
      state: 'running',
      facts: second,
      due: ['resize requeue x1', 'refund node_fail 100 %'],
    },
    'and before a requeue is that of a run whose start nobody told': {
      now: 71,
      events: [said('ended', 9.5, { endState: 'PREEMPTED' }), said('requeued', 9.75), said('started', 10)],
      state: 'running',
    },
  });
});

describe('suspended time', () => {
  rows({
    'is not charged': {
      now: 200,
      events: [said('started', 10), said('suspended', 30), said('resumed', 90), said('ended', 130)],
      state: 'awaiting_cost',
      due: ['usage 10..30+90..130', 'close'],
    },
    'is not charged up to an end that came while it lasted': {
      now: 200,
      events: [said('started', 10), said('suspended', 30), said('ended', 130)],
      state: 'awaiting_cost',
      due: ['usage 10..30', 'close'],
    },
    'moves the deadline of the run': {
      now: 100,
      events: [said('started', 10), said('suspended', 30), said('resumed', 90)],
      state: 'running',
      until: 10 + 240 + 60 + GRACE,
    },
    'while it lasts, the job waits to be resumed': {
      now: 100,
      events: [said('started', 10), said('suspended', 30)],
      state: 'suspended',
      waitsFor: 'job 1 to be resumed',
      until: 30 + DAY,
    },
  });
});

describe('a requeue', () => {
  const again = [said('started', 10), said('requeued', 40)];
  rows({
    'charges the closed run and tops the hold up': {
      now: 41,
      events: again,
      state: 'pending',
      due: ['usage 10..40', 'resize requeue x1'],
    },
    'leaves the job waiting to run again': {
      now: 41,
      events: again,
      state: 'pending',
      waitsFor: 'job 1 to run again',
      until: 40 + DAY,
      facts: { charges: [charged(runKey(10), { startedAt: minute(10) })], handledThrough: 2n },
    },
    'has a second run, charged for itself': {
      now: 200,
      events: [...again, said('started', 60), said('ended', 120, { startedAt: 60 })],
      state: 'awaiting_cost',
      due: ['usage 60..120', 'close'],
      facts: { charges: [charged(runKey(10), { startedAt: minute(10) })], handledThrough: 3n },
    },
    'and an end that do not name a start are those of the latest run that had begun': {
      now: 200,
      events: [...again, said('started', 60), said('ended', 120)],
      state: 'awaiting_cost',
      due: ['usage 10..40', 'usage 60..120', 'close'],
    },
    'told of after the end of the run was recorded does not make that run longer': {
      now: 60,
      events: [said('started', 10), said('ended', 40, { startedAt: 10 }), said('requeued', 50, { startedAt: 10 })],
      state: 'pending',
      due: ['usage 10..40', 'resize requeue x1'],
    },
    'that was cancelled while it waited is over': {
      now: 51,
      events: [...again, said('cancelled', 50)],
      state: 'awaiting_cost',
      due: ['close'],
      facts: { charges: [charged(runKey(10), { startedAt: minute(10) })], handledThrough: 2n },
    },
    'nobody told of shows in a second start; the first run ends there after a grace': {
      now: 100,
      events: [said('started', 10), said('started', 80)],
      state: 'running',
      due: ['usage 10..80', 'resize requeue x1'],
    },
    'by a preemption or a failed node closes the run, not the job': {
      now: 41,
      events: [said('started', 10), said('node_failed', 40)],
      state: 'pending',
      due: ['usage 10..40', 'resize requeue x1', 'refund node_fail 100 %'],
    },
    'that never comes after a failed node: the end that is recorded later is the end': {
      now: 61,
      events: [
        said('started', 10),
        said('node_failed', 40),
        said('ended', 41, { startedAt: 10, endState: 'NODE_FAIL' }),
      ],
      state: 'awaiting_cost',
      due: ['usage 10..40', 'close', 'refund node_fail 100 %'],
    },
  });
});

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

describe('a changed time limit', () => {
  rows({
    'resizes the hold of a job that waits': {
      now: 3,
      events: [said('submitted', 0), said('resized', 2, { timeLimitSeconds: 8 * 3600 })],
      state: 'pending',
      due: ['resize walltime x1'],
    },
    'resizes the hold of a job that runs, and moves its deadline': {
      now: 31,
      events: [said('started', 10), said('resized', 30, { timeLimitSeconds: 8 * 3600 })],
      state: 'running',
      due: ['resize walltime x1'],
    },
    'is acted on once': {
      now: 31,
      events: [said('started', 10), said('resized', 30, { timeLimitSeconds: 8 * 3600 })],
      state: 'running',
      until: 10 + 480 + GRACE,
      facts: { handledThrough: 2n },
    },
    'of nodes cuts the run where they changed': {
      now: 200,
      events: [
        said('started', 10, { resources: nodes(4) }),
        said('resized', 40, { resources: nodes(2) }),
        said('ended', 70),
      ],
      state: 'awaiting_cost',
      due: ['usage 10..40+40..70', 'close'],
    },
  });
});

describe('when nobody says what became of a job', () => {
  const running = [said('started', 10)];
  rows({
    'that should have ended, it is overdue': {
      now: 10 + 240 + GRACE,
      events: running,
      state: 'overdue',
      due: ['overdue'],
    },
    'and there is nobody to ask, it is given up at twice the timeout after it was last heard of': {
      now: 10 + 2 * DAY,
      events: running,
      state: 'overdue',
      due: ['close'],
      hold: { overdueAt: minute(300) },
    },
    'but not a minute before': {
      now: 10 + 2 * DAY - 1,
      events: running,
      state: 'overdue',
      waitsFor: 'anybody to say what became of job 1',
      until: 10 + 2 * DAY,
      hold: { overdueAt: minute(300) },
    },
    'and never started, it is given up as well': { now: 2 * DAY, events: [], state: 'overdue', due: ['close'] },
    'whose end is on record without a start, it is given up then as well': {
      now: 70 + 2 * DAY,
      events: [said('ended', 70, { endState: 'COMPLETED' })],
      state: 'overdue',
      due: ['close'],
      hold: { overdueAt: minute(300) },
    },
    'because the scheduler cannot be reached, the hold is kept': {
      now: 100 * DAY,
      events: running,
      state: 'overdue',
      options: { scheduler: 'unreachable' },
      hold: { overdueAt: minute(300) },
      waitsFor: 'the scheduler to say what became of job 1',
      until: 100 * DAY + 60,
    },
    'and the scheduler was asked and knows it, it goes on': {
      now: 300,
      events: running,
      state: 'running',
      options: { scheduler: 'asked' },
      until: 360,
    },
    'and the scheduler was asked and has never heard of it, the hold comes back': {
      now: DAY,
      events: [],
      state: 'overdue',
      options: { scheduler: 'asked' },
      due: ['close'],
    },
    'news take the mark away again': {
      now: 301,
      events: [...running, said('suspended', 300)],
      state: 'suspended',
      due: ['heard of again'],
      hold: { overdueAt: minute(290) },
    },
    'what arrives for it later is charged without its hold': {
      now: 4 * DAY,
      events: [...running, said('ended', 100, { recordedAt: 4 * DAY })],
      state: 'awaiting_cost',
      due: ['usage 10..100'],
      hold: { status: 'released' },
    },
  });
});

describe('a run whose end is on record, but not its start', () => {
  const endedOnly = [said('ended', 70, { endState: 'COMPLETED' })];
  const late = 70 + 2 * DAY;
  const reasonOf = (story: ReturnType<typeof tell>) =>
    story.due.map((due) => (due.act === 'close' ? due.reason : due.act));

  test('is given up with what is known of it, and stays in quarantine', () => {
    const story = tell(factsOf(late, endedOnly, { hold: { overdueAt: minute(300) } }));
    expect(reasonOf(story)).toEqual(['Job 1 ended at 2026-03-02T13:10:00Z, but nobody has said when it began']);
    expect(story.hasRunOfUnknownLength).toBe(true);
    const after = settle(factsOf(late, endedOnly)).story;
    expect(after).toMatchObject({ state: 'released', isOver: true, hasRunOfUnknownLength: true });
  });

  test('is in no quarantine while its start is waited for', () => {
    expect(tell(factsOf(late - 1, endedOnly)).hasRunOfUnknownLength).toBe(false);
  });

  test('counts the other tasks that are like it', () => {
    const events = ['1', '2', '3'].map((task) => said('ended', 70, { task }));
    const story = tell(factsOf(late, events, { hold: { arrayTasks: 3, overdueAt: minute(300) } }));
    expect(reasonOf(story)).toEqual([
      'Job 1_1 ended at 2026-03-02T13:10:00Z, but nobody has said when it began (nor when 2 more of its tasks that ended did)',
    ]);
  });

  test.each([
    ['its start', said('started', 10), 'usage 10..70'],
    ['its cost', said('cost', 80, { cost: '12.5' }), 'reported 12.5'],
  ])('leaves the quarantine charged when somebody says %s', (_what, news, charge) => {
    const story = tell(factsOf(late + 1, [...endedOnly, news], { hold: { status: 'released' } }));
    expect(linesOf(story)).toEqual([charge]);
    expect(story.hasRunOfUnknownLength).toBe(false);
  });

  test.each(['CANCELLED', 'DEADLINE', 'BOOT_FAIL'] as const)(
    'is none where it ended as %s: it never ran',
    (endState) => {
      const { story } = settle(factsOf(71, [said('ended', 70, { endState })]));
      expect(story).toMatchObject({ state: 'released', hasRunOfUnknownLength: false });
    },
  );

  test('is none that anybody could name where nothing was heard of the job at all', () => {
    const story = tell(factsOf(late, [], { hold: { overdueAt: minute(300) } }));
    expect(reasonOf(story)).toEqual(['Nobody could say what became of the job']);
    expect(story.hasRunOfUnknownLength).toBe(false);
  });
});

describe('the past', () => {
  // A log that is read a year later: by the clock of its events everything is long over.
  const YEAR = 365 * DAY;
  rows({
    'is ordinary: a job that was placed a year ago is waited for a grace from when it was told': {
      now: YEAR,
      events: [],
      state: 'pending',
      hold: { placedAt: minute(YEAR) },
      until: YEAR + GRACE,
    },
    'has deadlines by its arrival': {
      now: YEAR + 1,
      events: [said('started', 10, { recordedAt: YEAR })],
      state: 'running',
      hold: { placedAt: minute(YEAR) },
      until: YEAR + GRACE,
    },
    'is given up by its arrival as well': {
      now: YEAR + 2 * DAY - 1,
      events: [said('started', 10, { recordedAt: YEAR })],
      state: 'overdue',
      hold: { placedAt: minute(YEAR), overdueAt: minute(YEAR) },
      until: YEAR + 2 * DAY,
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

test('a hold opened late is closed when its job turns out to have another', () => {
  expect(linesOf(tell(factsOf(10, [], { hold: { late: true } })))).toEqual(['close']);
});

test('a hold opened late is never topped up: it holds nothing on purpose', () => {
  const story = tell(factsOf(60, [said('started', 10), said('requeued', 40)], { hold: { late: true } }));
  expect(linesOf(story)).toEqual(['usage 10..40']);
});

test('a run that another story has charged is left alone', () => {
  const story = tell(factsOf(80, [said('started', 10), said('ended', 70)]), {
    chargedElsewhere: new Set([runKey(10)]),
  });
  expect(linesOf(story)).toEqual(['close']);
});

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
