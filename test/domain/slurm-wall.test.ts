/** The second wall: from rates to billing weights, and from what Slurm's commands print to what is to be changed. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { billingMinutes, billingWeights, type PricedCluster } from '../../domain/billing-weights';
import { parseAmount, ZERO } from '../../domain/money';
import {
  isSameWeights,
  planRemoval,
  planWall,
  readAssociations,
  readChanges,
  readClusterName,
  readObstacles,
  readPartitionWeights,
  readQos,
  readUsage,
  waysRound,
  type SlurmState,
} from '../../domain/slurm-wall';
import type { DatedRate } from '../../domain/tariff';
import { epochMicros } from '../../domain/time';

/** As Slurm 22.05 printed it. */
const recorded = (name: string) => readFileSync(join(__dirname, '../recordings/slurm-22.05', `${name}.txt`), 'utf8');

const slurm: SlurmState = {
  cluster: readClusterName(recorded('config')) ?? '',
  accounts: readAssociations(recorded('associations')),
  qos: readQos(recorded('qos')),
  used: readUsage(recorded('usage')),
};

const left = (account: string, amount: string, unit = 'USD') => ({ account, unit, left: parseAmount(amount) });
const wallOf = (...accounts: ReturnType<typeof left>[]) => ({ cluster: 'wall', unit: 'USD', scale: 1000, accounts });

describe('what Slurm prints', () => {
  test('is read: limits, what was used of them, accounts without their users, who changed what', () => {
    expect(slurm.cluster).toBe('wall');
    expect(slurm.qos.get('bursar_proj-a')).toMatchObject({ flags: 'NoDecay', billing: 2000n });
    expect(slurm.qos.get('normal')).not.toHaveProperty('billing');
    expect(slurm.used).toEqual(
      new Map([
        ['normal', 0n],
        ['bursar_proj-a', 26n],
      ]),
    );
    const ofA = { qos: ['bursar_proj-a', 'normal'], defaultQos: 'bursar_proj-a' };
    const others = { qos: ['normal'], defaultQos: '' };
    const both = (own: object) => ['alice', 'bob'].map((user) => ({ user, ...own }));
    expect([...slurm.accounts.values()]).toEqual([
      { account: 'root', ...others, users: [{ user: 'root', ...others }] },
      { account: 'proj-a', ...ofA, users: both(ofA) },
      { account: 'proj-b', ...others, users: both(others) },
    ]);
    expect(readChanges(recorded('changes'))).toEqual(
      new Map([['bursar_proj-a', { at: '2026-11-26T17:20:30', actor: 'root' }]]),
    );
    const weights = readPartitionWeights(recorded('partitions')).get('paid') ?? '';
    expect(isSameWeights(weights, 'cpu=100.0,GRES/gpu=20,Mem=.5G')).toBe(true);
    expect(isSameWeights(weights, 'CPU=100,GRES/gpu=20')).toBe(false);
  });

  test('says what keeps the wall from standing', () => {
    expect(readObstacles(recorded('config'))).toEqual([]);
    const other = recorded('config')
      .replace('associations,limits,qos,safe', 'associations')
      .replace('priority/multifactor', 'priority/basic')
      .replace(/^PriorityFlags .*$/m, 'PriorityFlags = MAX_TRES');
    expect(readObstacles(other)).toEqual([
      expect.stringContaining('lacks limits and qos'),
      expect.stringContaining('Slurm then counts no use'),
      expect.stringContaining('MAX_TRES'),
    ]);
  });
});

