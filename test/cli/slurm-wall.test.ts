/** `bursar slurm wall` beside a Slurm that answers as one did. (On a real one: test/slurm/wall.test.ts.) */
import { recordedSlurm, type RecordedSlurm } from '../helpers/recorded-slurm';
import { startCli, type TestCli } from './helpers/cli';

let cli: TestCli;
let slurm: RecordedSlurm;
beforeAll(async () => {
  cli = await startCli();
  slurm = recordedSlurm();
  await cli.works('cluster', 'create', 'wall', '--time-zone', 'UTC', '--minimum-charge', '0.01');
  await cli.works('cluster', 'partition', 'wall', 'paid');
  await cli.works('rates', 'set', 'wall', 'cpu', '--price', '0.1', '--from', '2026-01-01');
  await cli.api.account('proj-a', 1);
  await cli.api.account('lab', 1);
});
afterAll(() => cli.stop());

const wall = (command: string, ...args: string[]) =>
  cli.bursar('slurm', 'wall', command, '--slurm-bin', slurm.bin, ...args);

/** What a check asks for: 0.96. */
const EIGHT_HOURS = ['--cluster', 'wall', '--partition', 'paid', '--cpus', '1', '--time', '08:00:00'];

test('a plan shows limits, weights and what is to be known, and asks Slurm for nothing', async () => {
  const { code, out } = await wall('plan');
  expect(code).toBe(0);
  expect(out).toMatch(/proj-a +1\.00 +26 +60026 +2000 +set/);
  expect(out).toContain('PartitionName=paid TRESBillingWeights="CPU=100"    # Slurm has CPU=100,Mem=0.5G,GRES/gpu=20');
  for (const sentence of [
    '- partition paid bills by other weights than the rates say',
    '- the minimum charge of a job: Slurm has none',
    '- jobs of proj-a go round the wall with --qos=normal',
    '- lab has no wall: Slurm has no account of that name on this cluster',
    '- proj-b has no wall: Bursar has no account of that name',
  ]) {
    expect(out).toContain(sentence);
  }
  expect((await wall('plan', '--json')).json).toMatchObject({
    cluster: 'wall',
    unit: 'USD',
    scale: 1000,
    changes: [{ account: 'proj-a', action: 'set', left: '1', used: '26', limit: '60026', was: '2000' }],
    obstacles: [],
  });
  expect((await wall('plan', '--csv')).out).toBe(
    'account,qos,action,left,unit,bound_by,used,limit,was,drift,changed_by,changed_at\r\nproj-a,bursar_proj-a,set,1,USD,,26,60026,2000,,,\r\n',
  );
  const dry = await wall('sync', '--dry-run');
  expect(dry.out).toContain(
    "sacctmgr -i modify qos where name=bursar_proj-a set GrpTRESMins=billing=60026 'Description=bursar wall cluster=wall account=proj-a set=60026 was=normal'",
  );
  expect((await wall('remove', '--dry-run')).out).toContain('sacctmgr -i remove qos where name=bursar_proj-a');
  expect(slurm.asked()).toEqual([]);
});

test('a sync asks for what the plan says; what Slurm refuses is told, without a trace of ours', async () => {
  expect((await wall('sync')).code).toBe(0);
  expect(slurm.asked()).toEqual([
    '-i modify qos where name=bursar_proj-a set GrpTRESMins=billing=60026 Description=bursar wall cluster=wall account=proj-a set=60026 was=normal',
  ]);
  slurm.refuse(" You don't have permission to do that\n");
  const refused = await wall('sync');
  expect(refused).toMatchObject({
    code: 1,
    err: expect.stringContaining("proj-a: sacctmgr failed: You don't have permission to do that"),
  });
});

test('money that is held by no running job is left; what a running job has used is not', async () => {
  const { json } = await cli.works(
    'check',
    '--account',
    'proj-a',
    ...EIGHT_HOURS,
    '--hold',
    '--json',
    '--at',
    '2026-03-02T00:00:00Z',
  );
  const { transaction_id: hold } = json as { transaction_id: string };
  const leftNow = async () => (await wall('plan', '--json')).json as { changes: { left: string }[] };
  expect((await leftNow()).changes[0]?.left).toBe('1');
  await cli.works(
    'job',
    'event',
    'wall/1',
    'started',
    '--hold',
    hold,
    '--tres',
    'cpu=1,node=1',
    '--at',
    '2026-03-02T01:00:00Z',
  );
  expect((await leftNow()).changes[0]?.left).toBe('0.2');
});

test('--slurm-conf is the file or its folder, as everywhere', async () => {
  for (const named of ['/etc/slurm-2/slurm.conf', '/etc/slurm-2', '/etc/slurm-2/']) {
    expect(await wall('plan', '--slurm-conf', named)).toMatchObject({ code: 0 });
    expect(slurm.conf()).toBe('/etc/slurm-2/slurm.conf');
  }
});

