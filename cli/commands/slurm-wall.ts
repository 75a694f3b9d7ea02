/** `bursar slurm wall`: what each account has left, as limits of Slurm's own. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { parseAmount, renderAmount } from '../../domain/money';
import {
  commandToJoin,
  isSameWeights,
  planWall,
  READ_CHANGES,
  readChanges,
  readObstacles,
  readPartitionWeights,
  waysRound,
  type Removal,
  type WallChange,
  type WallPlan,
  type WayRound,
} from '../../domain/slurm-wall';
import {
  changeSlurm,
  planSlurmRemoval,
  readSlurm,
  slurmOf,
  slurmTools,
  SlurmFailed,
  type RunSlurm,
} from '../../platform/slurm';
import { slurmConfFile } from '../../platform/slurm-conf-file';
import { EXIT, Stop } from '../exit';
import { moneyIn } from '../format';
import type { Act, Session } from '../session';
import type { SlurmWall } from '../wire';

interface Options {
  slurmBin?: string;
  slurmConf?: string;
  cluster?: string;
  unit?: string;
  dryRun?: boolean;
}

const withPlaces = (command: Command): Command =>
  command
    .option('--slurm-bin <folder>', "the folder of Slurm's commands (default: those in PATH)")
    .option('--slurm-conf <path>', 'the slurm.conf that they read, or its folder (default: theirs)')
    .option('--cluster <cluster>', "which cluster of the slurmdbd (default: Slurm's own ClusterName)");

const withUnit = (command: Command): Command =>
  withPlaces(command).option('--unit <unit>', "what the weights are to say (default: the unit of the cluster's rates)");

const FIELDS = {
  change: [
    'account',
    'qos',
    'action',
    'left',
    'unit',
    'bound_by',
    'used',
    'limit',
    'was',
    'drift',
    'changed_by',
    'changed_at',
  ],
  removal: ['account', 'qos', 'in_use', 'commands'],
};

export function defineWall(slurm: Command, act: Act): void {
  const wall = slurm
    .command('wall')
    .summary('A second wall: what accounts have left, as limits of Slurm')
    .description(
      "A second wall, for when Bursar is away: what each account has left becomes a limit of Slurm's own, GrpTRESMins=billing=N of a QOS bursar_<account>, which is the default of the account. Run it where sacctmgr is, as somebody who may change accounts.",
    )
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar slurm wall plan\n  $ bursar slurm wall sync\n  $ bursar slurm wall drift --cluster eagle\n  $ bursar slurm wall remove --dry-run\n\nThe worker does the sync by itself where slurm.wall_interval is set: docs/operations/wall.md.\n',
    );

  withUnit(
    wall
      .command('plan')
      .summary('Show what sync would do, and the billing weights')
      .description(
        'Show what sync would set, the lines of slurm.conf that say the rates (they are yours to write), and what keeps the wall from standing. Changes nothing.',
      ),
  )
    .addHelpText('after', '\nExamples:\n  $ bursar slurm wall plan\n  $ bursar slurm wall plan --json | jq .weights\n')
    .action(act((session, options: Options) => guarded(() => showPlan(session, options))));

  withUnit(
    wall
      .command('sync')
      .summary("Bring Slurm's limits to what is left")
      .description(
        "Bring Slurm's limits to what is left. What Slurm has counted already is added, so that the limit is where the money ends. Twice is once.",
      ),
  )
    .option('--dry-run', 'print the commands, and run none')
    .addHelpText('after', '\nExamples:\n  $ bursar slurm wall sync --dry-run\n  $ bursar slurm wall sync\n')
    .action(act((session, options: Options) => guarded(() => sync(session, options))));

  withUnit(
    wall
      .command('drift')
      .summary('Compare what Slurm has with what sync would set')
      .description(
        'Compare what Slurm has with what sync would set, and say who changed it where it was somebody else. Ends with 1 where anything was changed behind the wall, or where a user has a default QOS of his own that is outside of it.',
      ),
  )
    .addHelpText('after', '\nExamples:\n  $ bursar slurm wall drift\n  $ bursar slurm wall drift --csv\n')
    .action(act((session, options: Options) => guarded(() => drift(session, options))));

  withPlaces(
    wall
      .command('remove')
      .summary('Take the wall away')
      .description(
        'Take back what sync has set, and nothing else: the QOSs that it made, and the default QOS that each account had before. A QOS that jobs still have loses its limit at once, and goes when it is removed again after them.',
      ),
  )
    .option('--dry-run', 'print the commands, and run none')
    .addHelpText('after', '\nExamples:\n  $ bursar slurm wall remove --dry-run\n  $ bursar slurm wall remove\n')
    .action(act((session, options: Options) => guarded(() => remove(session, options))));
}

/** What Slurm's own command said is for the person, who may know what it means. */
async function guarded(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof SlurmFailed)) throw error;
    throw new Stop(EXIT.failure, `${error.message}.`, {
      hints: ["Run it on a machine with Slurm's commands, or say where they are: --slurm-bin, --slurm-conf."],
    });
  }
}