describe('a plan', () => {
  test('sets what was used and what is left, once', () => {
    const { changes } = planWall(wallOf(left('proj-a', '0.5')), slurm);
    expect(changes).toMatchObject([
      { account: 'proj-a', action: 'set', used: 26n, limit: 30_026n, was: 2000n, commands: [expect.anything()] },
    ]);
    const [[, , , , , limit = '', description = ''] = []] = changes[0]?.commands ?? [];
    expect([limit, description]).toEqual([
      'GrpTRESMins=billing=30026',
      'Description=bursar wall cluster=wall account=proj-a set=30026 was=normal',
    ]);
    const done = { name: 'bursar_proj-a', flags: 'NoDecay', billing: 30_026n, description: description.slice(12) };
    const after = { ...slurm, qos: new Map([...slurm.qos, [done.name, done]]) };
    expect(planWall(wallOf(left('proj-a', '0.5')), after).changes).toMatchObject([{ action: 'keep', commands: [] }]);
  });

  test('makes what is missing, and names who gets no wall and why', () => {
    const plan = planWall(wallOf(left('Proj-B', '1'), left('proj-a', '5', 'SU'), left('ghost', '1')), slurm);
    expect(plan.changes.map(({ account, commands }) => [account, ...commands.map((each) => each.join(' '))])).toEqual([
      [
        'Proj-B',
        'add qos bursar_proj-b Flags=NoDecay GrpTRESMins=billing=60000 Description=bursar wall cluster=wall account=proj-b set=60000 was=-',
        'modify account where name=proj-b cluster=wall set QosLevel+=bursar_proj-b DefaultQOS=bursar_proj-b',
      ],
    ]);
    expect(plan.without).toEqual([
      { account: 'ghost', why: 'Slurm has no account of that name on this cluster' },
      { account: 'proj-a', why: expect.stringContaining('it counts in SU') },
    ]);
    expect(waysRound(plan, slurm)).toEqual([{ account: 'Proj-B', qos: ['normal'] }]);
  });

  test('leaves a QOS alone that is not ours, and takes another name beside another cluster’s', () => {
    const with_ = (description: string) => ({
      ...slurm,
      qos: new Map([['bursar_proj-a', { name: 'bursar_proj-a', flags: '', description }]]),
    });
    const plan = planWall(wallOf(left('proj-a', '1')), with_('made by hand'));
    expect(plan.changes).toEqual([]);
    expect(plan.without[0]?.why).toContain('that Bursar has not made');
    const others = with_('bursar wall cluster=other account=proj-a set=1 was=-');
    const [own] = planWall(wallOf(left('proj-a', '1')), others).changes;
    expect(own).toMatchObject({ qos: 'bursar_proj-a.wall', action: 'create' });
    for (const state of [with_('made by hand'), others]) expect(planRemoval('wall', state, new Set())).toEqual([]);
    const mark = own?.commands[0]?.at(-1)?.replace('Description=', '') ?? '';
    const qos = { name: 'bursar_proj-a.wall', flags: 'NoDecay', billing: 60_000n, description: mark };
    const both = { ...others, qos: new Map([...others.qos, [qos.name, qos]]) };
    expect(planWall(wallOf(left('proj-a', '1')), both).changes).toMatchObject([{ qos: qos.name, limit: 60_000n }]);
    expect(planRemoval('wall', both, new Set())).toMatchObject([{ qos: qos.name }]);
  });

  test('names the users who have a default QOS, or QOSs, of their own beside the wall', () => {
    const associations = recorded('associations')
      .replace(
        'proj-a|alice|bursar_proj-a,normal|bursar_proj-a',
        'proj-a|alice|normal|normal\nproj-a|alice|normal|normal',
      )
      .replace('proj-a|bob|bursar_proj-a,normal|', 'proj-a|bob|bursar_proj-a,high,normal|');
    const state = { ...slurm, accounts: readAssociations(associations) };
    expect(waysRound(planWall(wallOf(left('proj-a', '1')), state), state)).toEqual([
      { account: 'proj-a', qos: ['normal'] },
      { account: 'proj-a', user: 'alice', defaultQos: 'normal', qos: ['normal'] },
      { account: 'proj-a', user: 'bob', qos: ['high'] },
    ]);
  });

  test('without money left keeps the wall at what was used', () => {
    expect(planWall(wallOf(left('proj-a', '0')), slurm).changes[0]?.limit).toBe(26n);
  });
});

