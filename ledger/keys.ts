/** API keys: made, revoked, listed. Only hashes of their secrets are here; who checks them is api/keyring.ts. */
import { Fault } from '../domain/faults';
import type { Scope } from '../domain/scope';
import type { Instant } from '../domain/time';
import type { Sql, Tx } from '../platform/postgres';
import type { ApiKey, Caller, Keys, NewKey } from './contract';
import { ask } from './errors';
import { cursorOf, pageOf, rowsAsked } from './paging';

interface KeyRow {
  keyNo: bigint;
  keyId: string;
  name: string;
  scope: Scope;
  cluster: string | null;
  createdBy: string;
  createdAt: Instant;
  expiresAt: Instant | null;
  revokedAt: Instant | null;
  lastUsedAt: Instant | null;
}

const columns = (sql: Sql | Tx) => sql`
  k.key_no as "keyNo", k.key_id as "keyId", k.name, k.scope, c.name as cluster, k.created_by as "createdBy",
  k.created_at as "createdAt", k.expires_at as "expiresAt", k.revoked_at as "revokedAt", k.last_used_at as "lastUsedAt"`;

export const openKeys = ({ sql }: { sql: Sql }): Keys => ({
  create: (key, caller) => ask(() => sql.begin((tx) => createKey(tx, key, caller))),
  revoke: (key, caller) => ask(() => sql.begin((tx) => revokeKey(tx, key, caller))),

  list: (page) =>
    ask(async () => {
      const rows = await sql<KeyRow[]>`
        select ${columns(sql)} from ledger.api_keys k left join ledger.clusters c using (cluster_no)
        where k.key_no < ${cursorOf(page)}
        order by k.key_no desc limit ${rowsAsked(page)} offset ${page.offset ?? 0}`;
      const { rows: shown, ...next } = pageOf(rows, page, ({ keyNo }) => keyNo);
      return { rows: shown.map(toKey), ...next };
    }),

  known: () =>
    ask(async () => {
      const rows = await sql<(KeyRow & { secretHash: Uint8Array })[]>`
        select ${columns(sql)}, k.secret_hash as "secretHash"
        from ledger.api_keys k left join ledger.clusters c using (cluster_no)`;
      return rows.map((row) => ({ ...toKey(row), secretHash: row.secretHash }));
    }),

  // However many processes see it used in a minute, one of them writes.
  used: async (keyId) => {
    await ask(
      () => sql`
        update ledger.api_keys set last_used_at = clock_timestamp()
        where key_id = ${keyId} and (last_used_at is null or last_used_at < clock_timestamp() - interval '1 minute')`,
    );
  },
});

async function createKey(tx: Tx, key: NewKey, caller: Caller): Promise<ApiKey> {
  const { keyId, name, scope, cluster, expiresAt, secretHash } = key;
  const [of] =
    cluster === undefined
      ? [{ clusterNo: null }]
      : await tx<{ clusterNo: number }[]>`
          select cluster_no as "clusterNo" from ledger.clusters where name = ${cluster}`;
  if (!of) throw new Fault('cluster_not_found', `There is no cluster named ${cluster}.`, { facts: { cluster } });
  const made = await tx`
    insert into ledger.api_keys (key_id, name, scope, cluster_no, secret_hash, created_by, expires_at)
    values (${keyId}, ${name}, ${scope}, ${of.clusterNo}, ${secretHash}, ${caller.principal}, ${expiresAt ?? null}::timestamptz)
    on conflict (name) where revoked_at is null do nothing`;
  if (made.count === 0) {
    throw new Fault('api_key_exists', `A key named ${name} exists; revoke it first, or choose another name.`, {
      facts: { name },
    });
  }
  const after = await requireKey(tx, keyId);
  await note(tx, 'create_key', caller, undefined, after);
  return after;
}

async function revokeKey(tx: Tx, named: string, caller: Caller): Promise<ApiKey> {
  const before = await requireKey(tx, named);
  if (before.revokedAt !== undefined) return before;
  await tx`update ledger.api_keys set revoked_at = clock_timestamp() where key_id = ${before.keyId}`;
  const after = await requireKey(tx, before.keyId);
  await note(tx, 'revoke_key', caller, before, after);
  return after;
}

/** By its id; else the one of that name that is not revoked, else the newest that was. */
async function requireKey(tx: Tx, named: string): Promise<ApiKey> {
  await tx`select from ledger.api_keys where key_id = ${named} or name = ${named} for update`;
  const [row] = await tx<KeyRow[]>`
    select ${columns(tx)} from ledger.api_keys k left join ledger.clusters c using (cluster_no)
    where k.key_id = ${named} or k.name = ${named}
    order by k.key_id = ${named} desc, k.revoked_at is null desc, k.key_no desc limit 1`;
  if (!row) throw new Fault('api_key_not_found', `There is no key ${named}.`, { facts: { key: named } });
  return toKey(row);
}

async function note(
  tx: Tx,
  action: 'create_key' | 'revoke_key',
  { principal }: Caller,
  before: ApiKey | undefined,
  after: ApiKey,
): Promise<void> {
  const [was, is] = [before, after].map((key) => (key === undefined ? null : JSON.stringify(settingsOf(key))));
  await tx`
    select ledger.note_change('key', ${after.name}, null, ${action}, ${principal}, ${was ?? null}::text::jsonb,
      ${is ?? null}::text::jsonb)`;
}

/** Not when it was used last, which nobody set. */
const settingsOf = ({ keyId, name, scope, cluster, expiresAt, revokedAt }: ApiKey) => ({
  key_id: keyId,
  name,
  scope,
  cluster,
  expires_at: expiresAt,
  revoked_at: revokedAt,
});

const toKey = (row: KeyRow): ApiKey => ({
  keyId: row.keyId,
  name: row.name,
  scope: row.scope,
  ...(row.cluster !== null && { cluster: row.cluster }),
  createdBy: row.createdBy,
  createdAt: row.createdAt,
  ...(row.expiresAt !== null && { expiresAt: row.expiresAt }),
  ...(row.revokedAt !== null && { revokedAt: row.revokedAt }),
  ...(row.lastUsedAt !== null && { lastUsedAt: row.lastUsedAt }),
});
