/** The second wall on a real Slurm: what is left is a limit of Slurm's own, which stands while Bursar is away. */
import { join } from 'node:path';
import { startCli, type TestCli } from '../cli/helpers/cli';
import { eventually } from '../helpers/eventually';
import { startCluster, type SlurmCluster } from './cluster';

const CONF = `
AccountingStorageEnforce=associations,limits,qos,safe
PriorityType=priority/multifactor
PartitionName=paid Nodes=c1 MaxTime=600 State=UP TRESBillingWeights="CPU=1000"
`;

let cluster: SlurmCluster;
let cli: TestCli;
beforeAll(async () => {
  cluster = await startCluster({ name: 'wall', nodes: ['c1'], extraConf: CONF });
  cli = await startCli();
  await cli.works('cluster', 'create', 'wall', '--time-zone', 'UTC');
  await cli.works('cluster', 'partition', 'wall', 'paid');
  await cli.works('rates', 'set', 'wall', 'cpu', '--price', '1', '--from', '2026-01-01');
  await cli.api.account('proj-a', 1);
});
afterAll(async () => {
  await cli?.stop();
  await cluster?.stop();
});

const wall = (command: string, ...args: string[]) =>
  cli.bursar('slurm', 'wall', command, '--slurm-conf', join(cluster.conf, 'slurm.conf'), ...args);
const sacctmgr = (...args: string[]) => cluster.ask('sacctmgr', ['-inP', ...args], { user: 'root' });
const limits = () => sacctmgr('show', 'qos', 'format=Name,Flags,GrpTRESMins');
const defaults = () => sacctmgr('show', 'assoc', 'where', 'account=proj-a', 'user=', 'format=Account,DefaultQOS');
const job = (...args: string[]) => cluster.sbatch(['-p', 'paid', '--mem=100', ...args]);

test('stands where the money ends, is brought back where it was moved, and is taken away whole', async () => {
  const before = [await limits(), await defaults()];
  const plan = await wall('plan');
  expect(plan.out).toMatch(/proj-a +1\.00 +0 +60000 +none +made/);
  expect(plan.out).toContain('PartitionName=paid TRESBillingWeights="CPU=1000"    # there');
  expect(plan.out).toContain('proj-b has no wall: Bursar has no account of that name');
  expect(plan.out).not.toContain('AccountingStorageEnforce');
  expect([await limits(), await defaults()]).toEqual(before);

  expect((await wall('sync')).out).toContain('Walls of 1 accounts changed, 0 kept.');
  expect(await limits()).toContain('bursar_proj-a|NoDecay|billing=60000\n');
  expect((await wall('sync')).out).toContain('Walls of 0 accounts changed, 1 kept.');
  expect(await wall('drift')).toMatchObject({ code: 0, out: expect.stringContaining('Nobody has changed the wall.') });

  await sacctmgr(
    ...['modify', 'user', 'where', 'name=alice', 'account=proj-a'],
    ...['set', 'QosLevel=normal', 'DefaultQOS=normal'],
  );
  const outside = await wall('drift');
  const [, mend = ''] =
    /jobs of alice in proj-a go round the wall unasked: .*`sacctmgr -i (.*)` gives/.exec(outside.out) ?? [];
  expect([outside.code, mend]).toEqual([1, expect.stringContaining('name=alice')]);
  await sacctmgr(...mend.split(' '));
  expect(await wall('drift')).toMatchObject({ code: 0, out: expect.not.stringContaining('alice') });

  // What Slurm has counted stays counted: the limit moves on by what comes in.
  const small = await job('-n', '2', '-t', '10', '--wrap=sleep 7');
  expect(await cluster.jobIs(small, 'COMPLETED')).toMatchObject({ QOS: 'bursar_proj-a' });
  await cli.works('deposit', 'proj-a', '1');
  await wall('sync');
  const [, used = '0'] = /proj-a +2\.00 +(\d+) +/.exec((await wall('plan')).out) ?? [];
  expect(Number(used)).toBeGreaterThan(200);
  expect(await limits()).toContain(`bursar_proj-a|NoDecay|billing=${120_000 + Number(used)}\n`);

  await sacctmgr(
    'modify',
    'qos',
    'where',
    'name=bursar_proj-a',
    'set',
    'GrpTRESMins=billing=9999999',
    'Flags-=NoDecay',
  );
  const moved = await wall('drift');
  expect(moved.code).toBe(1);
  expect(moved.out).toMatch(
    /- proj-a: the limit is 9999999, and was set to 12\d+; the flag NoDecay is gone.*limit last changed by root at/,
  );
  await wall('sync');
  expect(await limits()).toContain(`bursar_proj-a|NoDecay|billing=${120_000 + Number(used)}\n`);

  // Bursar is away, and Slurm keeps the money: this job could cost 4 USD.
  await cli.stop();
  const big = await job('-n', '4', '-t', '60');
  await eventually(
    'the job waits at the wall',
    async () => (await cluster.job(big))?.Reason === 'QOSGrpBillingMinutes',
    60_000,
  );
  const fits = await job('-n', '2', '-t', '30', '--wrap=true');
  await cluster.jobIs(fits, 'COMPLETED');

  expect((await wall('remove')).out).toContain('jobs still have bursar_proj-a: its limit is gone');
  await cluster.jobIs(big, 'RUNNING');
  await cluster.drain();
  expect((await wall('remove')).out).toContain('Walls of 1 accounts taken away.');
  expect([await limits(), await defaults()]).toEqual(before);
  expect((await wall('remove')).out).toContain('There is no wall of ours on this cluster.');
});
