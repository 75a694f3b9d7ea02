/** The quick reader of runs says what the reader of single records says, and knows what is no run. */
import fc from 'fast-check';
import { readSacct } from '../../domain/sacct';
import { openRunReader, type SacctRun } from '../../domain/sacct-runs';
import { joinJobId } from '../../domain/slurm-job';
import { epochMicros } from '../../domain/time';
import { faultOf } from './only-faults';

const COLUMNS = [
  'JobID',
  'Cluster',
  'Account',
  'Partition',
  'User',
  'Submit',
  'Start',
  'End',
  'Elapsed',
  'State',
  'AllocTRES',
  'ReqTRES',
  'ReqMem',
  'NNodes',
  'NCPUS',
  'NodeList',
];
const HEADER = COLUMNS.join('|');

const row = (changes: Partial<Record<string, string>> = {}): string => {
  const fields: Record<string, string> = {
    JobID: '88123',
    Cluster: 'eagle',
    Account: 'climate',
    Partition: 'gpu',
    User: 'rkaur',
    Submit: '2026-03-02T08:00:00',
    Start: '2026-03-02T08:05:00',
    End: '2026-03-02T10:05:00',
    State: 'COMPLETED',
    AllocTRES: 'billing=16,cpu=16,gres/gpu:a100=4,mem=64G,node=2',
    NodeList: 'n[01-02]',
    ...changes,
  };
  return COLUMNS.map((name) => fields[name] ?? '').join('|');
};

const read = (text: string, timeZone = 'America/New_York') => {
  const reader = openRunReader({ timeZone, cluster: 'eagle' });
  reader.read(HEADER, 1);
  return reader.read(text, 2);
};
const runOf = (changes: Partial<Record<string, string>> = {}): SacctRun => {
  const run = read(row(changes));
  if (run === undefined || typeof run === 'string') throw new Error(`no run: ${run}`);
  return run;
};

const seconds = (from: string, to: string) => fc.integer({ min: Date.parse(from) / 1000, max: Date.parse(to) / 1000 });
const clock = (at: number) => new Date(at * 1000).toISOString().slice(0, 19);

test('of any run, on days on which clocks are set too, both readers say the same', () => {
  const zones = [
    'America/New_York',
    'Europe/Berlin',
    'Australia/Lord_Howe',
    'UTC',
    'Asia/Kathmandu',
    'America/Sao_Paulo',
  ];
  const tres = [
    'billing=16,cpu=16,gres/gpu:a100=4,mem=64G,node=2',
    'cpu=1,mem=62.50G,node=1',
    'cpu=4',
    '',
    '1=8,2=4096,4=2',
  ];
  const times = fc.oneof(
    seconds('2026-03-07', '2026-03-10'),
    seconds('2026-10-24', '2026-10-26'),
    seconds('2026-11-01', '2026-11-02'),
    seconds('2018-11-03', '2018-11-05'),
    seconds('2020-01-01', '2026-12-31'),
  );
  fc.assert(
    fc.property(
      fc.constantFrom(...zones),
      times,
      fc.nat(200_000),
      fc.option(fc.nat(7200), { nil: undefined }),
      fc.constantFrom(...tres),
      fc.constantFrom(...tres),
      fc.constantFrom('123', '123_4', '123+1'),
      (zone, start, lasted, elapsed, alloc, req, id) => {
        const text = row({
          JobID: id,
          Submit: clock(start - 60),
          Start: clock(start),
          End: clock(start + lasted),
          Elapsed: elapsed === undefined ? '' : `00:00:${elapsed}`,
          AllocTRES: alloc,
          ReqTRES: req,
          ReqMem: '4Gc',
          NNodes: '2',
          NCPUS: '8',
        });
        const [line] = [...readSacct([HEADER, text], { timeZone: zone })];
        if (!line || 'fault' in line) throw new Error('no record');
        const { record } = line;
        const micros = (at = '') => Number(epochMicros(at));
        // A run that ends before it starts has the wrong zone; only one of the readers says so.
        if (micros(record.endedAt) < micros(record.startedAt)) return;
        const run = read(text, zone);
        if (run === undefined || typeof run === 'string') throw new Error(`no run: ${run}`);
        expect(run).toMatchObject({
          jobId: joinJobId(record.id),
          submittedAt: micros(record.submittedAt),
          startedAt: micros(record.startedAt),
          endedAt: micros(record.endedAt),
          resources: record.allocated,
          hasUncertainTime: record.hasUncertainTime,
        });
        const whole = micros(record.endedAt) - micros(record.startedAt);
        expect(run.suspendedMicros).toBe(Math.min(whole, record.suspendedSeconds * 1e6));
      },
    ),
    { numRuns: 500 },
  );
});

