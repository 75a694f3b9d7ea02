/** `sacct -P`: with a header, without one, and as real logs look. */
import fc from 'fast-check';
import { eventsOf, readColumns, readSacct, type SacctLine, type SacctRecord } from '../../domain/sacct';
import { epochSeconds } from '../helpers/instants';
import { faultOf } from './only-faults';

const ZONE = 'America/New_York';
const HEADER =
  'JobID|User|Account|Partition|Submit|Start|End|Elapsed|State|ExitCode|AllocTRES|ReqMem|Timelimit|NodeList|JobName';

const row = (changes: Partial<Record<string, string>> = {}): string => {
  const fields: Record<string, string> = {
    JobID: '88123',
    User: 'rkaur',
    Account: 'climate-ml',
    Partition: 'gpu',
    Submit: '2026-03-02T08:00:00',
    Start: '2026-03-02T08:05:00',
    End: '2026-03-02T10:05:00',
    Elapsed: '02:00:00',
    State: 'COMPLETED',
    ExitCode: '0:0',
    AllocTRES: 'billing=16,cpu=16,gres/gpu:a100=4,mem=64G,node=2',
    ReqMem: '64G',
    Timelimit: '04:00:00',
    NodeList: 'n[01-02]',
    JobName: 'train-07',
    ...changes,
  };
  return HEADER.split('|')
    .map((name) => fields[name] ?? '')
    .join('|');
};

const read = (lines: string[], columns?: string[]): SacctLine[] => [
  ...readSacct(lines, { timeZone: ZONE, ...(columns ? { columns } : {}) }),
];

function recordOf(changes: Partial<Record<string, string>> = {}): SacctRecord {
  const [line] = read([HEADER, row(changes)]);
  if (!line || 'fault' in line) throw line?.fault ?? new Error('no line');
  return line.record;
}

const typesOf = (changes: Partial<Record<string, string>>) => eventsOf(recordOf(changes)).map(({ type }) => type);

describe('rows', () => {
  test('a row becomes a record, its times in UTC', () => {
    const { fields: _fields, ...record } = recordOf();
    expect(record).toEqual({
      line: 2,
      id: { jobId: '88123', task: '' },
      partition: 'gpu',
      account: 'climate-ml',
      user: 'rkaur',
      name: 'train-07',
      submittedAt: '2026-03-02T13:00:00Z',
      startedAt: '2026-03-02T13:05:00Z',
      endedAt: '2026-03-02T15:05:00Z',
      suspendedSeconds: 0,
      state: { phase: 'ended', endState: 'COMPLETED' },
      exitCode: 0,
      requested: { nodes: 1, cpus: 1, gpus: 0, gpusByModel: {}, memoryMib: 65_536 },
      allocated: { nodes: 2, cpus: 16, gpus: 4, gpusByModel: { a100: 4 }, memoryMib: 65_536 },
      timeLimit: { wallSeconds: 14_400, unlimited: false },
      hasUncertainTime: false,
    });
  });

  test('the order of a header is its own, and columns we do not know are kept', () => {
    const [line] = read(['state|submit|comment|jobid', 'PENDING|2026-03-02T08:00:00|hello|7']);
    expect(line).toMatchObject({ record: { id: { jobId: '7' }, fields: { comment: 'hello' } } });
  });

  test('widths in column names and the trailing bar of sacct -p are understood', () => {
    expect(readColumns('JobID%20,User|State')).toEqual(['JobID', 'User', 'State']);
    const [line] = read(['JobID|State|Submit|', '7|PENDING|2026-03-02T08:00:00|'], ['JobID', 'State', 'Submit']);
    expect(line).toMatchObject({ record: { id: { jobId: '7' } } });
  });

  test('without a header the columns are those of XDMoD', () => {
    const text =
      '165381|165381|phillips|crumpet|q|chaff|chaff|45789|chaff|196224|2016-12-27T20:12:01|2016-12-27T20:12:01|2016-12-27T20:12:01|2017-01-01T20:12:27|5-00:00:26|1:0|TIMEOUT|8|64|64|8000Mn|cpu=64,mem=62.50G,node=8|billing=64,cpu=64,mem=62.50G,node=8|5-00:00:00|cpn-f13-03-[01-02],cpn-f13-04-[01-02]|name';
    const [line] = read([text]);
    expect(line).toMatchObject({
      record: {
        exitCode: 1,
        requested: { memoryMib: 64_000 },
        allocated: { nodes: 8, cpus: 64 },
        timeLimit: { wallSeconds: 432_000 },
      },
    });
  });

  test('a job name may contain the delimiter where it comes last', () => {
    expect(recordOf({ JobName: 'a|b||c' }).name).toBe('a|b||c');
  });

  test('steps, empty lines, repeated headers and line ends of Windows are passed over', () => {
    const lines = read([HEADER, row(), row({ JobID: '88123.batch' }), '', HEADER, `${row({ JobID: '88124' })}\r`]);
    expect(lines.map((line) => ('record' in line ? line.record.id.jobId : line.fault.message))).toEqual([
      '88123',
      '88124',
    ]);
  });

  test('a row that cannot be read says where and why, and stops no other', () => {
    const lines = read([HEADER, row({ Timelimit: 'soon' }), row({ Submit: '2026-02-30T00:00:00' }), 'a|b', row()]);
    expect(lines.map((line) => ('fault' in line ? line.fault.message : 'read'))).toEqual([
      expect.stringMatching(/^line 2: column Timelimit: "soon" is not a time limit; write/),
      expect.stringMatching(/^line 3: column Submit: .* calendar/),
      expect.stringMatching(/^line 4: has 2 fields instead of 15/),
      'read',
    ]);
  });

  test('a log without the columns that a job needs is refused at once', () => {
    expect(faultOf(() => read(['JobID|User', '1|me'])).message).toContain('Submit, State');
    expect(faultOf(() => read([row()], ['User'])).message).toContain('JobID');
  });
});

