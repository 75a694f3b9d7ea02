/** What becomes of a job of which too little is told, or whose hold came late. */
import { factsOf, linesOf, minute, said, settle, tell } from './story-house';
import { DAY, GRACE, rows, runKey } from './story-rows';

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
