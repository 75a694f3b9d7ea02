import type { z } from 'zod';
import { given } from '../../domain/given';
import type { ApiKey, Change } from '../../ledger/contract';
import type { ApiKeyAnswer, ChangeAnswer } from '../schemas/key';

export const renderKey = (key: ApiKey, now: number): z.infer<typeof ApiKeyAnswer> => ({
  key_id: key.keyId,
  name: key.name,
  scope: key.scope,
  status:
    key.revokedAt !== undefined
      ? 'revoked'
      : key.expiresAt !== undefined && Date.parse(key.expiresAt) <= now
        ? 'expired'
        : 'active',
  created_by: key.createdBy,
  created_at: key.createdAt,
  ...given({
    cluster: key.cluster,
    expires_at: key.expiresAt,
    revoked_at: key.revokedAt,
    last_used_at: key.lastUsedAt,
  }),
});

export const renderChange = (change: Change): z.infer<typeof ChangeAnswer> => ({
  change_no: change.changeNo,
  at: change.at,
  actor: change.actor,
  action: change.action,
  subject: change.subject,
  name: change.name,
  before: asOnTheWire(change.subject, change.before),
  after: asOnTheWire(change.subject, change.after),
});

/** What an account's settings are called in its requests. */
const ACCOUNT_WORDS: Readonly<Record<string, string>> = {
  name: 'slurm_account',
  title: 'name',
  starts_at: 'start_date',
  ends_at: 'end_date',
};

function asOnTheWire(subject: Change['subject'], settings: Change['before']): Record<string, unknown> | null {
  if (settings === undefined) return null;
  if (subject !== 'account') return { ...settings };
  return Object.fromEntries(Object.entries(settings).map(([name, value]) => [ACCOUNT_WORDS[name] ?? name, value]));
}