describe('what did happen', () => {
  test('a job that ran was submitted, started, ended', () => {
    expect(eventsOf(recordOf())).toEqual([
      expect.objectContaining({ type: 'submitted', at: '2026-03-02T13:00:00Z', timeLimitSeconds: 14_400 }),
      expect.objectContaining({ type: 'started', at: '2026-03-02T13:05:00Z', startedAt: '2026-03-02T13:05:00Z' }),
      expect.objectContaining({ type: 'ended', at: '2026-03-02T15:05:00Z', endState: 'COMPLETED', exitCode: 0 }),
    ]);
  });

  test('a job that never got a node did not start, whatever its start time says', () => {
    const waiting = {
      State: 'CANCELLED by 7',
      NodeList: 'None assigned',
      Start: '2026-03-02T10:05:00',
      Elapsed: '00:00:00',
    };
    expect(typesOf(waiting)).toEqual(['submitted', 'cancelled']);
    expect(typesOf({ ...waiting, Start: 'Unknown' })).toEqual(['submitted', 'cancelled']);
    expect(typesOf({ ...waiting, Start: 'None' })).toEqual(['submitted', 'cancelled']);
  });

  test('a job still running has not ended, one still waiting has not started', () => {
    expect(typesOf({ State: 'RUNNING', End: 'Unknown' })).toEqual(['submitted', 'started']);
    expect(typesOf({ State: 'PENDING', Start: 'Unknown', End: 'Unknown', NodeList: 'None assigned' })).toEqual([
      'submitted',
    ]);
    // Slurm guesses the start of a waiting job.
    expect(typesOf({ State: 'PENDING', Start: '2026-03-03T00:00:00', End: 'Unknown' })).toEqual(['submitted']);
  });

  test('a requeued run is a run that will come again', () => {
    expect(typesOf({ State: 'REQUEUED' })).toEqual(['submitted', 'started', 'requeued']);
  });

  test('array tasks and heterogeneous components keep the id of their job', () => {
    expect(eventsOf(recordOf({ JobID: '88123_4' }))[0]).toMatchObject({ jobId: '88123', task: '4' });
    expect(eventsOf(recordOf({ JobID: '88123+1' }))[0]).toMatchObject({ jobId: '88123', task: '+1' });
  });

  test('what sacct does not count as elapsed was suspended', () => {
    expect(recordOf({ Elapsed: '01:30:00' }).suspendedSeconds).toBe(1800);
    expect(eventsOf(recordOf({ Elapsed: '01:30:00' })).at(-1)).toMatchObject({ suspendedSeconds: 1800 });
  });

  test('a signal is an exit code as a shell would say it', () => {
    expect(recordOf({ ExitCode: '0:9' }).exitCode).toBe(137);
    expect(recordOf({ ExitCode: '2:0' }).exitCode).toBe(2);
  });
});

describe('the hour that comes twice', () => {
  test('takes its first reading and is flagged, unless how long the job ran says which it was', () => {
    const times = { Start: '2026-11-01T01:30:00', End: '2026-11-01T04:00:00' };
    const first = { startedAt: '2026-11-01T05:30:00Z', suspendedSeconds: 0 };
    expect(recordOf({ ...times, Elapsed: '' })).toMatchObject({ ...first, hasUncertainTime: true });
    expect(recordOf({ ...times, Elapsed: '03:30:00' })).toMatchObject({ ...first, hasUncertainTime: false });
    const second = { startedAt: '2026-11-01T06:30:00Z', suspendedSeconds: 0, hasUncertainTime: false };
    expect(recordOf({ ...times, Elapsed: '02:30:00' })).toMatchObject(second);
  });

  test('never ends a job before it began', () => {
    const record = recordOf({ Start: '2026-11-01T01:50:00', End: '2026-11-01T01:10:00', Elapsed: '00:20:00' });
    expect(record).toMatchObject({ startedAt: '2026-11-01T05:50:00Z', endedAt: '2026-11-01T06:10:00Z' });
  });

  test('is no question where the log says its offset or epoch seconds', () => {
    expect(recordOf({ Start: '2026-11-01T01:30:00-0500' }).startedAt).toBe('2026-11-01T06:30:00Z');
    expect(recordOf({ Start: '1793514600' }).startedAt).toBe('2026-11-01T06:30:00Z');
  });
});

test('whatever the lines, each is a record, a fault or nothing', () =>
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.string(),
          fc.array(fc.string(), { minLength: 15, maxLength: 15 }).map((f) => f.join('|')),
        ),
        { maxLength: 8 },
      ),
      (lines) => {
        for (const line of readSacct([HEADER, ...lines.filter((text) => !/jobid/i.test(text))], { timeZone: ZONE })) {
          if ('record' in line) expect(epochSeconds(line.record.submittedAt)).not.toBeNaN();
          else expect(line.fault.message).toContain(`line ${line.line}`);
        }
      },
    ),
  ));
