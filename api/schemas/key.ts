/** API keys, and the trail of changes. */
import { z } from 'zod';
import { isReserved, SCOPES } from '../../domain/scope';
import { ClusterName, Count, Instant, Time, ordered, pageQuery, text, alongside } from './wire';

const KeyName = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/,
    'must be up to 63 letters, digits, ".", "_" and "-", and start with a letter or a digit',
  )
  .refine((name) => !isReserved(name), 'is a name of Bursar itself; choose another one')
  .meta({ description: 'Who sends the key: what transactions and changes call him.' });

const KeyScope = z
  .enum(SCOPES)
  .describe(
    'admin: everything; hook: check, estimate, reconcile, send events of one cluster, and read what that needs; estimate: ask for the price of a job, and whether it fits; read: look at everything but keys.',
  );

export const CreateKeyRequest = z
  .object({
    name: KeyName,
    scope: KeyScope,
    cluster: ClusterName.optional().describe('Of a hook, and only of one.'),
    expires_at: Instant.optional().describe('Default: never.'),
  })
  .superRefine(({ scope, cluster }, context) => {
    if (scope === 'hook' && cluster === undefined) {
      context.addIssue({
        code: 'custom',
        path: ['cluster'],
        message: 'is required of a hook: the cluster that it is for',
      });
    }
    if (scope !== 'hook' && cluster !== undefined) {
      context.addIssue({ code: 'custom', path: ['cluster'], message: 'is for hooks only' });
    }
  }, alongside)
  .meta({ id: 'CreateKeyRequest' });

export const ApiKeyAnswer = z
  .object({
    key_id: z.string().describe('The part of the key that is no secret.'),
    name: z.string().describe('Its name.'),
    scope: KeyScope,
    cluster: z.string().optional().describe('Of a hook: the only one that it may speak for.'),
    status: z.enum(['active', 'expired', 'revoked']).describe('Whether it opens anything.'),
    created_by: z.string().describe('Who made it.'),
    created_at: Time.describe('When it was made.'),
    expires_at: Time.optional().describe('When it ends by itself. Absent: never.'),
    revoked_at: Time.optional().describe('When it was taken back.'),
    last_used_at: Time.optional().describe('To the minute.'),
  })
  .meta({ id: 'ApiKey' });

export const CreatedKeyAnswer = ApiKeyAnswer.extend({
  key: z.string().describe('The key itself. It is shown here and never again.'),
}).meta({ id: 'CreatedApiKey' });

export const KeyPath = z.object({ key: text(64).describe('Its id or its name.') });

export const KeyListQuery = z.object(pageQuery);

const ChangeSubject = z.enum(['account', 'limit', 'cluster', 'partition', 'rate', 'key', 'unmatched']);

export const ChangeListQuery = z
  .object({
    subject: ChangeSubject.optional().describe('Only changes of these.'),
    name: text(128).optional().describe('Only those of the account, cluster or key of this name.'),
    actor: text(128).optional().describe('Only what this one did.'),
    action: text(64).optional().describe('Only these, like update_account.'),
    from: Instant.optional().describe('At or after.'),
    to: Instant.optional().describe('Before.'),
    ...pageQuery,
  })
  .superRefine(ordered('from', 'to'), alongside);

const Settings = z.record(z.string(), z.unknown());

export const ChangeAnswer = z
  .object({
    change_no: Count.describe('Its number; the newest has the highest.'),
    at: Time.describe('When it happened.'),
    actor: z.string().describe('The name of the key; local: on this machine; bursar: by itself.'),
    action: z.string().describe('What was done, like update_account.'),
    subject: ChangeSubject.describe('What it was done to.'),
    name: z
      .string()
      .describe('Of the account, the cluster or the key that it belongs to; of an unmatched report, its id.'),
    before: Settings.nullable().describe('null: it is new. Amounts are decimal strings.'),
    after: Settings.nullable().describe('null: it is gone.'),
  })
  .meta({ id: 'Change' });
