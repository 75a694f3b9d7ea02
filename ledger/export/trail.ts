/** Who did what, who may ask, and what proves that nothing was changed since. */
import { hex, plain, time, type ExportTable } from './field';

export const TRAIL: readonly ExportTable[] = [
  {
    name: 'commands',
    about: 'Idempotency keys of everything but checks, with the first answers.',
    from: 'ledger.commands order by recorded_at, key, operation, principal',
    fields: [
      plain('principal', 'who asked'),
      plain('operation', 'for what'),
      plain('key', "the caller's key"),
      plain('answer', 'amounts in it are millionths, as text'),
      time('recorded_at', 'first asked'),
    ],
  },
  {
    name: 'changes',
    about: 'Who set what, from what to what.',
    from: 'ledger.changes order by change_no',
    fields: [
      plain('change_no', 'number'),
      plain('subject', 'account, limit, cluster, partition, rate, key or unmatched'),
      plain('name', 'of the account, cluster or key; the number of the report'),
      plain('cluster_no', 'of clusters'),
      plain('action', 'what was asked'),
      plain('actor', 'who asked'),
      plain('before', 'null: it is new'),
      plain('after', 'null: it is gone'),
      time('changed_at', 'changed'),
    ],
  },
  {
    name: 'api_keys',
    about: 'Who may ask. The secrets are not in Bursar, and their hashes not in the export.',
    from: 'ledger.api_keys order by key_no',
    fields: [
      plain('key_no', 'number'),
      plain('key_id', 'the part of the key that is no secret'),
      plain('name', 'whose'),
      plain('scope', 'admin, hook, estimate or read'),
      plain('cluster_no', "of clusters: a hook's"),
      plain('created_by', 'who made it'),
      time('created_at', 'made'),
      time('expires_at', 'expires'),
      time('revoked_at', 'revoked'),
      time('last_used_at', 'used last'),
    ],
  },
  {
    name: 'imports',
    about: 'Books that came from elsewhere.',
    from: 'ledger.imports order by import_no',
    fields: [
      plain('import_no', 'number'),
      plain('source', 'asbb, accounts or sacct'),
      plain('name', 'of the database or the file'),
      plain('settings', 'what was asked for'),
      time('begun_at', 'begun'),
      time('finished_at', 'finished'),
    ],
  },
  {
    name: 'seals',
    about: 'The chain of hashes over the transactions; the head is in the manifest too.',
    from: 'ledger.seals order by txn_no',
    fields: [
      plain('txn_no', 'of transactions'),
      hex('digest', 'of this transaction and the digest before it, SHA-256'),
    ],
  },
];
