/** Makes a Temporal namespace fit for the stories: it exists, it knows our search attributes, it remembers for a month. */
import type { Connection } from '@temporalio/client';
import { encodeSearchAttributeIndexedValueType } from '@temporalio/common/lib/search-attributes';
import { msToTs } from '@temporalio/common/lib/time';
import type { Log } from '../platform/log';
import { SEARCH_ATTRIBUTES } from '../workflows/contracts/job-lifecycle';

const RETENTION_SECONDS = 30 * 86_400;

/**
 * Does what is missing and is allowed. Where it is not (Temporal Cloud, a site with an administrator) it says what to ask
 * for and goes on: without the search attributes no story starts, and the outbox keeps them until they are there.
 */
export async function prepareNamespace(connection: Connection, namespace: string, log: Log): Promise<void> {
  await attempt('the namespace', () => ensureNamespace(connection, namespace));
  await attempt('search attributes', () => ensureSearchAttributes(connection, namespace));
  await attempt('retention', () => ensureRetention(connection, namespace));

  async function attempt(what: string, prepare: () => Promise<boolean>): Promise<void> {
    try {
      if (await prepare()) log.info({ namespace, what }, 'namespace prepared');
    } catch (error) {
      if (!isNotAllowed(error)) throw error;
      log.warn(
        { namespace, what, needed: SEARCH_ATTRIBUTES.map(({ name, type }) => `${name}=${type}`), err: error },
        'namespace must be prepared by its administrator',
      );
    }
  }
}

async function ensureNamespace({ workflowService }: Connection, namespace: string): Promise<boolean> {
  try {
    await workflowService.describeNamespace({ namespace });
    return false;
  } catch (error) {
    if (codeOf(error) !== NOT_FOUND) throw error;
  }
  return unlessExists(
    workflowService.registerNamespace({
      namespace,
      workflowExecutionRetentionPeriod: msToTs(RETENTION_SECONDS * 1_000),
    }),
  );
}

async function ensureSearchAttributes({ operatorService }: Connection, namespace: string): Promise<boolean> {
  const { customAttributes } = await operatorService.listSearchAttributes({ namespace });
  const missing = SEARCH_ATTRIBUTES.filter(({ name }) => customAttributes?.[name] === undefined);
  if (missing.length === 0) return false;
  const searchAttributes = Object.fromEntries(
    missing.map(({ name, type }) => [name, encodeSearchAttributeIndexedValueType(type) ?? UNSPECIFIED]),
  );
  return unlessExists(operatorService.addSearchAttributes({ namespace, searchAttributes }));
}

/** Ids of stories are used once within the retention; a month also lets an operator read what happened last week. */
async function ensureRetention({ workflowService }: Connection, namespace: string): Promise<boolean> {
  const { config } = await workflowService.describeNamespace({ namespace });
  const retained = Number(config?.workflowExecutionRetentionTtl?.seconds ?? 0);
  if (retained >= RETENTION_SECONDS) return false;
  await workflowService.updateNamespace({
    namespace,
    config: { workflowExecutionRetentionTtl: msToTs(RETENTION_SECONDS * 1_000) },
  });
  return true;
}

/** Two workers that start together both find something missing; the second one is told so. */
async function unlessExists(call: Promise<unknown>): Promise<boolean> {
  try {
    await call;
    return true;
  } catch (error) {
    if (codeOf(error) !== ALREADY_EXISTS) throw error;
    return false;
  }
}

const UNSPECIFIED = 0;

// gRPC's codes.
const NOT_FOUND = 5;
const ALREADY_EXISTS = 6;
const PERMISSION_DENIED = 7;
const UNIMPLEMENTED = 12;

const codeOf = (error: unknown): unknown => (error instanceof Error ? Reflect.get(error, 'code') : undefined);

const isNotAllowed = (error: unknown): boolean =>
  [PERMISSION_DENIED, UNIMPLEMENTED].some((code) => codeOf(error) === code);
