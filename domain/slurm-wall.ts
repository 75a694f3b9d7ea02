/**
 * The second wall: what each account has left, as a limit of Slurm's own, so that the money is kept while Bursar is away. One
 * QOS an account, `bursar_<account>`, that does not decay, with GrpTRESMins=billing=N, which is the default of the account.
 * QOSs belong to a slurmdbd: a second cluster of one gets `bursar_<account>.<cluster>`.
 *
 * What we set is known by the description of the QOS, which says what we set and what was there before; a QOS without it is
 * not ours and is left alone. Pure: it reads what Slurm's commands print and says which commands are to be run.
 */
import { billingMinutes } from './billing-weights';
import type { Micro } from './money';

export interface WallAccount {
  account: string;
  unit: string;
  /** What is left for jobs from now on, by its own money and by what bounds it from above, less what is in flight. */
  left: Micro;
  /** The account whose limit leaves less than its own money does. */
  boundBy?: string;
}

/** What Bursar wants the wall to be. */
export interface Wall {
  cluster: string;
  unit: string;
  scale: number;
  accounts: readonly WallAccount[];
}

export interface SlurmQos {
  name: string;
  description: string;
  flags: string;
  /** Undefined: not limited. */
  billing?: bigint;
}

export interface SlurmAccount {
  account: string;
  qos: readonly string[];
  defaultQos: string;
  users: SlurmUser[];
}

/** What counts for jobs of a user in an account: of his own association, else of the account's. */
export interface SlurmUser {
  user: string;
  qos: readonly string[];
  defaultQos: string;
}

/** What Slurm has, as its commands print it. */
export interface SlurmState {
  /** Its name in Slurm. */
  cluster: string;
  accounts: ReadonlyMap<string, SlurmAccount>;
  qos: ReadonlyMap<string, SlurmQos>;
  /** Billing minutes that each QOS has used. */
  used: ReadonlyMap<string, bigint>;
}

export interface WallChange {
  account: string;
  qos: string;
  action: 'create' | 'set' | 'attach' | 'keep';
  /** Billing minutes: what was used, and the limit that is to be, which has it in it. */
  used: bigint;
  limit: bigint;
  /** What Slurm has. */
  was?: bigint;
  left: Micro;
  boundBy?: string;
  /** Somebody else changed it: what we had set, or the default of the account. */
  drift?: string;
  /** Of sacctmgr. */
  commands: string[][];
}

export interface WallPlan {
  changes: WallChange[];
  /** Accounts that get no wall, and why. */
  without: { account: string; why: string }[];
}

// Reading -----------------------------------------------------------------------------------------------------------------

/** The arguments that the readers below take the output of. */
export const READ_QOS = ['-nP', 'show', 'qos', 'format=Name,Description,Flags,GrpTRESMins'];
export const readAssociationsOf = (cluster: string): string[] => [
  '-nP',
  'show',
  'assoc',
  'where',
  `cluster=${cluster}`,
  'format=Account,User,QOS,DefaultQOS',
];
export const READ_USAGE = ['-o', 'show', 'assoc_mgr', 'flags=qos'];
export const READ_CHANGES = ['-nP', 'show', 'transactions', 'Action=Modify QOS', 'format=TimeStamp,Actor,Where,Info'];

const rowsOf = (text: string): string[][] =>
  text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => line.split('|'));

export const readQos = (text: string): Map<string, SlurmQos> =>
  new Map(
    rowsOf(text).map(([name = '', description = '', flags = '', limits = '']) => {
      const billing = /(?:^|,)billing=(\d+)/.exec(limits)?.[1];
      return [name, { name, description, flags, ...(billing === undefined ? {} : { billing: BigInt(billing) }) }];
    }),
  );

/** The accounts' own associations, with those of their users, of whom one can have several: a partition each. */
export function readAssociations(text: string): Map<string, SlurmAccount> {
  const accounts = new Map<string, SlurmAccount>();
  const users: { account: string; own: SlurmUser }[] = [];
  for (const [account = '', user = '', list = '', defaultQos = ''] of rowsOf(text)) {
    const qos = list.split(',').filter((each) => each !== '');
    if (user !== '') users.push({ account, own: { user, qos, defaultQos } });
    else if (account !== '') accounts.set(account, { account, qos, defaultQos, users: [] });
  }
  for (const { account, own } of users) accounts.get(account)?.users.push(own);
  return accounts;
}

