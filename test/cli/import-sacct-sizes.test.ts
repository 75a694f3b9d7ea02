/** `bursar import sacct` of jobs whose size was changed while they ran. */
import { renderAmount } from '../../domain/money';
import { openJobsHouse, usd } from '../ledger/jobs-house';
import { runBursar } from './helpers/cli';
import { log, openSacctFolder, used, type Row } from './helpers/sacct-log';

const { fileOf, importing } = openSacctFolder();

/** As Slurm 22.05 writes a job of two nodes that gave one of them back after half an hour, and then one of its CPUs. */
const RESIZED: Row[] = [
  { id: '4711', end: '2026-03-02T12:30:00', elapsed: '00:30:00', state: 'RESIZING' },
  {
    id: '4711',
    submit: '2026-03-02T12:30:00',
    end: '2026-03-02T12:45:00',
    elapsed: '00:45:00',
    state: 'RESIZING',
    tres: 'cpu=4,mem=8G,node=1',
    nodes: 'n1',
  },
  { id: '4711', submit: '2026-03-02T12:45:00', elapsed: '01:00:00', tres: 'cpu=3,mem=8G,node=1', nodes: 'n1' },
];
const RESIZED_CPU_SECONDS = String(8 * 1800 + 4 * 900 + 3 * 900);

test('of a job that was resized each size is metered, and charged, for its own time', async () => {
  await using house = await openJobsHouse();
  const charging = async () => (await importing(house, log(...RESIZED), '--charge', '--apply', '--json')).json;
  expect(await charging()).toMatchObject({ new_runs: 3, no_runs: {}, late_charges: { runs: 3 } });
  expect(await used(house)).toEqual([3, RESIZED_CPU_SECONDS, '0', '1.5', 0]);
  expect(await charging()).toMatchObject({ new_runs: 0, late_charges: { runs: 0 } });
  // Slurm's accounting of one month ends in the middle, and that of the next begins there.
  const other = await importing(house, log(...RESIZED.slice(1)), '--charge', '--apply', '--json');
  expect(other.json).toMatchObject({ new_runs: 0, late_charges: { runs: 0 } });
  expect(await house.ledger.audit.run()).toMatchObject({ ok: true });
});

describe('what a resized job costs is one exact amount, with the minimum charge once', () => {
  /** Twenty minutes of one node each, a third of a USD; they differ in CPUs. */
  const [first, second, third]: [Row, Row, Row] = [
    { id: '7', end: '2026-03-02T12:20:00', state: 'RESIZING', tres: 'cpu=3,node=1' },
    { id: '7', submit: '2026-03-02T12:20:00', end: '2026-03-02T12:40:00', state: 'RESIZING', tres: 'cpu=2,node=1' },
    { id: '7', submit: '2026-03-02T12:40:00', tres: 'cpu=1,node=1' },
  ];
  const logs = {
    'in one log': [log(first, second, third)],
    'in a log for each size': [log(first), log(second), log(third)],
    'whichever log comes first': [log(third), log(first), log(second)],
  };

  test.each(
    Object.entries(logs).flatMap(([how, texts]) => [
      { how, texts, minimum: '0', cost: '1' },
      { how, texts, minimum: '2.5', cost: '2.5' },
    ]),
  )('$how, at least $minimum', async ({ texts, minimum, cost }) => {
    await using house = await openJobsHouse({ cluster: { minimumCharge: usd(minimum) } });
    const settled = async () => renderAmount((await house.ledger.accounts.balance('physics')).settled);
    if (texts.length === 1) {
      const dry = await importing(house, texts.join(''), '--charge', '--json');
      expect(dry.json).toMatchObject({ late_charges: { runs: 3, totals: [{ unit: 'USD', amount: cost }] } });
    }
    for (const text of texts) expect((await importing(house, text, '--charge', '--apply')).code).toBe(0);
    expect(await settled()).toBe(cost);
    expect((await importing(house, log(first, second, third), '--charge', '--apply')).code).toBe(0);
    expect(await settled()).toBe(cost);
    expect(await house.ledger.audit.run()).toMatchObject({ ok: true });
  });
});

