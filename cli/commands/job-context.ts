/** `bursar job-context`: what the script of a job wants to know about its own money. */
import type { Command } from 'commander';
import { divideHalfEven, parseAmount, toJsonNumber, type Micro } from '../../domain/money';
import { path, type Client } from '../client';
import { EXIT, Stop } from '../exit';
import { clockIn, moneyIn, wallTime } from '../format';
import type { Act, Session } from '../session';
import { required, standingCluster, standingJob } from '../standing';
import type { Account, Decision, Job, JobStory } from '../wire';

const SECONDS_PER_HOUR = 3600n;

/** The answer of --json and --csv. Amounts are in `unit`. */
interface JobContext {
  cluster: string;
  job_id: string;
  state: string;
  account?: string | undefined;
  unit?: string | undefined;
  user_id?: string | undefined;
  partition?: string | undefined;
  transaction_id?: string | undefined;
  held: number;
  accrued: number;
  charged: number;
  /** Of what is held, what has not been used up. */
  left: number;
  price_per_hour?: number | undefined;
  /** How long what is left lasts at this price. */
  money_left_seconds?: number | undefined;
  started_at?: string | undefined;
  time_limit_seconds?: number | undefined;
  time_left_seconds?: number | undefined;
  account_available?: number | undefined;
  time_zone: string;
}

const FIELDS: readonly (keyof JobContext)[] = [
  'cluster',
  'job_id',
  'state',
  'account',
  'unit',
  'user_id',
  'partition',
  'transaction_id',
  'held',
  'accrued',
  'charged',
  'left',
  'price_per_hour',
  'money_left_seconds',
  'started_at',
  'time_limit_seconds',
  'time_left_seconds',
  'account_available',
  'time_zone',
];

export function defineJobContext(parent: Command, act: Act): void {
  parent
    .command('job-context')
    .summary('The money and the time that a job has left')
    .description(
      "Show what a job's script may want to know: its account and its hold, what is left of it, what an hour costs, and how much time is left. Within a job of Slurm or PBS it is about that job.",
    )
    .option('--job-id <id>', "the scheduler's id (SLURM_JOB_ID, PBS_JOBID)")
    .option('--cluster <cluster>', 'its cluster (SLURM_CLUSTER_NAME; default: any, the newest job of this id)')
    .addHelpText(
      'after',
      `
Examples:
  $ bursar job-context --job-id 88123
  $ bursar job-context --json | jq .time_left_seconds      in a job's script
`,
    )
    .action(
      act(async (session, options: { jobId?: string; cluster?: string }) => {
        const [jobId] = required([
          standingJob(session, options.jobId),
          'the job (--job-id, or SLURM_JOB_ID within a job)',
        ]);
        const story = await readStory(session.client, jobId, standingCluster(session, options.cluster));
        const context = await contextOf(session.client, story);
        session.answer(context, () => show(session, context), FIELDS);
      }),
    );
}

async function readStory(client: Client, jobId: string, cluster: string | undefined): Promise<JobStory> {
  if (cluster !== undefined) return client.get<JobStory>(path`/api/v1/jobs/${cluster}/${jobId}`);
  const { rows } = await client.list<Job>('/api/v1/jobs', { job_id: jobId }, 1);
  const [newest] = rows;
  if (!newest) {
    throw new Stop(EXIT.notFound, `Nothing is known of a job ${jobId}.`, {
      hints: [
        'A job is known from its budget check on, or from the first event that names it. --cluster says where to look.',
      ],
      problem: { code: 'job_not_found', detail: `Nothing is known of a job ${jobId}.` },
    });
  }
  return client.get<JobStory>(path`/api/v1/jobs/${newest.cluster}/${newest.job_id}`);
}