/** `GrpTRESMins=...,billing=2000(26),...`: the limit, and in brackets what was used of it. */
export const readUsage = (text: string): Map<string, bigint> =>
  new Map(
    text.split('\n').flatMap((line): [string, bigint][] => {
      const name = /^QOS=(\S+?)\(\d+\)/.exec(line)?.[1];
      const used = /\sGrpTRESMins=\S*?billing=[^(,\s]*\((\d+)/.exec(line)?.[1];
      return name === undefined || used === undefined ? [] : [[name, BigInt(used)]];
    }),
  );

/** Who last changed the limit of each QOS, and when. */
export function readChanges(text: string): Map<string, { at: string; actor: string }> {
  const changes = new Map<string, { at: string; actor: string }>();
  for (const [at = '', actor = '', where = '', ...info] of rowsOf(text)) {
    if (!info.join('|').includes('grp_tres_mins')) continue;
    for (const [, name = ''] of where.matchAll(/name='([^']+)'/g)) changes.set(name, { at, actor });
  }
  return changes;
}

/** `PartitionName=paid ... TRESBillingWeights=CPU=100,Mem=0.5G`, of `scontrol -o show partition`. */
export const readPartitionWeights = (text: string): Map<string, string> =>
  new Map(
    [...text.matchAll(/^PartitionName=(\S+)(.*)$/gm)].map(([, name = '', rest = '']) => [
      name,
      /\sTRESBillingWeights=(\S+)/.exec(rest)?.[1] ?? '',
    ]),
  );

/** Same weights in whatever order and spelling of the numbers. */
export function isSameWeights(a: string, b: string): boolean {
  const entries = (text: string) =>
    text
      .split(',')
      .filter((each) => each !== '')
      .map((each) => {
        const [, tres = '', amount = '', suffix = ''] = /^(.+)=([\d.]+)([A-Za-z]?)$/.exec(each) ?? [undefined, each];
        return `${tres.toLowerCase()}=${Number(amount)}${suffix.toUpperCase()}`;
      })
      .sort()
      .join(',');
  return entries(a) === entries(b);
}

/** Of every cluster that the slurmdbd keeps, in lower case as it does. */
export const READ_CLUSTERS = ['-nP', 'show', 'cluster', 'format=Cluster'];
export const readClusters = (text: string): string[] =>
  rowsOf(text).flatMap(([name = '']) => (name === '' ? [] : [name]));

export const readClusterName = (config: string): string | undefined => /^ClusterName\s*=\s*(\S+)/m.exec(config)?.[1];

/** What of `scontrol show config` keeps the wall from standing. */
export function readObstacles(config: string): string[] {
  const valueOf = (name: string) => new RegExp(`^${name}\\s*=\\s*(.*)$`, 'm').exec(config)?.[1]?.trim() ?? '';
  const enforced = valueOf('AccountingStorageEnforce').toLowerCase().split(',');
  const missing = ['limits', 'qos'].filter((each) => !enforced.includes(each) && !enforced.includes('all'));
  return [
    ...(missing.length === 0
      ? []
      : [
          `AccountingStorageEnforce lacks ${missing.join(' and ')}: set it to associations,limits,qos,safe, or Slurm enforces no limit`,
        ]),
    ...(missing.length > 0 || enforced.includes('safe') || enforced.includes('all')
      ? []
      : ['AccountingStorageEnforce lacks safe: a job starts although its time limit goes beyond the wall']),
    ...(valueOf('PriorityType') === 'priority/multifactor'
      ? []
      : ['PriorityType is not priority/multifactor: Slurm then counts no use, and the wall never ends']),
    ...(/max_tres/i.test(valueOf('PriorityFlags'))
      ? ['PriorityFlags has MAX_TRES: Slurm then bills the dearest resource of a job instead of their sum']
      : []),
  ];
}

// What is ours ------------------------------------------------------------------------------------------------------------

interface Mark {
  cluster: string;
  account: string;
  set: bigint;
  /** The default QOS that the account had; '' where it had none. */
  was: string;
}

const renderMark = ({ cluster, account, set, was }: Mark): string =>
  `bursar wall cluster=${cluster} account=${account} set=${set} was=${was === '' ? '-' : was}`;

const markOf = (qos: SlurmQos | undefined): Mark | undefined => qos && readMark(qos);

function readMark({ description }: SlurmQos): Mark | undefined {
  const match = /^bursar wall cluster=(\S+) account=(\S+) set=(\d+) was=(\S+)$/.exec(description);
  if (!match) return undefined;
  const [, cluster = '', account = '', set = '0', was = '-'] = match;
  return { cluster, account, set: BigInt(set), was: was === '-' ? '' : was };
}

/** Both are written in lower case in Slurm. */
const isOf = (mark: Mark, cluster: string): boolean => mark.cluster.toLowerCase() === cluster.toLowerCase();
const isMarkOf = (mark: Mark | undefined, account: string, cluster: string): boolean =>
  mark !== undefined && mark.account === account && isOf(mark, cluster);

/** The QOS of an account's wall: the one that is ours already, else the first name that nobody has. */
function qosOf(account: string, cluster: string, qos: SlurmState['qos']): string {
  const plain = `bursar_${account}`;
  const own = `${plain}.${cluster.toLowerCase()}`;
  const marks = [plain, own].map((name) => ({ name, found: qos.get(name), mark: markOf(qos.get(name)) }));
  const ours = marks.find(({ mark }) => isMarkOf(mark, account, cluster));
  if (ours) return ours.name;
  // One that somebody made by hand is in the way, and said to be: a second name would hide it.
  const isAnothers = marks[0]?.mark !== undefined;
  return isAnothers ? own : plain;
}

/** Slurm keeps names in lower case. */
const inSlurm = (account: string): string => account.toLowerCase();

// Planning ----------------------------------------------------------------------------------------------------------------

export function planWall(wall: Wall, slurm: SlurmState): WallPlan {
  const changes: WallChange[] = [];
  const without: WallPlan['without'] = [];
  const known = new Map(wall.accounts.map((each) => [inSlurm(each.account), each]));
  for (const [name, own] of [...known].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const association = slurm.accounts.get(name);
    const qos = slurm.qos.get(qosOf(name, wall.cluster, slurm.qos));
    const why =
      own.unit !== wall.unit
        ? `it counts in ${own.unit}, and billing weights can only say one unit, ${wall.unit}${whatStands(qos, name, wall.cluster)}`
        : association === undefined
          ? 'Slurm has no account of that name on this cluster'
          : whyNotOurs(qos, name, wall.cluster);
    if (why !== undefined || association === undefined) without.push({ account: own.account, why: why ?? '' });
    else changes.push(planAccount(wall, own, association, slurm));
  }
  for (const name of [...slurm.accounts.keys()].sort()) {
    if (name !== 'root' && !known.has(name)) without.push({ account: name, why: 'Bursar has no account of that name' });
  }
  return { changes, without };
}

/** Of a wall that was set while the weights said the account's own unit. */
const whatStands = (qos: SlurmQos | undefined, account: string, cluster: string): string =>
  qos !== undefined && isMarkOf(markOf(qos), account, cluster)
    ? `; the limit that ${qos.name} has is of before, and stays`
    : '';

function whyNotOurs(qos: SlurmQos | undefined, account: string, cluster: string): string | undefined {
  const mark = markOf(qos);
  if (!qos || isMarkOf(mark, account, cluster)) return undefined;
  return mark
    ? `the QOS ${qos.name} is the wall of ${mark.account} on cluster ${mark.cluster}, which shares this slurmdbd`
    : `there is a QOS ${qos.name} that Bursar has not made; rename it, or take its description away`;
}

function planAccount(wall: Wall, own: WallAccount, association: SlurmAccount, slurm: SlurmState): WallChange {
  const { account } = association;
  const name = qosOf(account, wall.cluster, slurm.qos);
  const qos = slurm.qos.get(name);
  const mark = markOf(qos);
  const used = slurm.used.get(name) ?? 0n;
  const limit = used + billingMinutes(own.left, wall.scale);
  const isAttached = association.defaultQos === name && association.qos.includes(name);
  const was = mark ? mark.was : association.defaultQos === name ? '' : association.defaultQos;
  const description = `Description=${renderMark({ cluster: wall.cluster, account, set: limit, was })}`;
  const isRight = qos?.billing === limit && mark?.set === limit && hasNoDecay(qos);
  const commands: string[][] = [];
  if (!qos) commands.push(['add', 'qos', name, 'Flags=NoDecay', `GrpTRESMins=billing=${limit}`, description]);
  else if (!isRight) {
    const flags = hasNoDecay(qos) ? [] : ['Flags+=NoDecay'];
    commands.push([
      'modify',
      'qos',
      'where',
      `name=${name}`,
      'set',
      `GrpTRESMins=billing=${limit}`,
      description,
      ...flags,
    ]);
  }
  if (!isAttached) {
    const where = ['modify', 'account', 'where', `name=${account}`, `cluster=${slurm.cluster}`];
    commands.push([...where, 'set', `QosLevel+=${name}`, `DefaultQOS=${name}`]);
  }
  const drift = qos && mark && driftOf(qos, mark, association, name);
  return {
    account: own.account,
    qos: name,
    action: !qos ? 'create' : !isRight ? 'set' : isAttached ? 'keep' : 'attach',
    used,
    limit,
    ...(qos?.billing === undefined ? {} : { was: qos.billing }),
    left: own.left,
    ...(own.boundBy === undefined ? {} : { boundBy: own.boundBy }),
    ...(drift ? { drift } : {}),
    commands,
  };
}

const hasNoDecay = ({ flags }: SlurmQos): boolean => /\bNoDecay\b/i.test(flags);

function driftOf(qos: SlurmQos, mark: Mark, association: SlurmAccount, name: string): string | undefined {
  const found = [
    qos.billing === mark.set ? undefined : `the limit is ${qos.billing ?? 'none'}, and was set to ${mark.set}`,
    hasNoDecay(qos) ? undefined : 'the flag NoDecay is gone: use is forgotten with time',
    association.defaultQos === name
      ? undefined
      : `the default QOS of the account is ${association.defaultQos || 'none'}, and was set to ${name}`,
  ].filter((each) => each !== undefined);
  return found.length === 0 ? undefined : found.join('; ');
}

/** Jobs of an account, or of one of its users alone, that the wall does not hold. */
export interface WayRound {
  account: string;
  user?: string;
  /** The user's own default: his jobs go round the wall unasked. */
  defaultQos?: string;
  /** Those beside the wall's that may be asked for: `--qos=normal`. */
  qos: string[];
}

/** Of users what is theirs alone is named; what they have of the account is said with the account. */
export const waysRound = (plan: WallPlan, slurm: SlurmState): WayRound[] =>
  plan.changes.flatMap(({ account, qos: wall }): WayRound[] => {
    const association = slurm.accounts.get(inSlurm(account));
    if (association === undefined) return [];
    const others = association.qos.filter((each) => each !== wall);
    const users = new Map<string, WayRound>();
    for (const { user, qos, defaultQos } of association.users) {
      const startsOutside = defaultQos !== wall && defaultQos !== association.defaultQos;
      const own = qos.filter((each) => each !== wall && !others.includes(each));
      const lacksWall = association.qos.includes(wall) && !qos.includes(wall);
      if (!startsOutside && own.length === 0 && !lacksWall) continue;
      const way = { account, user, ...(startsOutside && { defaultQos }), qos: lacksWall ? [...qos] : own };
      users.set(JSON.stringify(way), way);
    }
    return [...(others.length === 0 ? [] : [{ account, qos: others }]), ...users.values()];
  });

/** The words of sacctmgr that give a user back what the account has. */
export const commandToJoin = ({ account, user = '' }: WayRound, cluster: string): string[] => [
  ...['modify', 'user', 'where', `name=${user}`, `account=${inSlurm(account)}`, `cluster=${cluster}`],
  ...['set', 'DefaultQOS=-1', 'QosLevel='],
];

export interface Removal {
  account: string;
  qos: string;
  /** Jobs still have it: the limit goes now, the QOS itself with the next removal. */
  isInUse: boolean;
  commands: string[][];
}

/** Takes back what is ours on this cluster, and nothing else. `inUse`: the QOS that jobs have, pending ones too. */
export function planRemoval(cluster: string, slurm: SlurmState, inUse: ReadonlySet<string>): Removal[] {
  return [...slurm.qos.values()].flatMap((qos): Removal[] => {
    const mark = readMark(qos);
    if (!mark || !isOf(mark, cluster)) return [];
    const { name } = qos;
    const association = slurm.accounts.get(mark.account);
    const where = ['modify', 'account', 'where', `name=${mark.account}`, `cluster=${slurm.cluster}`, 'set'];
    const isDefault = association?.defaultQos === name;
    const isListed = association?.qos.includes(name) ?? false;
    const before = mark.was === '' || !slurm.qos.has(mark.was) ? '-1' : mark.was;
    const isInUse = inUse.has(name);
    const commands = [
      ...(isDefault ? [[...where, `DefaultQOS=${before}`]] : []),
      ...(isInUse
        ? [['modify', 'qos', 'where', `name=${name}`, 'set', 'GrpTRESMins=billing=-1']]
        : [...(isListed ? [[...where, `QosLevel-=${name}`]] : []), ['remove', 'qos', 'where', `name=${name}`]]),
    ];
    return [{ account: mark.account, qos: name, isInUse, commands }];
  });
}
