/** `bursar slurm look` and `bursar slurm looks`. */
import type { LookReport } from '../../workflows/contracts/queue-look';
import { startCli, type TestCli } from './helpers/cli';

const REPORT: LookReport = {
  ...{ cluster: 'default', result: 'looked', failures: [], jobs: 2, records: 1, recorded: 3 },
  ...{ bound: 1, adopted: 1, ended: 0, givenBack: 1, reduced: 0 },
  deeds: [
    { did: 'bound', jobId: '7', holdId: 'txn_01' },
    { did: 'given_back', holdId: 'txn_02', detail: 'No job of it is in the queue' },
  ],
};

let cli: TestCli;
let answer: { workflowId: string; report?: LookReport };
const asked: object[] = [];
beforeAll(async () => {
  const look = (what: object) => {
    asked.push(what);
    return Promise.resolve(answer);
  };
  cli = await startCli({ temporal: { namespace: 'default', look } });
});
afterAll(() => cli.stop());

test('a look says what it did, job by job', async () => {
  answer = { workflowId: 'queue/default/asked', report: REPORT };
  const { out } = await cli.works('slurm', 'look', '--wide');
  expect(asked).toEqual([{ cluster: 'default', wide: true }]);
  expect(out).toMatch(/^default: 2 jobs in the queue, 1 record of the accounting\.\n/);
  expect(out).toMatch(/7 +bound to its hold +txn_01/);
  expect(out).toMatch(/hold given back +txn_02/);
  expect((await cli.works('slurm', 'look', '--json')).json).toMatchObject({
    released: 1,
    workflow_id: 'queue/default/asked',
  });
});

test('that there was nothing to do, nobody to look, no answer, or no end yet is said', async () => {
  answer = { workflowId: 'w', report: { ...REPORT, deeds: [] } };
  expect((await cli.works('slurm', 'look')).out).toContain('Everything was known.');
  answer = { workflowId: 'w', report: { ...REPORT, result: 'absent', deeds: [] } };
  expect((await cli.works('slurm', 'look')).out).toMatch(/No worker looks[^]*slurm\.job_monitor_enabled/);
  answer = { workflowId: 'queue/default/asked' };
  expect((await cli.works('slurm', 'look')).out).toContain('It goes on as queue/default/asked');
  answer = { workflowId: 'w', report: { ...REPORT, result: 'unreachable', failures: ['squeue: away'], deeds: [] } };
  expect(await cli.bursar('slurm', 'look')).toMatchObject({ code: 1, out: expect.stringContaining('squeue: away') });
});

test('the looks are listed with when each part was last heard, and why not since', async () => {
  expect((await cli.works('slurm', 'looks')).out).toBe('No scheduler has been looked at yet.\n');
  await cli.api.ledger.queue.heard('default');
  await cli.api.ledger.queue.unreachable('default', 'squeue: away', 'queue');
  const { out } = await cli.works('slurm', 'looks');
  expect(out).toMatch(/CLUSTER +QUEUE \(America\/Chicago\)[^]*default[^]*squeue: away/);
});