interface Read {
  run: RunSlurm;
  /** Its name in Slurm. */
  cluster: string;
  wanted: SlurmWall;
  plan: WallPlan;
  /** What has to be known of Slurm's configuration, a sentence each. */
  obstacles: string[];
  round: WayRound[];
  weights: { partition: string; weights: string; has?: string }[];
}

const toolsOf = ({ slurmBin, slurmConf, cluster }: Options): Promise<RunSlurm> =>
  slurmOf(slurmTools({ bin: slurmBin, conf: slurmConf && slurmConfFile(resolve(slurmConf)) }), cluster);

async function read(session: Session, options: Options): Promise<Read> {
  const run = await toolsOf(options);
  const slurm = await readSlurm(run);
  const wanted = await session.client.get<SlurmWall>('/api/v1/slurm/wall', {
    cluster: options.cluster ?? slurm.cluster,
    unit: options.unit,
  });
  const has = readPartitionWeights(await run('scontrol', ['-o', 'show', 'partition']));
  const accounts = wanted.accounts.map(({ account, unit, left, bound_by: boundBy }) => ({
    account,
    unit,
    left: parseAmount(String(Math.max(left, 0))),
    ...(boundBy !== undefined && { boundBy }),
  }));
  const plan = planWall({ ...wanted, accounts }, slurm);
  // A partition that Bursar has not heard of is priced as one that has no rate of its own.
  const weights = wanted.partitions.map(({ partition, weights: said }) => {
    const found = has.get(partition);
    return { partition, weights: said, ...(found === undefined ? {} : { has: found }) };
  });
  const { cluster, config } = slurm;
  return { run, cluster, wanted, plan, obstacles: readObstacles(config), round: waysRound(plan, slurm), weights };
}

const rowOf = (change: WallChange, unit: string, by?: { actor: string; at: string }) => ({
  account: change.account,
  qos: change.qos,
  action: change.action,
  left: renderAmount(change.left),
  unit,
  ...(change.boundBy === undefined ? {} : { bound_by: change.boundBy }),
  used: change.used.toString(),
  limit: change.limit.toString(),
  ...(change.was === undefined ? {} : { was: change.was.toString() }),
  ...(change.drift === undefined ? {} : { drift: change.drift }),
  ...(by && change.drift !== undefined ? { changed_by: by.actor, changed_at: by.at } : {}),
});

const DOES = { create: 'made', set: 'set', attach: 'made the default', keep: 'kept' } as const;