test.each([
  [{ JobID: '88123.batch' }, 'step'],
  [{ JobID: '88123.extern', State: 'RUNNING' }, 'step'],
  [{ State: 'PENDING', Start: 'Unknown', End: 'Unknown' }, 'waiting'],
  [{ JobID: '5_[1-9%2]', State: 'PENDING', Start: 'Unknown', End: 'Unknown' }, 'waiting'],
  [{ State: 'CANCELLED by 4711', NodeList: 'None assigned' }, 'never_ran'],
  [{ State: 'CANCELLED', Start: 'None', End: '2026-03-02T10:05:00' }, 'never_ran'],
  [{ State: 'RUNNING', End: 'Unknown' }, 'running'],
  [{ State: 'COMPLETED', End: 'Unknown' }, 'running'],
  [{ State: 'REVOKED' }, 'revoked'],
  [{ Cluster: 'falcon' }, 'other_cluster'],
])('%j is %s, and no run that is over', (changes, why) => {
  expect(read(row(changes))).toBe(why);
});

test('a requeued job has been a run; the time that sacct does not count as elapsed it was suspended', () => {
  expect(runOf({ State: 'REQUEUED' }).endState).toBe('REQUEUED');
  expect(runOf({ State: 'NODE_FAIL' }).endState).toBe('NODE_FAIL');
  expect(runOf({ Elapsed: '01:30:00' }).suspendedMicros).toBe(1_800_000_000);
});

test('resources are understood in every spelling that Slurm has had', () => {
  const of = (changes: Partial<Record<string, string>>) => {
    const { nodes, cpus, gpus, memoryMib } = runOf(changes).resources;
    return [nodes, cpus, gpus, memoryMib];
  };
  expect(of({})).toEqual([2, 16, 4, 65_536]);
  expect(of({ AllocTRES: 'cpu=4,gres/gpu=3,gres/gpu:a100=2,gres/gpu:v100=1,mem=1T,node=1' })).toEqual([
    1, 4, 3, 1_048_576,
  ]);
  expect(of({ AllocTRES: 'cpu=4,gpu:a100=2,mem=4000M,node=1' })).toEqual([1, 4, 2, 4000]);
  expect(of({ AllocTRES: '1=4,2=4000,3=18446744073709551614,4=1,5=4' })).toEqual([1, 4, 0, 4000]);
  expect(of({ AllocTRES: '', NNodes: '2', NCPUS: '8', ReqMem: '2147486648Mn' })).toEqual([2, 8, 0, 24_000]);
  // Without --noconvert sacct shortens what it can without losing anything.
  expect(of({ AllocTRES: '', NNodes: '2K', NCPUS: '1.50K' })).toEqual([2048, 1536, 0, 0]);
  expect(of({ AllocTRES: 'cpu=1.50K,mem=4G,node=1K' })).toEqual([1024, 1536, 0, 4096]);
});

test('what AllocTRES says holds, also where it does not say how many CPUs', () => {
  const of = (changes: Partial<Record<string, string>>) => runOf(changes).resources;
  const cut = { AllocTRES: 'node=2,mem=8G,gres/gpu=4' };
  expect(of({ ...cut, NCPUS: '64' })).toMatchObject({ nodes: 2, cpus: 64, gpus: 4, memoryMib: 8192 });
  expect(of({ ...cut, ReqTRES: 'cpu=16,node=1' })).toMatchObject({ nodes: 2, cpus: 16, gpus: 4, memoryMib: 8192 });
  expect(of(cut)).toMatchObject({ nodes: 2, cpus: 1, gpus: 4, memoryMib: 8192 });
  expect(of({ AllocTRES: 'billing=3', ReqTRES: 'cpu=16,mem=1G,node=1' })).toMatchObject({ nodes: 1, cpus: 16 });
});

