/** From events and the clock to what is due: jobs whose starts, pauses and ends are told. */
import { minute, nodes, said } from './story-house';
import { DAY, GRACE, charged, rows, runKey } from './story-rows';

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

describe('an end that was charged to the arrival of who told of it', () => {
  const guessed = [said('started', 10), said('ended', 70, { startedAt: 10, atArrival: true })];
  const settled = {
    now: 90,
    hold: { status: 'settled' as const },
    facts: { charges: [charged(runKey(10), { startedAt: minute(10), endedAt: minute(70) })], handledThrough: 2n },
  };
  rows({
    'is corrected by who knows of another time': {
      ...settled,
      events: [...guessed, said('ended', 65, { startedAt: 10, recordedAt: 80 })],
      state: 'awaiting_cost',
      due: ['corrected usage 10..65'],
    },
    'and needs no correction where it was guessed right': {
      ...settled,
      events: [...guessed, said('ended', 70, { startedAt: 10, recordedAt: 80 })],
      state: 'settled',
      due: [],
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
  const [first, second] = [{ submittedAt: minute(9) }, { submittedAt: minute(11) }];
  rows({
    'in the second in which the prolog of the run was heard leaves no run of that prolog behind': {
      now: 200,
      events: [
        said('started', 11, first),
        said('requeued', 11, { ...first, startedAt: 10.75 }),
        said('started', 60, second),
        said('ended', 120, { ...second, atArrival: true }),
      ],
      state: 'awaiting_cost',
      due: ['usage 10.75..11', 'usage 60..120', 'close'],
    },
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
    'after a failed node is not denied by an epilog, which knows no more than that a run ended': {
      now: 41,
      events: [
        said('started', 10),
        said('node_failed', 40, { startedAt: 10 }),
        said('ended', 40.1, { atArrival: true }),
      ],
      state: 'pending',
      due: ['usage 10..40', 'resize requeue x1', 'refund node_fail 100 %'],
    },
    'of a job that had ended for good shows in its second submission': {
      now: 61,
      events: [
        said('ended', 40, { startedAt: 10, submittedAt: minute(0) }),
        said('submitted', 60, { submittedAt: minute(60) }),
      ],
      state: 'pending',
      due: ['usage 10..40', 'resize requeue x1'],
    },
    'that is told of when its hold is closed opens it again': {
      now: 42,
      events: [
        said('ended', 40.1, { startedAt: 10, submittedAt: minute(0), atArrival: true }),
        said('submitted', 40, { submittedAt: minute(40) }),
        said('node_failed', 40, { startedAt: 10, submittedAt: minute(0) }),
      ],
      state: 'awaiting_cost',
      due: ['reopen requeue x1'],
      hold: { status: 'settled' },
      facts: { charges: [charged(runKey(10, '1', 0), { startedAt: minute(10), refunded: 100n })], handledThrough: 2n },
    },
    'leaves a hold closed that a person gave back': {
      now: 42,
      events: [
        said('node_failed', 40, { startedAt: 10, submittedAt: minute(0) }),
        said('submitted', 40, { submittedAt: minute(40) }),
      ],
      state: 'settled',
      hold: { status: 'settled', closedByHand: true },
      facts: { charges: [charged(runKey(10, '1', 0), { startedAt: minute(10), refunded: 100n })] },
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
