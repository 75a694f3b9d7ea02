/** The API keys of an installation: made, kept while they are good, and revoked. */
import { hostname } from 'node:os';
import { join } from 'node:path';
import { path } from '../client';
import { EXIT, Stop } from '../exit';
import type { Session } from '../session';
import type { ApiKey, CreatedKey } from '../wire';
import { textOf } from './files';
import { CLI_CONFIG, HOOK_KEY, onDisk } from './layout';
import type { Manifest } from './manifest';
import { renderCliConfig, type Plan, type PlannedFile } from './plan';

type NewKey = { name: string; scope: string; cluster?: string };

export interface HeldKey {
  file: string;
  token: string;
  made?: { key_id: string; name: string };
}

const hookKey = (cluster: string): NewKey => ({ name: `${cluster}-hook`, scope: 'hook', cluster });
const estimateKey = (cluster: string): NewKey => ({ name: `${cluster}-estimate`, scope: 'estimate' });

/** Those that an installation has. */
export const keysToMake = ({ cluster, parts }: Plan): NewKey[] => [
  hookKey(cluster),
  ...(parts.has('cli-filter') ? [estimateKey(cluster)] : []),
];

/** Those that it had and needs no more: every user could read them. */
export const keysToRevoke = ({ parts }: Plan, before: Manifest | undefined): Manifest['keys'] =>
  parts.has('cli-filter') || before === undefined
    ? []
    : before.keys.filter(({ name }) => name.startsWith(estimateKey(before.cluster).name));

/** A key that is there and works is kept, so that installing again changes nothing. */
export async function makeKeys(session: Session, plan: Plan): Promise<{ keys: HeldKey[]; cliFile?: PlannedFile }> {
  const { layout } = plan;
  const hookFile = join(layout.etc, HOOK_KEY);
  const hook = hookKey(plan.cluster);
  const keys = [await heldKey(session, hookFile, textOf(onDisk(layout, hookFile))?.trim(), hook, policyPath(plan))];
  if (!plan.parts.has('cli-filter')) return { keys };
  const cliPath = join(layout.etc, CLI_CONFIG);
  const there = /"token":\s*"([^"]+)"/.exec(textOf(onDisk(layout, cliPath)) ?? '')?.[1];
  const held = await heldKey(session, cliPath, there, estimateKey(plan.cluster), policyPath(plan));
  keys.push(held);
  return { keys, cliFile: await renderCliConfig(plan, session.endpoint, held.token) };
}

export const policyPath = ({ cluster }: Plan): string => `/api/v1/slurm/policy?cluster=${encodeURIComponent(cluster)}`;

async function heldKey(
  session: Session,
  file: string,
  there: string | undefined,
  wanted: NewKey,
  proof: string,
): Promise<HeldKey> {
  if (there !== undefined && there !== '' && (await isGood(session, there, wanted, proof)))
    return { file, token: there };
  // The name may be taken by a key whose secret is lost; the two can be told apart by host and time.
  const names = [
    wanted.name,
    `${wanted.name}-${hostname().split('.')[0]}-${session.io.now().toISOString().slice(0, 19).replace(/\D/g, '')}`,
  ];
  for (const name of names) {
    try {
      const made = await session.client.post<CreatedKey>('/api/v1/keys', { ...wanted, name });
      return { file, token: made.key, made: { key_id: made.key_id, name: made.name } };
    } catch (error) {
      if (!(error instanceof Stop) || codeIn(error.problem) !== 'api_key_exists') throw error;
    }
  }
  throw new Stop(EXIT.failure, `No key could be made: ${names.join(' and ')} are taken.`, {
    hints: ['`bursar key list` shows the keys there are.'],
  });
}

/** The service knows it by its id, as what it should be, and takes it. While no admin key is made, it would take anything. */
async function isGood(session: Session, token: string, wanted: NewKey, proof: string): Promise<boolean> {
  const id = /^bursar_([a-z0-9]+)_/.exec(token)?.[1];
  const { rows } = await session.client.list<ApiKey>('/api/v1/keys', {}, undefined);
  const known = rows.find(({ key_id: keyId }) => keyId === id);
  if (known?.status !== 'active' || known.scope !== wanted.scope || known.cluster !== wanted.cluster) return false;
  try {
    await session.connect(session.endpoint, { token }).get(proof);
    return true;
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    if (error.exitCode === EXIT.unreachable) throw error;
    // What its scope forbids it was known for.
    return codeIn(error.problem) !== 'unauthenticated';
  }
}

const codeIn = (problem: unknown): unknown =>
  typeof problem === 'object' && problem !== null ? Reflect.get(problem, 'code') : undefined;

/** Those that could not be. One that is gone already needs nothing. */
export async function revokeKeys(session: Session, keys: Manifest['keys']): Promise<Manifest['keys']> {
  const left: Manifest['keys'] = [];
  for (const key of keys) {
    try {
      await session.client.delete(path`/api/v1/keys/${key.key_id}`);
    } catch (error) {
      if (!(error instanceof Stop)) throw error;
      if (error.exitCode !== EXIT.notFound) left.push(key);
    }
  }
  return left;
}