async function contextOf(client: Client, story: JobStory): Promise<JobContext> {
  const isOver = story.runs.length > 0 && story.runs.every((run) => run.ended_at !== undefined);
  const [price, account] = await Promise.all([
    isOver ? undefined : hourlyPrice(client, story),
    story.account === undefined ? undefined : orNothing(client.get<Account>(path`/api/v1/accounts/${story.account}`)),
  ]);
  const left = leftOf(story);
  const run = story.runs.findLast((each) => each.ended_at === undefined && each.started_at !== undefined);
  const limit = isOver ? undefined : timeLimit(story);
  return {
    cluster: story.cluster,
    job_id: story.job_id,
    state: story.state,
    account: story.account,
    unit: story.unit,
    user_id: story.user_id,
    partition: story.partition,
    transaction_id: story.transaction_id,
    held: story.held,
    accrued: story.accrued,
    charged: story.charged,
    left: toJsonNumber(left),
    price_per_hour: price === undefined ? undefined : toJsonNumber(price),
    money_left_seconds:
      price === undefined || price <= 0n || isOver ? undefined : Number((left * SECONDS_PER_HOUR) / price),
    started_at: run?.started_at,
    time_limit_seconds: limit,
    time_left_seconds: limit === undefined ? undefined : Math.max(0, Math.floor(limit - (run?.run_seconds ?? 0))),
    account_available: account?.budget_available,
    time_zone: story.time_zone,
  };
}

const microOf = (amount: number): Micro => parseAmount(String(amount));

function leftOf({ held, accrued }: JobStory): bigint {
  const left = microOf(held) - microOf(accrued);
  return left > 0n ? left : 0n;
}

/** The newest that anybody said: an event, else the check. */
function timeLimit({ events, decision }: JobStory): number | undefined {
  const said = events.findLast((event) => event.time_limit_seconds !== undefined);
  return said?.time_limit_seconds ?? decision?.components[0]?.wall_seconds;
}

/**
 * What it has been given is priced by the server, as it would be at its end; before it has anything, what was asked for says
 * what an hour of it was thought to cost.
 */
async function hourlyPrice(client: Client, story: JobStory): Promise<bigint | undefined> {
  const { account, partition, cluster, events, decision } = story;
  const given = events.findLast(({ resources }) => resources !== undefined)?.resources;
  if (given && account !== undefined && partition !== undefined) {
    const models = Object.entries(given.gpus_by_model);
    const tres = [
      `cpu=${given.cpus}`,
      `node=${given.nodes}`,
      ...(given.memory_mib > 0 ? [`mem=${given.memory_mib}M`] : []),
      ...(given.gpus > 0 ? [`gres/gpu=${given.gpus}`] : []),
      ...models.map(([model, count]) => `gres/gpu:${model}=${count}`),
    ].join(',');
    const body = { account, partition, cluster, tres, wall_time: '01:00:00' };
    const estimate = await orNothing(client.post<Decision>('/api/v1/budget/estimate', body));
    return estimate && microOf(estimate.estimated_cost);
  }
  const seconds = decision?.components[0]?.wall_seconds;
  if (decision === undefined || seconds === undefined || seconds < 1) return undefined;
  return divideHalfEven(microOf(decision.estimated_cost) * SECONDS_PER_HOUR, BigInt(Math.floor(seconds)));
}

/** A key may be good for jobs and for nothing else; then that part is left out. */
async function orNothing<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof Stop && error.exitCode !== EXIT.unreachable) return undefined;
    throw error;
  }
}

function show(session: Session, context: JobContext): void {
  const zone = session.zone(context.time_zone);
  const { unit } = context;
  session.fields([
    ['Job', `${context.cluster}/${context.job_id}`],
    ['State', context.state.replaceAll('_', ' ')],
    ['Account', context.account],
    ['Partition', context.partition],
    ['User', context.user_id],
    ['Hold', context.transaction_id],
    ['Held', moneyIn(context.held, unit)],
    ['Used so far', context.accrued === 0 ? undefined : moneyIn(context.accrued, unit)],
    ['Charged', context.charged === 0 ? undefined : moneyIn(context.charged, unit)],
    ['Left', moneyIn(context.left, unit)],
    ['Price per hour', moneyIn(context.price_per_hour, unit)],
    ['Money lasts', wallTime(context.money_left_seconds)],
    ['Started', clockIn(context.started_at, zone)],
    ['Time limit', wallTime(context.time_limit_seconds)],
    ['Time left', wallTime(context.time_left_seconds)],
    ['Account has left', moneyIn(context.account_available, unit)],
  ]);
}
