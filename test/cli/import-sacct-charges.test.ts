/** `bursar import sacct` beside what Bursar charges by itself, and with `--charge`: each run is counted and charged once. */
import { readFileSync } from 'node:fs';
import { CALLER, openJobsHouse, usd, type JobsHouse } from '../ledger/jobs-house';
import { log, openSacctFolder, used, type Row } from './helpers/sacct-log';

const { fileOf, importing, inFolder } = openSacctFolder();

describe('a run that Bursar charges by itself is counted once', () => {
  const told = {
    submittedAt: '2026-03-02T11:00:00Z',
    resources: { nodes: 2, cpus: 8, gpus: 0, gpusByModel: {}, memoryMib: 0 },
  };

  async function charge(house: JobsHouse, at = '2026-03-02T12:00:00Z'): Promise<void> {
    const holdId = await house.hold({}, { at: '2026-03-02T11:00:00Z' });
    await house.say({ type: 'started', holdId, at, ...told });
    await house.say({ type: 'ended', at: '2026-03-02T13:00:00Z', startedAt: at, endState: 'COMPLETED', ...told });
    await house.advance(holdId);
  }

  const imported = log({ id: '4711' });

  test('when it was charged before the import', async () => {
    await using house = await openJobsHouse();
    await charge(house);
    const before = await used(house);
    expect(before[0]).toBe(1);
    expect((await importing(house, imported, '--apply')).out).toMatch(/With a charge: +1, which is what reports count/);
    expect(await used(house)).toEqual(before);
  });

  test('when it is charged after it, by a clock that is a little off', async () => {
    await using house = await openJobsHouse();
    await importing(house, imported, '--apply');
    expect(await used(house)).toEqual([1, '28800', '0', '0', 0]);
    await charge(house, '2026-03-02T12:00:09Z');
    expect(await used(house)).toEqual([1, String(8 * 3591), '0', '1.995', 0]);
  });

  test('and when only its cost was known, the import brings the hours', async () => {
    await using house = await openJobsHouse();
    const holdId = await house.hold({}, { at: '2026-03-02T11:00:00Z' });
    await house.say({ type: 'submitted', holdId, at: '2026-03-02T11:00:00Z', ...told });
    const cost = { jobId: '4711', cluster: 'hpc', numeral: '3', actualCost: usd('3'), correction: false };
    await house.ledger.jobs.reconcile(cost, CALLER);
    expect((await used(house)).slice(1)).toEqual(['0', '0', '3', 1]);
    await importing(house, imported, '--apply');
    expect(await used(house)).toEqual([1, '28800', '0', '3', 0]);
    expect(await house.ledger.audit.run()).toMatchObject({ ok: true });
  });

  /** The log calls the job 123+1; hooks call it by its own id, and other reporters as the log does. */
  const names = {
    'by its own id': { jobId: '124' },
    'as a part of its job': { jobId: '123', task: '+1' },
  };
  const logs = {
    'a log with JobIDRaw': log({ id: '123+1', raw: '124' }),
    'a log without it': log({ id: '123+1' }),
  };
  const noon = { submittedAt: '2026-03-02T11:00:00Z', startedAt: '2026-03-02T12:00:00Z' };
  const cases = Object.entries(names).flatMap(([how, name]) =>
    Object.entries(logs).map(([which, text]) => ({ how, name, which, text })),
  );

  test.each(cases)('a component of a heterogeneous job that is followed $how, with $which', async ({ name, text }) => {
    await using house = await openJobsHouse();
    const holdId = await house.hold({}, { at: '2026-03-02T11:00:00Z' });
    await house.say({ type: 'started', holdId, at: noon.startedAt, ...name, ...told, ...noon });
    const charging = async () => (await importing(house, text, '--charge', '--apply', '--json')).json;
    expect(await charging()).toMatchObject({ late_charges: { runs: 0, left_to_their_holds: 1 } });
    await house.say({ type: 'ended', at: '2026-03-02T13:00:00Z', endState: 'COMPLETED', ...name, ...told, ...noon });
    await house.advance(holdId);
    const once = [1, '28800', '0', '2', 0];
    expect(await used(house)).toEqual(once);
    // Other logs may have other names for it.
    for (const again of [text, ...Object.values(logs)]) {
      expect((await importing(house, again, '--charge', '--apply')).code).toBe(0);
      expect(await used(house)).toEqual(once);
    }
    expect(await house.ledger.audit.run()).toMatchObject({ ok: true });
  });

  test.each(cases)('and one that was charged $how before it is imported from $which', async ({ name, text }) => {
    await using house = await openJobsHouse();
    const holdId = await house.hold({}, { at: '2026-03-02T11:00:00Z' });
    await house.say({
      type: 'ended',
      holdId,
      at: '2026-03-02T13:00:00Z',
      endState: 'COMPLETED',
      ...name,
      ...told,
      ...noon,
    });
    await house.advance(holdId);
    expect((await importing(house, text, '--charge')).out).toMatch(/With a charge: +1,/);
    await importing(house, text, '--charge', '--apply');
    expect(await used(house)).toEqual([1, '28800', '0', '2', 0]);
  });

  test('what nobody can be sure of is not charged: a component without its own id, of a job that had a hold', async () => {
    await using house = await openJobsHouse();
    const holdId = await house.hold({}, { at: '2026-03-02T11:00:00Z' });
    const end = { holdId, jobId: '123', at: '2026-03-02T13:00:00Z', ...told, ...noon };
    await house.say({ type: 'ended', endState: 'COMPLETED', ...end });
    await house.advance(holdId);
    const charging = async (id: Row) => (await importing(house, log(id), '--charge', '--apply', '--json')).json;
    expect(await charging({ id: '123+1' })).toMatchObject({ late_charges: { runs: 0, left_to_their_holds: 1 } });
    expect(await charging({ id: '123+1', raw: '126' })).toMatchObject({ late_charges: { runs: 1 } });
    expect(await used(house)).toEqual([2, '57600', '0', '4', 0]);
    await charging({ id: '123+1' });
    expect(await used(house)).toEqual([2, '57600', '0', '4', 0]);
  });

  test('and a task of an array, by the name of its array', async () => {
    await using house = await openJobsHouse();
    const holdId = await house.hold({}, { at: '2026-03-02T11:00:00Z' });
    const task = { jobId: '123', task: '4', ...told, ...noon };
    await house.say({ type: 'ended', holdId, at: '2026-03-02T13:00:00Z', endState: 'COMPLETED', ...task });
    await house.advance(holdId);
    await importing(house, log({ id: '123_4', raw: '127' }), '--charge', '--apply');
    expect(await used(house)).toEqual([1, '28800', '0', '2', 0]);
  });
});

