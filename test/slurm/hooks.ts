/** Bursar's hooks in a test cluster: what an administrator does on both sides, before the first job. */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { PACKAGE_ROOT } from '../../platform/paths';
import { eventually } from '../helpers/eventually';

/** Microdollars a second, so that every charge is exact: 0.36 an hour for a CPU, 3.60 for a GPU. Memory costs nothing. */
export const CPU_SECOND = 100n;
export const GPU_SECOND = 1_000n;

/** Of the hooks and the relay; everything that is installed is below the cluster's folder. */
export const configOf = (folder: string): string => join(folder, 'etc/bursar/slurm.json');
export const relayOf = (folder: string): string[] => [
  '/usr/bin/python3',
  join(folder, 'usr/lib/bursar/slurm/bursar-relay.py'),
  '--config',
  configOf(folder),
];

/** The cluster, with its prices. */
export async function prepareCluster(url: string, name: string): Promise<void> {
  const ask = <T>(method: string, path: string, body?: unknown) => askOf<T>(url, method, path, body);
  await eventually('the API answers', () => ask('GET', '/api/v1/clusters'), 60_000);
  await ask('PUT', `/api/v1/clusters/${name}`, {
    time_zone: 'UTC',
    price_preset: 'none',
    default_partition: 'cpu',
    failure_policy: 'closed',
    end_grace_seconds: 5,
  });
  for (const [partition, maxTime] of [
    ['cpu', 120],
    ['gpu', 240],
  ] as const) {
    const times = { max_time_seconds: maxTime * 60, default_time_seconds: 600 };
    await ask('PUT', `/api/v1/clusters/${name}/partitions/${partition}`, times);
  }
  const starts = `${new Date().getUTCFullYear() - 1}-01-01T00:00:00Z`;
  for (const [resource, price] of [
    ['cpu', '0.36'],
    ['gpu:a100', '3.6'],
  ] as const) {
    await ask('POST', '/api/v1/rates', {
      cluster: name,
      resource,
      unit: 'USD',
      price,
      starts_at: starts,
      source: 'test',
    });
  }
}

export interface Installation {
  conf: string;
  folder: string;
  env: Record<string, string>;
  /** Bursar's API. */
  url: string;
  /** Fields of the hooks' configuration that differ from what the installer would write. */
  config?: Record<string, unknown>;
  /** The price is shown by sbatch, salloc and srun themselves, too. */
  cliFilter?: boolean;
}

/** `bursar slurm install`, as an administrator runs it on the controller. */
export async function installHooks({ conf, folder, env, url, config, cliFilter }: Installation): Promise<void> {
  if (config) {
    mkdirSync(dirname(configOf(folder)), { recursive: true });
    writeFileSync(configOf(folder), JSON.stringify(config));
  }
  const places = ['--slurm-conf', conf, '--prefix', folder, ...(cliFilter ? ['--cli-filter'] : [])];
  const command = [join(PACKAGE_ROOT, 'bin/bursar.js'), '--endpoint', url, 'slurm', 'install', ...places];
  // Nobody's home: what runs on this machine is not what is meant.
  await promisify(execFile)(process.execPath, command, { env: { ...env, BURSAR_HOME: join(folder, 'home/root') } });
}

/** Changes fields of what the hooks read for each job: the controller's in slurm.json, the commands' in cli.json. */
export function reconfigure(folder: string, file: 'slurm.json' | 'cli.json', fields: Record<string, unknown>) {
  const path = join(folder, 'etc/bursar', file);
  const before = readFileSync(path, 'utf8');
  writeFileSync(path, JSON.stringify({ ...(JSON.parse(before) as object), ...fields }));
  return { undo: () => writeFileSync(path, before) };
}

/** For tests of something else than how fast the answer comes: on a busy machine it may take longer than a site would wait. */
export function bePatient(folder: string) {
  const files = (['slurm.json', 'cli.json'] as const).filter((file) => existsSync(join(folder, 'etc/bursar', file)));
  const changed = files.map((file) => reconfigure(folder, file, { deadline_ms: 5_000 }));
  return { undo: () => changed.forEach(({ undo }) => undo()) };
}

/** Asks an API of Bursar as its administrator. */
export async function askOf<T>(url: string, method: string, path: string, body?: unknown): Promise<T> {
  const response = await fetch(url + path, {
    method,
    ...(body !== undefined && { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text}`);
  return JSON.parse(text) as T;
}