test('a replay of a log charges a resized job what an import of it charges', async () => {
  await using house = await openJobsHouse({ cluster: { minimumCharge: usd('0.4') } });
  const proposal = fileOf(
    `
clusters:
  hpc:
    time_zone: UTC
    minimum_charge: 0.4
    partitions: { batch: { default_time: 2:00:00 } }
    rates: [{ resource: node, price: 1 }]
accounts:
  physics: { budget: 1000, start: 2020-01-01, end: 2098-12-31 }
`,
    'proposal.yaml',
  );
  const node = 'cpu=4,node=1';
  const text = log(
    ...RESIZED,
    // Two thirds and two thirds; of the second size, a quarter of an hour suspended; and requeued, once more.
    { id: '8', end: '2026-03-02T12:20:00', state: 'RESIZING' },
    {
      id: '8',
      submit: '2026-03-02T12:20:00',
      end: '2026-03-02T13:15:00',
      elapsed: '01:00:00',
      state: 'NODE_FAIL',
      tres: node,
    },
    { id: '8', submit: '2026-03-02T13:15:01', start: '2026-03-02T13:16:00', end: '2026-03-02T13:36:00', tres: node },
    // So short that it pays the least.
    { id: '9', end: '2026-03-02T12:05:00', state: 'RESIZING', tres: node },
    { id: '9', submit: '2026-03-02T12:05:00', end: '2026-03-02T12:10:00' },
    // The log begins behind its first size.
    { id: '10', submit: '2026-03-02T12:40:00', tres: node },
  );
  await importing(house, text, '--charge', '--apply');
  const settled = renderAmount((await house.ledger.accounts.balance('physics')).settled);
  expect(settled).toBe('4.033333');

  const args = [
    '--proposal',
    proposal,
    '--database-url',
    house.url,
    '--cluster',
    'hpc',
    '--time-zone',
    'UTC',
    '--json',
  ];
  const { json, err } = await runBursar(['replay', ...args, fileOf(text)]);
  expect([err, json]).toMatchObject([
    expect.not.stringContaining('cannot'),
    { proposals: [{ jobs: 4, denied: 0, accounts: [{ account: 'physics', settled, held: '0' }] }] },
  ]);
});

test.each(['before', 'after'])(
  'and one that Bursar charged by itself %s its import is not charged again by its parts',
  async (when) => {
    await using house = await openJobsHouse();
    const holdId = await house.hold({}, { at: '2026-03-02T11:00:00Z' });
    const told = { submittedAt: '2026-03-02T11:00:00Z', startedAt: '2026-03-02T12:00:09Z' };
    const resources = { nodes: 2, cpus: 8, gpus: 0, gpusByModel: {}, memoryMib: 0 };
    await house.say({ type: 'started', holdId, at: told.startedAt, ...told, resources });
    const importIt = async () => (await importing(house, log(...RESIZED), '--charge', '--apply', '--json')).json;
    const followed = { late_charges: { runs: 0, left_to_their_holds: 3 } };
    if (when === 'after') expect(await importIt()).toMatchObject(followed);
    await house.say({ type: 'ended', at: '2026-03-02T13:00:03Z', endState: 'COMPLETED', ...told, resources });
    await house.advance(holdId);
    const before = await house.ledger.accounts.balance('physics');
    expect(await importIt()).toMatchObject({ runs_with_a_charge: 3, late_charges: { runs: 0 } });
    expect((await used(house)).slice(0, 2)).toEqual([1, String(8 * 3594)]);
    expect((await house.ledger.accounts.balance('physics')).settled).toBe(before.settled);
    expect(await house.ledger.audit.run()).toMatchObject({ ok: true });
  },
);
