/** Bursar's clock is an hour off, either way; Slurm's is not. Charges are by Slurm's times, and nothing waits for the hour to pass. */
import { eventually } from '../helpers/eventually';
import { expectTrueBooks, openHolds, runsCharged } from './books';
import { openHouse } from './house';

jest.setTimeout(600_000);

test.each([
  ['ahead', 3_600],
  ['behind', -3_600],
])(
  "Bursar's clock is an hour %s: jobs are admitted, charged by Slurm's clock, and nothing is left",
  async (_, seconds) => {
    await using house = await openHouse({
      hook: { deadline_ms: 5_000 },
      name: `clock${seconds > 0 ? 'ahead' : 'behind'}`,
      nodes: ['c1', 'g1'],
      clockIsOffBySeconds: seconds,
    });
    const { headers } = await fetch(`${house.bursar.url}/health`);
    const off = Date.parse(headers.get('date') ?? '') - Date.now();
    expect(Math.abs(off / 1_000 - seconds)).toBeLessThan(30);
    const account = await house.account();
    const ends = await house.cluster.sbatch(['-A', account, '-t', '5', '--wrap=sleep 3']);
    const cancelled = await house.cluster.sbatch(['-A', account, '-t', '5', '--hold']);
    const cut = await house.cluster.sbatch(['-A', account, '-t', '5', '-p', 'gpu', '--gres=gpu:a100:1']);
    await house.cluster.jobIs(cut, 'RUNNING');
    await house.cluster.jobIs(ends, 'COMPLETED');
    // The sweep looks at the queue by a clock that is not the queue's, and must not take a hold from under a job.
    await eventually('what ended is settled', async () => (await runsCharged(house, account)).length === 1, 60_000);
    expect(await openHolds(house, account)).toHaveLength(2);
    await house.cluster.ask('scancel', [String(cancelled), String(cut)]);
    await expectTrueBooks(house, account);
    expect(await runsCharged(house, account)).toHaveLength(2);
  },
);
