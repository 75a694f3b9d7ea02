/** What people do all day, and what breaks: deeds for the random mix, each of which ends with nothing left to do. */
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../helpers/eventually';
import type { Daemon, Person, Ran } from './cluster';
import { configOf } from './hooks';
import type { House } from './house';

export type Random = (below: number) => number;

export interface Deed {
  name: string;
  /** How often, beside the others. */
  weight: number;
  act(): Promise<string | void>;
}

/** From and until when the controller was dead: what Slurm's accounting says of jobs that lived then is not to be trusted. */
export type Outage = { from: number; until: number };

export function choose(deeds: readonly Deed[], random: Random): Deed {
  let dice = random(deeds.reduce((sum, { weight }) => sum + weight, 0));
  for (const deed of deeds) {
    dice -= deed.weight;
    if (dice < 0) return deed;
  }
  throw new Error('no deed has a weight');
}

const HET = '#!/bin/sh\n#SBATCH -n 1 -t 3\n#SBATCH hetjob\n#SBATCH -n 2 -t 3 -p gpu --gres=gpu:a100:1\nsleep 2\n';

/** Submissions of every kind and what becomes of them. Any of it may fail while something is broken; that is the point. */
export function jobDeeds(
  { cluster }: House,
  accounts: { rich: readonly string[]; poor: string },
  random: Random,
): Deed[] {
  const person = (): Person => (random(2) === 0 ? 'alice' : 'bob');
  const rich = () => accounts.rich[random(accounts.rich.length)] ?? '';
  const told = ({ code, stdout, stderr }: Ran) => {
    if (code === 0) return stdout.trim() === '' ? 'done' : `job ${stdout.trim()}`;
    const [reason = stderr.trim()] = stderr.split('\n').filter((line) => line.includes('error: '));
    return `refused: ${reason.replace(/^\w+: error: /, '')}`;
  };
  const submit = (args: string[], input?: string) =>
    cluster.run('sbatch', ['--parsable', '-A', rich(), ...args], {
      user: person(),
      ...(input !== undefined && { input }),
    });
  const seconds = () => `--wrap=sleep ${random(8)}`;
  const after = async (ran: Ran, state: string, act: (id: string) => Promise<Ran>): Promise<string> => {
    if (ran.code !== 0) return told(ran);
    const id = ran.stdout.trim();
    const reached = await cluster.jobIs(id, state, 15_000).catch(() => undefined);
    const done = await act(id);
    return `${told(ran)}, ${reached ? state : `not ${state}`}, then ${done.code === 0 ? 'done' : done.stderr.trim().split('\n')[0]}`;
  };
  const scontrol = (...args: string[]) => cluster.run('scontrol', args, { user: 'root' });
  const scancel = (id: string) => cluster.run('scancel', [id], { user: 'root' });
  return [
    {
      name: 'a short job',
      weight: 8,
      act: async () => told(await submit(['-n', `${1 + random(4)}`, '-t', '5', seconds()])),
    },
    {
      name: 'a burst of equal jobs',
      weight: 2,
      act: async () => {
        const [user, account, size] = [person(), rich(), 5 + random(10)];
        const args = ['--parsable', '-A', account, '-t', '3', `--wrap=sleep ${random(3)}`];
        const burst: string[] = [];
        for (let n = 0; n < size; n++) burst.push(told(await cluster.run('sbatch', args, { user })));
        return burst.join(', ');
      },
    },
    {
      name: 'a job with GPUs',
      weight: 4,
      act: async () => told(await submit(['-t', '5', '-p', 'gpu', `--gres=gpu:a100:${1 + random(3)}`, seconds()])),
    },
    {
      name: 'an array',
      weight: 3,
      act: async () => told(await submit([`--array=1-${2 + random(4)}`, '-t', '3', seconds()])),
    },
    { name: 'a heterogeneous job', weight: 2, act: async () => told(await submit([], HET)) },
    {
      name: 'srun',
      weight: 2,
      act: async () =>
        told(
          await cluster.run('srun', ['-A', rich(), '-t', '2', 'sleep', `${random(3)}`], {
            user: person(),
            withinMs: 40_000,
          }),
        ),
    },
    {
      name: 'a job that is too dear',
      weight: 2,
      act: async () =>
        told(await cluster.run('sbatch', ['--parsable', '-A', accounts.poor, '-n', '8', '-t', '100', '--wrap=true'])),
    },
    {
      name: 'a job that Slurm refuses afterwards',
      weight: 1,
      act: async () => told(await submit(['--reservation=nowhere', '--wrap=true'])),
    },
    {
      name: 'a job of which only is asked whether it could run',
      weight: 1,
      act: async () => told(await submit(['--test-only', '--wrap=true'])),
    },
    {
      name: 'cancelled while it waits',
      weight: 2,
      act: async () => after(await submit(['--hold', '--wrap=true']), 'PENDING', scancel),
    },
    {
      name: 'cancelled while it runs',
      weight: 2,
      act: async () => after(await submit(['-t', '5', '--wrap=sleep 60']), 'RUNNING', scancel),
    },
    {
      name: 'a task cancelled while it waits',
      weight: 1,
      act: async () =>
        after(await submit(['--array=1-3%1', '-t', '3', '--wrap=sleep 2']), 'RUNNING', (id) => scancel(`${id}_3`)),
    },
    {
      name: 'requeued',
      weight: 2,
      act: async () => after(await submit(['-t', '5', '--wrap=sleep 4']), 'RUNNING', (id) => scontrol('requeue', id)),
    },
    {
      name: 'suspended for a while',
      weight: 2,
      act: async () =>
        after(await submit(['-t', '5', '-p', 'gpu', '--gres=gpu:a100:1', '--wrap=sleep 5']), 'RUNNING', async (id) => {
          await scontrol('suspend', id);
          await sleep(3_000 + random(3_000));
          return scontrol('resume', id);
        }),
    },
    {
      name: 'given more time while it waits',
      weight: 2,
      act: async () =>
        after(await submit(['--hold', '-t', '5', '--wrap=sleep 1']), 'PENDING', async (id) => {
          await cluster.run('scontrol', ['update', `jobid=${id}`, `timelimit=${6 + random(10)}`]);
          return scontrol('release', id);
        }),
    },
    {
      name: 'a job that runs into its limit',
      weight: 1,
      act: async () => told(await submit(['-t', '1', '--wrap=sleep 600'])),
    },
  ];
}

