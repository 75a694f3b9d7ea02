/** Makes a Temporal namespace fit for the stories: it exists, and it knows our search attributes. */
import { msToTs } from '@temporalio/common/lib/time';
import type { Log } from '../platform/log';
import type { Temporal } from '../platform/temporal';
import { prepareNamespace } from '../platform/temporal-namespace';
import { SEARCH_ATTRIBUTES } from '../workflows/contracts/job-lifecycle';

/** Of a namespace that we make. How long somebody else's namespace remembers is his decision. */
const RETENTION_MS = 30 * 24 * 3_600_000;

/**
 * Does what is missing and is allowed. Where it is not (Temporal Cloud, a site with an administrator) it says what to ask
 * for and goes on: without the search attributes no story starts, and the outbox keeps them until they are there.
 */
export async function ensureNamespace(temporal: Temporal, log: Log): Promise<void> {
  const { namespace } = temporal.client.options;
  try {
    await temporal.withDeadline(() => registerUnlessThere(temporal, namespace));
    await prepareNamespace(temporal, { namespace, searchAttributes: SEARCH_ATTRIBUTES });
  } catch (error) {
    if (!NOT_ALLOWED.includes(codeOf(error))) throw error;
    const searchAttributes = SEARCH_ATTRIBUTES.map(({ name, type }) => `${name}=${type}`);
    log.warn({ err: error, namespace, searchAttributes }, 'namespace must be prepared by its administrator');
  }
}

async function registerUnlessThere({ connection }: Temporal, namespace: string): Promise<void> {
  const workflowExecutionRetentionPeriod = msToTs(RETENTION_MS);
  try {
    await connection.workflowService.describeNamespace({ namespace });
  } catch (error) {
    if (codeOf(error) !== NOT_FOUND) throw error;
    await connection.workflowService.registerNamespace({ namespace, workflowExecutionRetentionPeriod });
  }
}

// gRPC's codes.
const NOT_FOUND = 5;
const NOT_ALLOWED: unknown[] = [7 /* PERMISSION_DENIED */, 12 /* UNIMPLEMENTED */];

const codeOf = (error: unknown): unknown => (error instanceof Error ? Reflect.get(error, 'code') : undefined);
