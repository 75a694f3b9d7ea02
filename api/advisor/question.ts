/** What an advisor is asked (contract 10.1), word for word as ASBB asks it. */
import { createHash } from 'node:crypto';
import type { AdvisorQuestion } from '../../ledger/contract';
import type { AdvisorSettings } from '../../platform/config/integration';
import { buildFacts } from '../../platform/build-facts';

export function bodyOf(question: AdvisorQuestion, now: number): string {
  const { account, partition, nodes, cpus, gpus, memoryMib, wallSeconds, jobScript, at } = question;
  return JSON.stringify({
    account,
    partition,
    nodes: Math.max(nodes, 1),
    cpus: Math.max(cpus, 1),
    ...(gpus > 0 && { gpus }),
    ...(memoryMib > 0 && { memory: memoryOf(memoryMib) }),
    wall_time: clock(wallSeconds),
    ...(jobScript !== undefined && jobScript !== '' && { job_script: jobScript }),
    timestamp: Math.floor((at === undefined ? now : Date.parse(at)) / 1000),
  });
}

/** The configured headers replace ours, and the key both. */
export function headersOf({ headers, apiKey }: Pick<AdvisorSettings, 'headers' | 'apiKey'>): Record<string, string> {
  const all = new Map<string, [string, string]>();
  const set = (name: string, value: string) => all.set(name.toLowerCase(), [name, value]);
  set('Content-Type', 'application/json');
  set('User-Agent', `aws-slurm-burst-budget/${buildFacts().version} (${process.platform}; ${process.arch})`);
  for (const [name, value] of Object.entries(headers)) set(name, value);
  if (apiKey !== undefined) set('Authorization', `Bearer ${apiKey}`);
  return Object.fromEntries(all.values());
}

/** The same for two questions that differ in nothing that decides the price: all that is told but the time. */
export function priceKeyOf(question: AdvisorQuestion): string {
  const { jobScript, at, ...job } = question;
  const script = jobScript === undefined ? '' : createHash('sha256').update(jobScript).digest('base64');
  const { account, unit, partition, nodes, cpus, gpus, memoryMib, wallSeconds } = job;
  return JSON.stringify([account, unit, partition, nodes, cpus, gpus, memoryMib, wallSeconds, script, at]);
}

const memoryOf = (mib: number): string => (mib % 1024 === 0 ? `${mib / 1024}GB` : `${Math.ceil(mib)}MB`);

/** Hours beyond a day stay hours: ASBB's own readers know no days. */
const clock = (seconds: number): string =>
  [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), seconds % 60]
    .map((part) => String(part).padStart(2, '0'))
    .join(':');