test('a removal gives the account back the default that it had; what jobs have is only set free', () => {
  const commands = (inUse: string[]) =>
    planRemoval('wall', slurm, new Set(inUse)).flatMap((each) => each.commands.map((words) => words.join(' ')));
  expect(commands([])).toEqual([
    'modify account where name=proj-a cluster=wall set DefaultQOS=normal',
    'modify account where name=proj-a cluster=wall set QosLevel-=bursar_proj-a',
    'remove qos where name=bursar_proj-a',
  ]);
  expect(commands(['bursar_proj-a'])).toEqual([
    'modify account where name=proj-a cluster=wall set DefaultQOS=normal',
    'modify qos where name=bursar_proj-a set GrpTRESMins=billing=-1',
  ]);
});

describe('billing weights', () => {
  const AT = epochMicros('2026-03-02T12:00:00Z');
  const cluster: PricedCluster = {
    name: 'wall',
    unpriced: 'deny',
    pricePreset: 'none',
    holdMultiplier: '1',
    minimumCharge: ZERO,
    costSource: 'usage',
    partitions: [
      { name: 'cpu', queueWeight: '1' },
      { name: 'gpu', queueWeight: '1.5' },
    ],
  };
  const rate = (resource: string, amount: string, more: Partial<DatedRate> = {}): DatedRate => ({
    cluster: 'wall',
    resource,
    unit: 'USD',
    rate: parseAmount(amount),
    startsAt: '2026-01-01T00:00:00Z',
    endsAt: null,
    ...more,
  });
  const weigh = (rates: DatedRate[], changes: Partial<PricedCluster> = {}) =>
    billingWeights({ ...cluster, ...changes }, rates, 'USD', AT);

  test('are the rates times the weight of the queue; a model is what it costs more than any GPU', () => {
    const rates = [rate('cpu', '0.02'), rate('mem', '0.0025'), rate('gpu', '1'), rate('gpu:a100', '2.5')];
    expect(weigh(rates)).toEqual({
      unit: 'USD',
      scale: 100_000,
      partitions: [
        { partition: 'cpu', weights: 'CPU=2000,Mem=250G,GRES/gpu=100000,GRES/gpu:a100=150000' },
        { partition: 'gpu', weights: 'CPU=3000,Mem=375G,GRES/gpu=150000,GRES/gpu:a100=225000' },
      ],
      problems: [],
    });
  });

  test('and minutes of them are the money, to the last that fits', () => {
    expect(billingMinutes(parseAmount('1'), 1000)).toBe(60_000n);
    expect(billingMinutes(parseAmount('0.000016'), 1000)).toBe(0n);
    expect(billingMinutes(parseAmount('8589934591.999999'), 1_000_000)).toBe(515_396_075_519_999_940n);
  });

  test('what they cannot say is named', () => {
    const rates = [
      rate('cpu', '0.02', { endsAt: '2027-01-01T00:00:00Z' }),
      rate('gpu', '2'),
      rate('gpu:t4', '0.5'),
      rate('node', '1', { partition: 'gpu', unit: 'SU' }),
    ];
    const { problems } = weigh(rates, { minimumCharge: parseAmount('0.01'), costSource: 'reported' });
    expect(problems).toEqual([
      expect.stringContaining('in partition cpu a t4 costs less USD than other GPUs'),
      expect.stringContaining('in partition gpu a t4 costs less USD than other GPUs'),
      expect.stringContaining('the minimum charge of a job'),
      expect.stringContaining('costs in partition cpu are reported'),
      expect.stringContaining('costs in partition gpu are reported'),
      'a rate changes at 2027-01-01T00:00:00Z: the weights of slurm.conf have to be changed then',
    ]);
  });
});
