/** Health, version, audit, recovery, and the shape of every error. */
import { z } from 'zod';
import { Count, Time, integer } from './wire';

export const ProblemAnswer = z
  .object({
    type: z.string().describe('A page about this fault.'),
    title: z.string(),
    status: Count,
    detail: z.string().describe('What is wrong, and what to do.'),
    instance: z.string().describe('The request.'),
    code: z.string().describe('Our code: a fact in snake_case.'),
    errors: z
      .array(z.object({ pointer: z.string(), detail: z.string() }))
      .optional()
      .describe('Every wrong field, as a JSON pointer, and what to do about it.'),
    error: z
      .object({
        code: z.string(),
        message: z.string(),
        field: z.string().optional(),
        details: z.string().optional(),
      })
      .describe("ASBB's error."),
    facts: z.record(z.string(), z.unknown()).optional().describe('Amounts are decimal strings.'),
    request_id: z.string(),
    timestamp: Time,
  })
  .meta({ id: 'Problem', description: "RFC 9457, with ASBB's error in the same body." });

export const HealthAnswer = z
  .object({
    status: z.enum(['healthy', 'unhealthy']),
    version: z.string(),
    timestamp: Time,
    services: z.record(z.string(), z.string()),
    uptime: z.string(),
    operational_mode: z
      .enum(['standalone', 'integrated', 'fallback'])
      .describe(
        'No service beside Bursar is configured; all that are, are there; or one is away, and Bursar does without.',
      ),
  })
  .meta({ id: 'Health' });

export const ProbeAnswer = z
  .object({ status: z.enum(['ok', 'unavailable']), detail: z.string().optional() })
  .meta({ id: 'Probe' });

export const VersionAnswer = z
  .object({
    version: z.string(),
    git_commit: z.string(),
    build_time: z.string(),
    schema_version: Count.describe('The newest migration that it knows.'),
    go_version: z.string().describe("ASBB's name for the runtime."),
    os: z.string(),
    arch: z.string(),
  })
  .meta({ id: 'Version' });

export const RecoverRequest = z
  .object({
    limit: integer(1, 10_000).optional().describe('How many open holds are looked at; default 1000.'),
    after: z.string().max(64).optional().describe('`next` of the answer before, to go on from there.'),
  })
  .meta({ id: 'RecoverRequest' });

export const RecoverAnswer = z
  .object({
    restarted: Count.describe('Stories that were lost and are in the outbox again.'),
    transaction_ids: z.array(z.string()).describe('Their holds.'),
    rung: Count.describe(
      'Stories that were told to look at the ledger again, because they waited for something else than it does.',
    ),
    looked_at: Count.describe('Open holds, the oldest first, whose stories Temporal was asked about.'),
    next: z.string().optional().describe('There are more open holds: send it as `after`.'),
  })
  .meta({ id: 'RecoverAnswer' });

export const AuditAnswer = z
  .object({
    ok: z.boolean(),
    difference: z.string().describe('Sum of all differences between balances and entries; "0".'),
    findings: z.array(z.object({ check: z.string(), subject: z.string(), detail: z.string() })),
    accounts: Count,
    transactions: Count,
    open_holds: Count,
  })
  .meta({ id: 'AuditReport' });

export const SealQuery = z.object({
  against: z
    .string()
    .regex(/^[0-9a-f]{64}$/i, 'must be a head hash: 64 hexadecimal digits')
    .optional()
    .describe('A head that was kept elsewhere; it must be in the chain.'),
});

export const SealAnswer = z
  .object({
    ok: z.boolean(),
    head: z.string().describe('Keep it elsewhere.'),
    sealed: Count,
    unsealed: Count,
    first_tampered: z.object({ txn_no: Count, transaction_id: z.string().optional(), detail: z.string() }).optional(),
  })
  .meta({ id: 'SealReport' });