/** The clocks of New York went back on 1 November 2026: 01:00 to 02:00 came twice, first at 05:00 UTC. */
test.each([
  ['01:10:00', '01:50:00', '01:40:00', '05:10', '06:50', false],
  ['01:30:00', '03:00:00', '01:30:00', '06:30', '08:00', false],
  ['00:30:00', '01:30:00', '02:00:00', '04:30', '06:30', false],
  ['00:30:00', '01:30:00', '01:00:00', '04:30', '05:30', false],
  // Either hour would do.
  ['01:10:00', '01:50:00', '00:40:00', '05:10', '05:50', true],
  // Suspended for some time, of which nobody says how long it was.
  ['00:30:00', '01:30:00', '01:45:00', '04:30', '06:30', true],
  ['00:30:00', '01:30:00', '', '04:30', '05:30', true],
])('of a time that came twice, the reading by which the run lasted as it says (%s to %s, %s)', (...told) => {
  const [start, end, elapsed, startedAt, endedAt, inDoubt] = told;
  const day = (clock: string) => `2026-11-01T${clock}`;
  const text = row({ Submit: '2026-10-31T12:00:00', Start: day(start), End: day(end), Elapsed: elapsed });
  const micros = (clock: string) => Date.parse(`${day(clock)}Z`) * 1000;
  const expected = { startedAt: micros(startedAt), endedAt: micros(endedAt), hasUncertainTime: inDoubt };
  expect(read(text)).toMatchObject(expected);
  const [line] = [...readSacct([HEADER, text], { timeZone: 'America/New_York' })];
  if (!line || 'fault' in line) throw new Error('no record');
  expect(Number(epochMicros(line.record.startedAt ?? ''))).toBe(expected.startedAt);
  expect(Number(epochMicros(line.record.endedAt ?? ''))).toBe(expected.endedAt);
  expect(line.record.hasUncertainTime).toBe(inDoubt);
});

test('what cannot be read is named with its line and column, and does not stop the others', () => {
  for (const [changes, words] of [
    [{ Start: 'soon' }, 'line 2: column Start: "soon" is not a local time'],
    [{ State: 'FINE' }, 'line 2: column State: "FINE" is not a state'],
    [{ AllocTRES: 'cpu=many' }, 'line 2: column AllocTRES: "cpu=many" has no count'],
    [{ AllocTRES: '', NNodes: 'foo' }, 'line 2: column NNodes: "foo" is no count'],
    [{ AllocTRES: '', NCPUS: '1.51K' }, 'line 2: column NCPUS: "1.51K" is no count'],
    [{ AllocTRES: '', ReqTRES: 'cpu=few' }, 'line 2: column ReqTRES: "cpu=few" has no count'],
    [{ End: '2026-03-02T07:00:00' }, 'line 2: column End: the job would have ended before it started'],
    [{ Start: '2006-03-02T07:00:00' }, 'line 2: column Start: the job would have run for more than ten years'],
    [{ Submit: 'Unknown' }, 'line 2: column Submit: a job has a time of submission'],
  ] as const) {
    expect(faultOf(() => read(row(changes))).message).toContain(words);
  }
  expect(faultOf(() => read('1|2')).message).toContain('line 2: has 2 fields instead of 16');
});

test('a component of a heterogeneous job goes by its own id, and a task by that of its array', () => {
  const reader = openRunReader({ timeZone: 'UTC', cluster: 'eagle' });
  const named = (JobID: string, own: string) => {
    reader.use([...COLUMNS, 'JobIDRaw'].map((name) => name.toLowerCase()));
    const run = reader.read(`${row({ JobID })}|${own}`, 1);
    if (run === undefined || typeof run === 'string') throw new Error(`no run: ${run}`);
    return [run.jobId, run.otherId];
  };
  expect(named('123+0', '123')).toEqual(['123', '123+0']);
  expect(named('123+2', '126')).toEqual(['126', '123+2']);
  expect(named('123+0', '')).toEqual(['123', '123+0']);
  expect(named('123+2', '')).toEqual(['123+2', '125']);
  expect(named('123_4', '127')).toEqual(['123_4', undefined]);
  expect(faultOf(() => reader.use(['jobidraw', 'submit', 'start', 'end', 'state'])).message).toContain(
    'no column JobID',
  );
});