test('--charge charges each run once, at the rates of its time; who has a hold is left to it, and what has no price is listed', async () => {
  await using house = await openJobsHouse();
  const { ledger } = house;
  await ledger.catalog.setRate(
    {
      cluster: 'hpc',
      resource: 'node',
      unit: 'USD',
      rate: usd('3'),
      startsAt: '2026-03-02T12:30:00Z',
      endsAt: null,
      source: 'dearer',
    },
    CALLER,
  );
  const holdId = await house.hold({}, { at: '2026-03-02T11:00:00Z' });
  await house.say({ type: 'submitted', holdId, submittedAt: '2026-03-02T11:00:00Z', at: '2026-03-02T11:00:00Z' });
  const gpus = 'cpu=8,gres/gpu:h100=2,mem=16G,node=2';
  const text = log({ id: '1' }, { id: '2', tres: gpus }, { id: '4711' }, { id: '5', user: 'root' });
  const report = inFolder('prices.json');

  const dry = await importing(house, text, '--charge', '--report', report);
  expect(dry.out).toMatch(/To be charged: +4\.00 USD/);
  expect(dry.out).toMatch(/Left to their holds: +1,/);
  expect(readFileSync(report, 'utf8')).toMatch(
    /"unpriced","line":"3","job_id":"2","account":"physics","detail":"gpu:h100 has no rate/,
  );
  expect((await used(house))[3]).toBe('0');

  const applied = await importing(house, text, '--charge', '--apply', '--json');
  expect(applied.json).toMatchObject({
    new_runs: 4,
    unpriced: 1,
    late_charges: { runs: 1, left_to_their_holds: 1, exempt: 1 },
  });
  expect(await used(house)).toEqual([4, '115200', '7200', '4', 0]);
  await importing(house, text, '--charge', '--apply');
  expect((await used(house))[3]).toBe('4');

  await ledger.catalog.setRate(
    {
      cluster: 'hpc',
      resource: 'gpu:h100',
      unit: 'USD',
      rate: usd('10'),
      startsAt: '2026-01-01T00:00:00Z',
      endsAt: null,
      source: 'test',
    },
    CALLER,
  );
  const again = await importing(house, text, '--charge', '--apply', '--json');
  expect(again.json).toMatchObject({ late_charges: { runs: 1, totals: [{ unit: 'USD', amount: '24' }] } });
  expect((await used(house))[3]).toBe('28');
  expect(await ledger.audit.run()).toMatchObject({ ok: true, findings: [] });
});

test('--charge knows what is exempt as the hooks do: by the default partition, and without an account', async () => {
  const settings = { timeZone: 'UTC', defaultPartition: 'free', withoutAccount: 'exempt' as const };
  await using house = await openJobsHouse({ cluster: settings });
  await house.ledger.catalog.putPartition('hpc', { name: 'free', queueWeight: '1', exempt: true }, CALLER);
  const map = fileOf('slurm_account,account\n,physics\n', 'nameless.csv');
  const text = log({ id: '1', partition: '' }, { id: '2', account: '' }, { id: '3' });
  const answer = await importing(house, text, '--charge', '--account-map', map, '--apply', '--json');
  expect(answer.json).toMatchObject({ new_runs: 3, late_charges: { runs: 1, exempt: 2 } });
});

test('--charge looks again at runs that were exempt, once they no longer are', async () => {
  await using house = await openJobsHouse({ cluster: { exemptUsers: ['tester'] } });
  const text = log({ id: '1', user: 'tester' }, { id: '2' });
  const charging = async () => (await importing(house, text, '--charge', '--apply', '--json')).json;
  expect(await charging()).toMatchObject({ late_charges: { runs: 1, exempt: 1 } });
  expect(await charging()).toMatchObject({ rows_done_before: 2 });
  await house.ledger.catalog.putCluster('hpc', { timeZone: 'UTC', exemptUsers: [] }, CALLER);
  expect(await charging()).toMatchObject({ rows_done_before: 0, late_charges: { runs: 1, exempt: 0 } });
  expect((await used(house))[3]).toBe('4');
});
