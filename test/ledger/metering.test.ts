/** What runs used is written down once, when their charge or their end says it. */
import { eventually } from '../helpers/eventually';
import { clock, openJobsHouse, usd, CALLER, type JobsHouse } from './jobs-house';

let house: JobsHouse;
beforeEach(async () => void (house = await openJobsHouse()));
afterEach(async () => {
  await house.books();
  await house[Symbol.asyncDispose]();
});

const RESOURCES = { nodes: 2, cpus: 16, gpus: 0.5, gpusByModel: {}, memoryMib: 1024 };

/** `start..end nodes cpus gpus memory active`, in minutes after noon, the last in seconds. */
async function slices(): Promise<string[]> {
  const rows = await house.sql<{ line: string }[]>`
    select format('%s..%s %s %s %s %s %s', extract(epoch from starts_at - ${clock(0)}) / 60,
      extract(epoch from ends_at - ${clock(0)}) / 60, nodes, cpus, gpus, memory_mib, active_micros / 1000000) as line
    from ledger.usage_slices u join ledger.charges c using (charge_no) where u.slice_no >= c.first_slice order by charge_no, slice_no`;
  return rows.map(({ line }) => line.replace(/\.0+\b/g, ''));
}

test('a charge by usage is written down with its slices: a suspended run keeps its GPUs and memory, a resize begins a new one', async () => {
  const free = { resource: 'gpu', unit: 'USD', rate: usd('0'), startsAt: '2020-01-01T00:00:00Z', endsAt: null };
  await house.ledger.catalog.setRate({ cluster: 'hpc', source: 'test', ...free }, CALLER);
  const hold = await house.hold();
  await house.say(
    { type: 'started', at: clock(0), holdId: hold, resources: RESOURCES },
    { type: 'suspended', at: clock(10) },
    { type: 'resumed', at: clock(20) },
    { type: 'resized', at: clock(30), resources: { ...RESOURCES, nodes: 1, cpus: 8 } },
    { type: 'ended', at: clock(60), suspendedSeconds: 660 },
  );
  await house.advance(hold);
  // A minute of the eleven that the record counts has no place; it is taken off evenly.
  expect(await slices()).toEqual([
    '0..10 2 16 0.5 1024 588',
    '10..20 0 0 0.5 1024 600',
    '20..30 2 16 0.5 1024 588',
    '30..60 1 8 0.5 1024 1764',
  ]);
});

test('a cost that comes before the end has no hours; the end brings them, once, however late and often it is told', async () => {
  const hold = await house.hold();
  await house.say({ type: 'started', at: clock(0), holdId: hold, resources: RESOURCES });
  const cost = { jobId: '4711', cluster: 'hpc', numeral: '3', actualCost: usd('3'), correction: false };
  await house.ledger.jobs.reconcile(cost, CALLER);
  expect(await slices()).toEqual([]);
  await eventually('the charge is sealed', async () => {
    await house.ledger.audit.seal();
    return (await house.ledger.audit.verify()).unsealed === 0;
  });
  await house.say({ type: 'ended', at: clock(90) });
  for (let again = 0; again < 3; again++) expect(await house.advance(hold)).toMatchObject({ closed: true });
  await house.say({ type: 'ended', at: clock(120), endState: 'FAILED' });
  expect(await house.advance(hold)).toMatchObject({ closed: true });
  expect(await slices()).toEqual(['0..90 2 16 0.5 1024 5400']);
  const [charge] = await house.sql`select ended_at, metered_until, amount_micro from ledger.charges`;
  expect(charge).toEqual({ ended_at: null, metered_until: clock(90), amount_micro: usd('3') });
  expect(await house.ledger.audit.verify()).toMatchObject({ ok: true });
  expect(await house.ledger.audit.run()).toMatchObject({ ok: true });
});

test('of a job of which only the cost is known no hours are made up', async () => {
  const hold = await house.hold({}, { jobId: '4711' });
  const cost = { jobId: '4711', cluster: 'hpc', numeral: '3', actualCost: usd('3'), correction: false };
  await house.ledger.jobs.reconcile(cost, CALLER);
  await house.say({ type: 'ended', at: clock(90) });
  expect(await house.advance(hold)).toMatchObject({ closed: true });
  expect(await slices()).toEqual([]);
});

test.each([
  ['by its usage', undefined, usd('2')],
  ['with a reported cost', '3', usd('3')],
])(
  'a run that was charged %s to an end that nobody knew is metered again once somebody does',
  async (_by, numeral, amount) => {
    const hold = await house.hold();
    await house.say(
      { type: 'started', at: clock(0), holdId: hold, resources: { ...RESOURCES, gpus: 0 } },
      { type: 'ended', at: clock(90), atArrival: true },
    );
    if (numeral !== undefined) {
      const cost = { jobId: '4711', cluster: 'hpc', numeral, actualCost: usd(numeral), correction: false };
      await house.ledger.jobs.reconcile(cost, CALLER);
    }
    await house.advance(hold);
    expect(await slices()).toEqual(['0..90 2 16 0 1024 5400']);
    await house.say({ type: 'ended', at: clock(60) });
    for (let again = 0; again < 3; again++) expect(await house.advance(hold)).toMatchObject({ closed: true });
    expect(await slices()).toEqual(['0..60 2 16 0 1024 3600']);
    const [charge] = await house.sql`select amount_micro + adjusted_micro as amount from ledger.charges`;
    expect(charge).toEqual({ amount });
  },
);
