/** Makes what the demo needs through the public API: clusters, prices, accounts with money. */
import { codeOf } from '../../domain/code-of';
import { path, type Client } from '../client';
import { EXIT, Stop } from '../exit';
import type { LoggedJob } from '../../domain/sacct-jobs';
import { UNIT, type Plan } from './plan';

export interface Setup {
  /** 1 for the first demo on this data, then 2, 3, ... */
  run: number;
  /** The name by which the API knows a cluster or an account of the log. */
  nameOf: (inLog: string) => string;
  clusters: string[];
  accounts: string[];
}

const MOST_RUNS = 1000;

/**
 * The log's own names the first time, `name-2` the second, and so on, for a run replayed on the same cluster would be the
 * same jobs again. Making the first cluster is what decides which run this is, so that two demos at once do not mix.
 */
export async function setUp(
  client: Client,
  jobs: readonly LoggedJob[],
  plan: Plan,
  timeZone: string,
  now: Date,
): Promise<Setup> {
  const clusters = [...new Set(jobs.map(({ cluster }) => cluster))];
  const accounts = plan.accounts.map(({ name }) => name);
  const run = await takeRun(client, clusters, accounts, timeZone);
  const nameOf = (inLog: string) => nameInRun(inLog, run);
  const years = [...jobs.map(({ submittedAt }) => Number(submittedAt.slice(0, 4))), now.getUTCFullYear()];
  const starts_at = `${Math.min(...years) - 1}-01-01T00:00:00Z`;

  for (const cluster of clusters) {
    for (const { resource, price } of plan.rates) {
      await client.post('/api/v1/rates', {
        cluster: nameOf(cluster),
        resource,
        unit: UNIT,
        price,
        starts_at,
        source: 'invented for the demo',
      });
    }
  }
  for (const { name, budget, cap } of plan.accounts) {
    await client.post('/api/v1/accounts', {
      slurm_account: nameOf(name),
      name: `${name} of the demo`,
      description: `Made by \`bursar demo\`${run > 1 ? `, run ${run}` : ''}.`,
      unit: UNIT,
      time_zone: timeZone,
      start_date: starts_at,
      // The log may be old; its money must not have expired before anybody looks at it.
      end_date: `${Math.max(...years) + 1}-01-01T00:00:00Z`,
    });
    await client.post(
      path`/api/v1/accounts/${nameOf(name)}/deposits`,
      { amount: budget, description: 'money of the demo', effective_at: starts_at },
      `demo-${nameOf(name)}-deposit`,
    );
    if (cap) {
      await client.put(path`/api/v1/accounts/${nameOf(name)}/partition-limits/${cap.partition}`, { limit: cap.limit });
    }
  }
  return { run, nameOf, clusters: clusters.map(nameOf), accounts: accounts.map(nameOf) };
}

const nameInRun = (name: string, run: number) => (run === 1 ? name : `${name}-${run}`);

async function takeRun(
  client: Client,
  clusters: readonly string[],
  accounts: readonly string[],
  timeZone: string,
): Promise<number> {
  for (let run = 1; run <= MOST_RUNS; run += 1) {
    if (await anyExists(client, accounts, run)) continue;
    if (await makeClusters(client, clusters, run, timeZone)) return run;
  }
  throw new Stop(EXIT.failure, `The demo has run ${MOST_RUNS} times on this data.`, {
    hints: ['Name another data directory with BURSAR_HOME.'],
  });
}

async function anyExists(client: Client, accounts: readonly string[], run: number): Promise<boolean> {
  for (const account of accounts) {
    if (await isThere(client, path`/api/v1/accounts/${nameInRun(account, run)}`)) return true;
  }
  return false;
}

async function isThere(client: Client, address: string): Promise<boolean> {
  try {
    await client.get(address);
    return true;
  } catch (error) {
    if (error instanceof Stop && error.exitCode === EXIT.notFound) return false;
    throw error;
  }
}

/** False where one of them exists. */
async function makeClusters(
  client: Client,
  clusters: readonly string[],
  run: number,
  timeZone: string,
): Promise<boolean> {
  for (const cluster of clusters) {
    try {
      await client.post('/api/v1/clusters', { name: nameInRun(cluster, run), time_zone: timeZone });
    } catch (error) {
      if (error instanceof Stop && codeOf(error.problem) === 'cluster_exists') return false;
      throw error;
    }
  }
  return true;
}
