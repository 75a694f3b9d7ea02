/** What a namespace of Temporal must know before our workflows can run in it; of the embedded Temporal and of any other. */
import {
  encodeSearchAttributeIndexedValueType,
  type SearchAttributeKey,
  type SearchAttributeType,
} from '@temporalio/common/lib/search-attributes';
import { msToTs } from '@temporalio/common/lib/time';
import type { Temporal } from './temporal';

export interface NamespaceWishes {
  namespace: string;
  searchAttributes: readonly SearchAttributeKey<SearchAttributeType>[];
  /** Undefined leaves the retention as it is: of a Temporal that is not ours. */
  retentionDays?: number;
}

/**
 * Registers the search attributes that are missing and raises the retention. Harmless any number of times.
 *
 * The dev server's own flag registers them only while it makes a new file, and it keeps closed workflows for a day.
 */
export async function prepareNamespace(temporal: Temporal, wishes: NamespaceWishes): Promise<void> {
  const { namespace, searchAttributes, retentionDays } = wishes;
  const { operatorService, workflowService } = temporal.connection;
  await temporal.withDeadline(async () => {
    const { customAttributes } = await operatorService.listSearchAttributes({ namespace });
    const missing = searchAttributes.filter(({ name }) => !(name in customAttributes));
    if (missing.length > 0) {
      await operatorService.addSearchAttributes({
        namespace,
        searchAttributes: Object.fromEntries(
          missing.map(({ name, type }) => [name, encodeSearchAttributeIndexedValueType(type) ?? 0]),
        ),
      });
    }
    if (retentionDays === undefined) return;
    const wantedSeconds = retentionDays * 24 * 3600;
    const { config } = await workflowService.describeNamespace({ namespace });
    if (Number(config?.workflowExecutionRetentionTtl?.seconds ?? 0) >= wantedSeconds) return;
    const workflowExecutionRetentionTtl = msToTs(wantedSeconds * 1000);
    await workflowService.updateNamespace({ namespace, config: { workflowExecutionRetentionTtl } });
  }, 15_000);
}
