/** What the demo makes of an accounting log, before it talks to anybody. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { groupRows, tresOf } from '../../cli/demo/log';
import { makePlan } from '../../cli/demo/plan';
import { timelineOf } from '../../cli/demo/timeline';
import { PACKAGE_ROOT } from '../../platform/paths';

const HEADER =
  'JobID|Cluster|Partition|Account|User|Submit|Start|End|State|NNodes|ReqTRES|AllocTRES|Timelimit|NodeList|JobName';
const OPTIONS = { timeZone: 'UTC', cluster: 'demo' };

interface Row {
  id: string;
  submit?: string;
  start?: string;
  end?: string;
  state?: string;
  tres?: string;
  alloc?: string;
  limit?: string;
}

const row = ({ id, submit = '08:00:00', start = '08:01:00', end = '09:00:00', state = 'COMPLETED', ...more }: Row) => {
  const { tres = 'cpu=4,node=1', alloc = tres, limit = '02:00:00' } = more;
  const at = (time: string) => (/^\d\d:/.test(time) ? `2026-03-02T${time}` : time);
  const nodes = start === 'None' ? 'None assigned' : 'n1';
  return `${id}|big|cpu|lab|eve|${at(submit)}|${at(start)}|${at(end)}|${state}|1|${tres}|${alloc}|${limit}|${nodes}|job`;
};
const read = (...rows: Row[]) => groupRows([HEADER, ...rows.map(row)], OPTIONS);
const typesOf = (log: ReturnType<typeof read>) => log.jobs.map(({ events }) => events.map(({ type }) => type));

test('an ordinary job starts and ends', () => {
  const log = read({ id: '1' });
  expect(log.jobs).toMatchObject([
    {
      cluster: 'big',
      jobId: '1',
      account: 'lab',
      user: 'eve',
      arrayTasks: 1,
      isOver: true,
      submittedAt: '2026-03-02T08:00:00Z',
    },
  ]);
  expect(typesOf(log)).toEqual([['started', 'ended']]);
});

test('the tasks of an array are one job, those that never were split off included', () => {
  const log = read({ id: '7_1' }, { id: '7_2' }, { id: '7_[3-10%2]', start: 'None', end: 'Unknown', state: 'PENDING' });
  expect(log.jobs).toMatchObject([{ jobId: '7', arrayTasks: 10, isOver: false }]);
});

test('a job whose node failed and that was requeued is one job that ran twice', () => {
  const log = read(
    { id: '3', end: '08:30:00', state: 'NODE_FAIL' },
    { id: '3', submit: '08:30:01', start: '08:35:00', end: '10:00:00' },
  );
  expect(typesOf(log)).toEqual([['started', 'requeued', 'started', 'ended']]);
  expect(log.jobs[0]?.events.every(({ submittedAt }) => submittedAt === '2026-03-02T08:00:00Z')).toBe(true);
});

test('a job that was resized is one job, with each size for its time, and requeued it is still that job', () => {
  const log = read(
    { id: '3', end: '08:30:00', state: 'RESIZING' },
    { id: '3', submit: '08:30:00', end: '08:40:00', state: 'RESIZING', alloc: 'cpu=3,node=1' },
    { id: '3', submit: '08:40:00', state: 'NODE_FAIL', alloc: 'cpu=2,node=1' },
    { id: '3', submit: '09:00:01', start: '09:05:00', end: '10:00:00' },
  );
  expect(typesOf(log)).toEqual([['started', 'resized', 'resized', 'requeued', 'started', 'ended']]);
  expect(log.jobs).toMatchObject([
    { isOver: true, submittedAt: '2026-03-02T08:00:00Z', components: [{ resources: { cpus: 4 } }] },
  ]);
  const about = log.jobs[0]?.events.map(({ at, resources }) => [at.slice(11, 16), resources.cpus]);
  expect(about).toEqual([
    ['08:01', 4],
    ['08:30', 3],
    ['08:40', 2],
    ['09:00', 2],
    ['09:05', 4],
    ['10:00', 4],
  ]);
});

test('of a job that was resized a log that lacks rows tells what the rows tell that are there', () => {
  const [first, later] = [
    { id: '3', end: '08:30:00', state: 'RESIZING' },
    { id: '3', submit: '08:40:00', alloc: 'cpu=2,node=1' },
  ];
  const spans = read(first, later).jobs.map(({ events }) => events.map(({ at }) => at.slice(11, 16)));
  expect(spans).toEqual([
    ['08:01', '08:30'],
    ['08:40', '09:00'],
  ]);
  expect(read(first, { ...later, submit: '08:30:00', end: 'Unknown', state: 'RUNNING' }).jobs).toMatchObject([
    { isOver: false, events: [{ type: 'started' }, { type: 'resized', resources: { cpus: 2 } }] },
  ]);
});

test('an id that comes back after the job ended is another job', () => {
  const log = read({ id: '3' }, { id: '3', submit: '11:00:00', start: '11:01:00', end: '12:00:00' });
  expect(log.jobs.map(({ jobId }) => jobId)).toEqual(['3', '3']);
});

test('the components of a heterogeneous job are asked for together', () => {
  const log = read({ id: '5+0' }, { id: '5+1', tres: 'cpu=8,node=2' });
  expect(log.jobs).toMatchObject([
    { jobId: '5', components: [{ resources: { cpus: 4 } }, { resources: { cpus: 8 } }] },
  ]);
});

test('a job that was cancelled while it waited never ran, and one that still runs has no end', () => {
  const log = read(
    { id: '1', start: 'None', state: 'CANCELLED by 1000', alloc: '' },
    { id: '2', submit: '08:00:01', end: 'Unknown', state: 'RUNNING' },
  );
  expect(typesOf(log)).toEqual([['cancelled'], ['started']]);
  expect(log.jobs.map(({ isOver }) => isOver)).toEqual([true, false]);
});

test('GPUs that an old Slurm left out of ReqTRES are asked for all the same', () => {
  const log = read({ id: '1', tres: 'cpu=4,node=1', alloc: 'cpu=4,gres/gpu=2,mem=31000M,node=1' });
  expect(tresOf(log.jobs[0]?.components[0]?.resources as never)).toBe('cpu=4,mem=31000M,node=1,gres/gpu=2');
});

test('a row that cannot be read stops nobody else', () => {
  const log = groupRows([HEADER, 'nonsense', row({ id: '1' }), row({ id: '2' }).replace('|lab|', '||')], OPTIONS);
  expect(log.jobs).toHaveLength(1);
  expect(log.faults).toEqual([expect.stringContaining('line 2'), expect.stringContaining('line 4')]);
});

test('nothing happens to a job before it was submitted, nor ends before it began', () => {
  const instant = { submit: '08:00:00', start: '08:00:00', end: '08:00:00' };
  const log = read({ id: '1', ...instant }, { id: '2', ...instant });
  const words = (id: string) =>
    timelineOf(log.jobs)
      .filter(({ job }) => job.jobId === id)
      .map((occurrence) => (occurrence.what === 'submit' ? 'submit' : occurrence.event.type));
  for (const id of ['1', '2']) expect(words(id)).toEqual(['submit', 'started', 'ended']);
});

test('the money of the shipped log denies something and lets most run', () => {
  const lines = readFileSync(join(PACKAGE_ROOT, 'examples/pinewood-march.log'), 'utf8').split('\n');
  const log = groupRows(lines, OPTIONS);
  expect(log).toMatchObject({ rows: 61, faults: [] });
  expect(log.jobs.every(({ isOver }) => isOver)).toBe(true);
  const plan = makePlan(log.jobs);
  const denials = plan.accounts.reduce((sum, account) => sum + account.denials, 0);
  expect(denials).toBeGreaterThanOrEqual(2);
  expect(denials).toBeLessThan(log.jobs.length / 5);
  expect(plan.accounts.every(({ budget }) => /^\d+$/.test(budget))).toBe(true);
});
