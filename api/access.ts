/**
 * Who may do what. An operation names the scopes that may call it beside an admin; where it names none, reading is for those
 * who read, and everything else for an admin alone, so that nothing is open by oversight.
 */
import { Fault } from '../domain/faults';
import type { Scope } from '../domain/scope';
import type { Hold } from '../ledger/contract';

/** Who asks, and what he may. */
export interface Access {
  /** The name of his key; `local` on this machine. */
  principal: string;
  scope: Scope;
  /** The one that a hook is confined to. */
  cluster?: string;
}

/** Whoever asks on this machine while no key is needed, or with the token that only its owner can read. */
export const LOCAL: Access = { principal: 'local', scope: 'admin' };

/** Scopes beside admin; or anyone, asked for no key. */
export type May = readonly Exclude<Scope, 'admin'>[] | 'anyone';

/** What a hook needs to look at for its work. */
export const HOOKS_READ: May = ['hook', 'read'];

export const mayOf = (method: string, { may }: { may?: May | undefined }): May =>
  may ?? (method === 'GET' || method === 'HEAD' ? ['read'] : []);

export function requireScope(access: Access, may: May): void {
  const { scope, principal } = access;
  if (scope === 'admin' || may === 'anyone' || may.includes(scope)) return;
  const needed = ['admin', ...may].join(' or ');
  throw forbidden('scope', `The key "${principal}" has the scope ${scope}; this takes ${needed}.`);
}

/**
 * Keeps a hook on its own cluster: what names another one is refused, and what names none means its own. Of lists too, where
 * it would otherwise see everybody's.
 */
export function confine(access: Access, parts: Parts): Parts {
  const { cluster, principal } = access;
  if (cluster === undefined) return parts;
  const own = (part: unknown): unknown => {
    if (!isObject(part)) return part;
    if (part.cluster !== undefined && part.cluster !== cluster) throw otherCluster(principal, cluster);
    return { ...part, cluster, ...(Array.isArray(part.events) && { events: part.events.map(own) }) };
  };
  return { path: own(parts.path), query: own(parts.query), body: own(parts.body) };
}

interface Parts {
  path: unknown;
  query: unknown;
  body: unknown;
}

/** Refuses a hook the holds of other clusters than its own. It is told as much as if there were no such hold. */
export function requireOwn({ cluster }: Access, hold: Pick<Hold, 'cluster'>, named: string): void {
  if (cluster === undefined || hold.cluster === cluster) return;
  throw new Fault('hold_not_found', `There is no hold ${named}.`, { facts: { hold_id: named } });
}

/** For the part of an operation that an admin alone may ask for. */
export function requireAdmin({ scope, principal }: Access, what: string): void {
  if (scope !== 'admin') {
    throw forbidden('scope', `The key "${principal}" has the scope ${scope}; ${what} takes admin.`);
  }
}

const otherCluster = (principal: string, cluster: string) =>
  forbidden('cluster', `The key "${principal}" is for the cluster ${cluster} only.`);

const forbidden = (reason: string, detail: string) => new Fault('forbidden', detail, { facts: { reason } });

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