/** Failures, one at a time; each has been mended when its deed is done. */
export function failureDeeds(house: House, random: Random, outages: Outage[]): Deed[] {
  const { bursar, cluster } = house;
  const pause = (from: number, more: number) => sleep((from + random(more)) * 1_000);
  const restart = async (daemon: Daemon, from: number, more: number) => {
    await cluster.kill(daemon);
    await pause(from, more);
    await cluster.start(daemon);
  };
  const configuration = configOf(cluster.folder);
  return [
    {
      name: 'Bursar is killed, and away for a while',
      weight: 3,
      act: async () => {
        await bursar.signal('api', 'SIGKILL');
        await bursar.stop('api');
        await pause(1, 10);
        await bursar.start('api');
      },
    },
    {
      name: 'Bursar hangs',
      weight: 3,
      act: async () => {
        await bursar.signal('api', 'SIGSTOP');
        await pause(1, 6);
        await bursar.signal('api', 'SIGCONT');
      },
    },
    { name: 'the worker is killed', weight: 2, act: () => bursar.signal('worker', 'SIGKILL') },
    { name: 'PostgreSQL is killed', weight: 1, act: () => bursar.signal('postgres', 'SIGKILL') },
    { name: 'Temporal is killed', weight: 1, act: () => bursar.signal('temporal', 'SIGKILL') },
    {
      name: 'the relay is killed',
      weight: 2,
      act: async () => {
        await house.killRelay();
        await pause(0, 8);
        await house.startRelay();
      },
    },
    { name: 'slurmd of c1 is killed', weight: 1, act: () => restart('c1', 1, 30) },
    { name: 'slurmd of g2 is killed', weight: 1, act: () => restart('g2', 1, 30) },
    {
      name: 'slurmctld is killed',
      weight: 2,
      act: async () => {
        const from = Date.now() / 1_000;
        await restart('slurmctld', 0, 4);
        outages.push({ from, until: Date.now() / 1_000 });
      },
    },
    { name: 'slurmdbd is killed', weight: 1, act: () => restart('slurmdbd', 1, 6) },
    {
      name: 'the spool is full',
      weight: 2,
      act: async () => {
        const before = readFileSync(configuration, 'utf8');
        writeFileSync(configuration, JSON.stringify({ ...(JSON.parse(before) as object), spool_bytes: 8 }));
        await pause(3, 8);
        writeFileSync(configuration, before);
      },
    },
  ];
}

/** All parts run and every node takes jobs. */
export async function heal({ bursar, cluster }: House): Promise<void> {
  for (const daemon of ['slurmdbd', 'slurmctld', 'c1', 'c2', 'g1', 'g2'] as const) await cluster.start(daemon);
  await bursar.allBack();
  await eventually(
    'no node is down',
    async () => {
      await cluster.run('scontrol', ['update', 'nodename=c[1-2],g[1-2]', 'state=resume'], { user: 'root' });
      return !/down|drain/i.test(await cluster.ask('sinfo', ['-h', '-N', '-o', '%T'], { user: 'root' }));
    },
    120_000,
  ).catch(() => undefined);
}