function showChanges(session: Session, { plan, wanted }: Read): void {
  if (plan.changes.length === 0) {
    session.say('No account of Bursar is an account of this Slurm.');
    return;
  }
  session.table(plan.changes, [
    { title: 'ACCOUNT', value: (row) => row.account, shrinksTo: 10 },
    {
      title: `LEFT (${wanted.unit})`,
      value: (row) => moneyIn(Number(renderAmount(row.left)), undefined),
      align: 'point',
    },
    ...(plan.changes.some(({ boundBy }) => boundBy !== undefined)
      ? [{ title: 'BOUND BY', value: (row: WallChange) => row.boundBy ?? '' }]
      : []),
    { title: 'USED (MIN)', value: (row) => row.used.toString(), align: 'right' },
    { title: 'LIMIT (MIN)', value: (row) => row.limit.toString(), align: 'right' },
    { title: 'SLURM HAS', value: (row) => row.was?.toString() ?? 'none', align: 'right' },
    { title: 'QOS IS', value: (row) => DOES[row.action] },
  ]);
  session.line();
  session.say(
    `Minutes of Slurm's billing: ${wanted.scale} of it for an hour are 1 ${wanted.unit}. The limit has what was used in it.`,
  );
}

function showWeights(session: Session, { weights }: Read): void {
  session.heading('Lines of slurm.conf that say the rates; they are yours to write');
  if (weights.length === 0) session.say('None: Bursar knows no partition of this cluster, and no rate.');
  for (const { partition, weights: said, has } of weights) {
    const isThere = has !== undefined && isSameWeights(said, has);
    const note = isThere ? 'there' : has === undefined ? 'Slurm has no such partition' : `Slurm has ${has || 'none'}`;
    session.line(`PartitionName=${partition} TRESBillingWeights="${said}"    # ${note}`);
  }
}

function sayWay(way: WayRound, cluster: string): string {
  const { account, user, defaultQos, qos } = way;
  const asked = qos.length === 0 ? '' : `with --qos=${qos.join(' or --qos=')}`;
  if (user === undefined) return `jobs of ${account} go round the wall ${asked}`;
  const how =
    defaultQos === undefined
      ? asked || 'or are refused, for its QOS is not one of the user'
      : `unasked: the user's own default QOS is ${defaultQos || 'none'}`;
  return `jobs of ${user} in ${account} go round the wall ${how}; \`${shell(commandToJoin(way, cluster))}\` gives ${user} what the account has`;
}

function showWarnings(session: Session, { cluster, plan, wanted, obstacles, round, weights }: Read): void {
  const unlike = weights.filter(({ weights: said, has }) => has !== undefined && !isSameWeights(said, has));
  const warnings = [
    ...obstacles,
    ...unlike.map(({ partition }) => `partition ${partition} bills by other weights than the rates say`),
    ...wanted.problems,
    ...round.map((way) => sayWay(way, cluster)),
    ...plan.without.map(({ account, why }) => `${account} has no wall: ${why}`),
  ];
  if (warnings.length === 0) return;
  session.heading('To be known');
  for (const warning of warnings) session.say(`- ${warning}`);
}

const answerOf = (found: Read, rows = found.plan.changes.map((each) => rowOf(each, found.wanted.unit))) => ({
  cluster: found.wanted.cluster,
  unit: found.wanted.unit,
  scale: found.wanted.scale,
  changes: rows,
  without: found.plan.without,
  weights: found.weights,
  obstacles: found.obstacles,
  problems: found.wanted.problems,
  ways_round: found.round.map(({ defaultQos, ...way }) => ({
    ...way,
    ...(defaultQos === undefined ? {} : { default_qos: defaultQos }),
  })),
});

async function showPlan(session: Session, options: Options): Promise<void> {
  const found = await read(session, options);
  const body = answerOf(found);
  session.answer(
    body,
    () => {
      showChanges(session, found);
      showWeights(session, found);
      showWarnings(session, found);
    },
    FIELDS.change,
    body.changes,
  );
}

const shell = (command: readonly string[]): string =>
  ['sacctmgr', '-i', ...command].map((word) => (/^[\w=+.,:-]+$/.test(word) ? word : `'${word}'`)).join(' ');

