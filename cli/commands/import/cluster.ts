import { openLedger } from '../../../ledger';
import { ensureDefaultCluster } from '../../../ledger/default-cluster';
import type { FreshCluster } from '../../../ledger/imports/cluster';
import type { Sql } from '../../../platform/postgres';
import type { Session } from '../../session';
import { settings } from '../../settings';

/** The cluster that --cluster names; else that of the configuration, which is made as a server would make it at its start. */
export function clusterOf(
  session: Session,
  sql: Sql,
  named: string | undefined,
): { name: string; fresh?: FreshCluster } {
  const config = settings(session);
  const { defaultCluster: name, timeZone, clusterDefaults } = config;
  if (named !== undefined && named !== name) return { name: named };
  return {
    name,
    fresh: {
      timeZone,
      timeoutSeconds: clusterDefaults.reconciliationTimeoutSeconds,
      make: () => ensureDefaultCluster(openLedger(sql, config).catalog, name, timeZone),
    },
  };
}
