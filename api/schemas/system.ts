/** Health, version, recovery, and the shape of every error. */
import { z } from 'zod';
import { Count, Time, integer } from './wire';

export const ProblemAnswer = z
  .object({
    type: z.string().describe('A page about this fault.'),
    title: z.string().describe('What the code means, in one sentence.'),
    status: Count.describe('The HTTP status.'),
    detail: z.string().describe('What is wrong, and what to do.'),
    instance: z.string().describe('The request.'),
    code: z.string().describe('Our code: a fact in snake_case.'),
    errors: z
      .array(
        z.object({
          pointer: z.string().describe('Where it stands.'),
          detail: z.string().describe('What is wrong with it, and what to do.'),
        }),
      )
      .optional()
      .describe('Every wrong field, as a JSON pointer, and what to do about it.'),
    error: z
      .object({
        code: z.string().describe("ASBB's code."),
        message: z.string().describe("ASBB's sentence."),
        field: z.string().optional().describe('The first wrong field.'),
        details: z.string().optional().describe('What is wrong, and what to do.'),
      })
      .describe("ASBB's error."),
    facts: z.record(z.string(), z.unknown()).optional().describe('Amounts are decimal strings.'),
    request_id: z.string().describe('The same as instance; it is in the log as well.'),
    timestamp: Time.describe('When this was answered.'),
  })
  .meta({ id: 'Problem', description: "RFC 9457, with ASBB's error in the same body." });

export const HealthAnswer = z
  .object({
    status: z.enum(['healthy', 'unhealthy']).describe('Whether jobs can be checked.'),
    version: z.string().describe('Of Bursar.'),
    timestamp: Time.describe('When this was answered.'),
    services: z.record(z.string(), z.string()).describe('By name, the state of what Bursar works with.'),
    uptime: z.string().describe('Since the process began, like 3h 25m 10s.'),
    operational_mode: z
      .enum(['standalone', 'integrated', 'fallback'])
      .describe(
        'No service beside Bursar is configured; all that are, are there; or one is away, and Bursar does without.',
      ),
  })
  .meta({ id: 'Health' });

export const ProbeAnswer = z
  .object({
    status: z.enum(['ok', 'unavailable']).describe('Whether to send it requests.'),
    detail: z.string().optional().describe('Why not.'),
  })
  .meta({ id: 'Probe' });

export const VersionAnswer = z
  .object({
    version: z.string().describe('Of Bursar.'),
    git_commit: z.string().describe('What it was built from.'),
    build_time: z.string().describe('When it was built.'),
    schema_version: Count.describe('The newest migration that it knows.'),
    go_version: z.string().describe("ASBB's name for the runtime."),
    os: z.string().describe('What it runs on.'),
    arch: z.string().describe('The processor that it runs on.'),
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