async function sync(session: Session, options: Options): Promise<void> {
  const found = await read(session, options);
  const { plan, run } = found;
  const due = plan.changes.filter(({ commands }) => commands.length > 0);
  const failures = options.dryRun ? [] : await changeSlurm(run, due);
  // What is a user's own shows only once the account has something else.
  if (!options.dryRun && due.length > 0) found.round = waysRound(plan, await readSlurm(run));
  const body = { ...answerOf(found), dry_run: options.dryRun ?? false, failures };
  session.answer(
    body,
    () => {
      if (options.dryRun) session.lines(due.flatMap(({ commands }) => commands.map(shell)));
      const kept = plan.changes.length - due.length;
      const done = options.dryRun ? 'would be changed' : 'changed';
      session.line(session.paint('green', `Walls of ${due.length - failures.length} accounts ${done}, ${kept} kept.`));
      showWarnings(session, found);
    },
    FIELDS.change,
    body.changes,
  );
  stopOn(failures);
}

function stopOn(failures: readonly { account: string; failure: string }[]): void {
  if (failures.length === 0) return;
  throw new Stop(EXIT.failure, failures.map(({ account, failure }) => `${account}: ${failure}`).join('\n'));
}

async function drift(session: Session, options: Options): Promise<void> {
  const found = await read(session, options);
  const { plan, wanted, run } = found;
  const changers = readChanges(await run('sacctmgr', READ_CHANGES));
  const rows = plan.changes.map((each) => rowOf(each, wanted.unit, changers.get(each.qos)));
  const changed = plan.changes.filter((each) => each.drift !== undefined);
  const outside = found.round.filter(({ defaultQos }) => defaultQos !== undefined);
  const behind = plan.changes.filter((each) => each.drift === undefined && each.action !== 'keep');
  session.answer(
    answerOf(found, rows),
    () => {
      session.line(
        changed.length === 0
          ? session.paint(outside.length === 0 ? 'green' : 'yellow', 'Nobody has changed the wall.')
          : session.paint('red', `Changed behind the wall: ${changed.length} of ${plan.changes.length} accounts.`),
      );
      for (const { account, drift: what, qos } of changed) {
        const by = changers.get(qos);
        session.say(
          `- ${account}: ${what}${by ? ` (limit last changed by ${by.actor} at ${by.at}, Slurm's clock)` : ''}`,
        );
      }
      if (outside.length > 0) session.line(session.paint('red', 'Jobs start outside of it without asking:'));
      for (const { account, user = '', defaultQos = '' } of outside) {
        session.say(`- those of ${user} in ${account}: the user's own default QOS is ${defaultQos || 'none'}`);
      }
      if (behind.length > 0)
        session.say(`${behind.length} accounts are as they were last set, and sync would move them.`);
      session.line();
      showChanges(session, found);
      showWarnings(session, found);
    },
    FIELDS.change,
    rows,
  );
  if (changed.length > 0 || outside.length > 0) throw new Stop(EXIT.failure, '');
}

async function remove(session: Session, options: Options): Promise<void> {
  const run = await toolsOf(options);
  const slurm = await readSlurm(run);
  const planned = await planSlurmRemoval(run, options.cluster ?? slurm.cluster, slurm);
  const failures = options.dryRun ? [] : await changeSlurm(run, planned);
  const rows = planned.map(({ account, qos, isInUse, commands }: Removal) => ({
    account,
    qos,
    in_use: isInUse,
    commands: commands.map(shell),
  }));
  session.answer(
    { dry_run: options.dryRun ?? false, removed: rows, failures },
    () => {
      if (options.dryRun) session.lines(rows.flatMap(({ commands }) => commands));
      if (rows.length === 0) {
        session.say('There is no wall of ours on this cluster.');
        return;
      }
      const inUse = planned.filter(({ isInUse }) => isInUse);
      const done = options.dryRun ? 'would be taken away' : 'taken away';
      session.line(session.paint('green', `Walls of ${rows.length - failures.length} accounts ${done}.`));
      for (const { qos } of inUse) {
        session.say(`- jobs still have ${qos}: its limit is gone, and the QOS goes when this is run again after them`);
      }
    },
    FIELDS.removal,
    rows,
  );
  stopOn(failures);
}