test('an account has no more left than the one above it leaves beside what neighbours have used and hold', async () => {
  await cli.api.account('roof', undefined, { subtree_limit: 0.7 });
  await cli.api.account('neighbour', 5, { parent: 'roof' });
  await cli.api.put('/api/v1/accounts/proj-a', { parent: 'roof' });
  const change = async () => ((await wall('plan', '--json')).json as { changes: object[] }).changes[0];
  // Of 0.7 its running job has used 0.8.
  expect(await change()).toMatchObject({ left: '0', bound_by: 'roof' });
  await cli.api.put('/api/v1/accounts/roof', { subtree_limit: 1.93 });
  expect(await change()).toMatchObject({ left: '0.2' });
  expect(await change()).not.toHaveProperty('bound_by');
  await cli.works('check', '--account', 'neighbour', ...EIGHT_HOURS, '--hold');
  // 1.93 less twice 0.96, plus its own 0.96, less 0.8.
  expect(await change()).toMatchObject({ left: '0.17', bound_by: 'roof' });
  expect((await wall('plan')).out).toMatch(/proj-a +0\.17 +roof +26 +10226 /);
});

test('of several clusters of one slurmdbd the named one is asked and set, and none is guessed', async () => {
  const two = recordedSlurm({ clusters: ['wall', 'heron'] });
  await cli.works('cluster', 'create', 'heron', '--time-zone', 'UTC');
  const ask = (...args: string[]) => cli.bursar('slurm', 'wall', ...args, '--slurm-bin', two.bin);
  expect(await ask('sync', '--cluster', 'pine')).toMatchObject({
    code: 1,
    err: expect.stringContaining('Slurm knows no cluster pine; its slurmdbd has wall, heron'),
  });
  expect(two.asked()).toEqual([]);
  await ask('sync', '--cluster', 'heron');
  // The QOS of the other cluster's wall is left alone.
  const asked = two.asked();
  expect(asked).toContain('scontrol --clusters=heron');
  expect(asked.filter((line) => !line.startsWith('scontrol'))).toEqual([
    expect.stringContaining('-i add qos bursar_proj-a.heron Flags=NoDecay GrpTRESMins=billing='),
    expect.stringContaining('set QosLevel+=bursar_proj-a.heron DefaultQOS=bursar_proj-a.heron'),
  ]);
});

test('a user whose own default QOS is outside of the wall is named, with what mends it, and is drift', async () => {
  const other = recordedSlurm();
  other.associations(
    'proj-a||bursar_proj-a,normal|bursar_proj-a\nproj-a|alice|normal|normal\nproj-a|bob|bursar_proj-a,normal|bursar_proj-a\n',
  );
  const ask = (...args: string[]) => cli.bursar('slurm', 'wall', ...args, '--slurm-bin', other.bin);
  const sentence =
    "- jobs of alice in proj-a go round the wall unasked: the user's own default QOS is normal; `sacctmgr -i modify user where name=alice account=proj-a cluster=wall set DefaultQOS=-1 QosLevel=` gives alice what the account has";
  for (const command of ['plan', 'sync', 'drift']) {
    const { out, code } = await ask(command);
    expect({ code, isNamed: out.includes(sentence) }).toEqual({ code: command === 'drift' ? 1 : 0, isNamed: true });
    expect(out).not.toContain('of bob');
  }
  expect(((await ask('plan', '--json')).json as { ways_round: object[] }).ways_round).toEqual([
    { account: 'proj-a', qos: ['normal'] },
    { account: 'proj-a', user: 'alice', default_qos: 'normal', qos: ['normal'] },
  ]);
});

test('without Slurm’s commands it says what is missing', async () => {
  const { code, err } = await cli.bursar('slurm', 'wall', 'plan', '--slurm-bin', '/nowhere');
  expect(code).toBe(1);
  expect(err).toMatch(/^scontrol is not here \(in \/nowhere\)\.\n.*--slurm-bin/);
  const other = await wall('plan', '--cluster', 'nowhere');
  expect(other).toMatchObject({ code: 4 });
});

interface Plan {
  unit: string;
  changes: { account: string; left: string }[];
  weights: { weights: string }[];
  without: { account: string; why: string }[];
}
const renderWithout = ({ account, why }: Plan['without'][number]) => `${account}: ${why}`;

test('where accounts count in two units the wall is of one of them, and the others are named; nothing is added up', async () => {
  await cli.works('rates', 'set', 'wall', 'gpu', '--su', '8', '--unit', 'SU', '--from', '2026-01-01');
  await cli.works('rates', 'set', 'wall', 'cpu', '--su', '2', '--unit', 'SU', '--from', '2026-01-01');
  await cli.api.account('proj-b', 40, { unit: 'SU' });
  const planned = async (...args: string[]) => {
    const { json } = await wall('plan', '--json', ...args);
    const { unit, changes, weights, without } = json as Plan;
    const [paid] = weights.map((each) => each.weights);
    return [
      unit,
      changes.map(({ account, left }) => `${account} ${left}`),
      paid,
      without.map(renderWithout).filter((each) => each.startsWith('proj-')),
    ];
  };
  const counts = (account: string, own: string, unit: string) =>
    `${account}: it counts in ${own}, and billing weights can only say one unit, ${unit}`;
  // The unit of most of the cluster's rates, or the one that is asked for.
  const before = '; the limit that bursar_proj-a has is of before, and stays';
  const other = `${counts('proj-a', 'USD', 'SU')}${before}`;
  expect(await planned()).toEqual(['SU', ['proj-b 40'], 'CPU=2000,GRES/gpu=8000', [other]]);
  const dollars = ['USD', ['proj-a 0.17'], 'CPU=100', [counts('proj-b', 'SU', 'USD')]];
  expect(await planned('--unit', 'USD')).toEqual(dollars);
  expect((await wall('sync', '--unit', 'USD', '--dry-run')).out).not.toContain('proj-b set=');
  expect((await wall('plan')).out).toContain(`- ${other.replace(':', ' has no wall:')}`);
});
