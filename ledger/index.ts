/**
 * The ledger: accounts and their dated funds, holds, charges, jobs, and the proof of the books. It owns the rules of money
 * and the SQL that keeps them; it refuses to know about Temporal, HTTP and schedulers (docs/ledger.md).
 */
import { latestSchemaVersion, schemaVersion } from '../migrations/migrate';
import type { Sql } from '../platform/postgres';
import { openAccounts } from './accounts';
import { openAccruals } from './accrual';
import { openAdmission } from './admission';
import { openAudit } from './audit';
import { openCatalog, type ClusterDefaults } from './catalog';
import { openChanges } from './changes';
import type { Advisor, Ledger } from './contract';
import { readFigures } from './figures';
import { openHolds } from './holds';
import { openJobs } from './jobs';
import { openKeys } from './keys';
import { openMovements } from './movements';
import { openOutbox } from './outbox';
import { openPriceBooks } from './price-book';
import { openQueue } from './queue';
import { openRecovery } from './recovery';
import { openUsage } from './usage';
import { openRefunds } from './refunds';
import { openReports } from './reports';
import { openSlurm } from './slurm';
import { openUnmatched } from './unmatched';
import { openWalls } from './wall';

export interface LedgerOptions {
  /** The cluster of checks that name none. */
  defaultCluster?: string;
  /** What a cluster is like that is made without saying so. */
  clusterDefaults?: ClusterDefaults;
  /** Asked what a job costs before its money is held. */
  advisor?: Advisor;
  /** False: lost stories are found only when somebody asks. Default true. */
  autoRecovery?: boolean;
  /** How long nothing may be seen of a hold's job in the queue before the hold is given back. Default 5 minutes. */
  holdGraceSeconds?: number;
  /** Whose days a report is cut at where neither cluster nor account says it. Default UTC. */
  timeZone?: string;
}

/** Composes the parts over one pool. Nothing is connected before the first question. */
export function openLedger(
  sql: Sql,
  {
    defaultCluster = 'default',
    clusterDefaults,
    advisor,
    autoRecovery = true,
    timeZone = 'UTC',
    holdGraceSeconds,
  }: LedgerOptions = {},
): Ledger {
  const prices = openPriceBooks(sql);
  const holds = openHolds({ sql });
  const movements = openMovements({ sql });
  const jobs = openJobs({ sql, prices, holds, movements });
  const accruals = openAccruals(prices);
  const recovery = openRecovery({ sql });
  const admission = openAdmission({ sql, prices, defaultCluster, ...(advisor && { advisor }) });
  return {
    admission,
    holds,
    movements,
    accounts: openAccounts({ sql, accruals }),
    catalog: openCatalog({ sql, priceBooks: prices, ...(clusterDefaults && { clusterDefaults }) }),
    jobs,
    slurm: openSlurm({ sql, prices, admission, holds, defaultCluster }),
    queue: openQueue({
      ...{ sql, prices, recordEvents: jobs.recordEvents },
      ...(holdGraceSeconds !== undefined && { graceSeconds: holdGraceSeconds }),
    }),
    refunds: openRefunds({ sql }),
    reports: openReports({ sql, prices, jobs }),
    unmatched: openUnmatched({ sql, jobs }),
    outbox: openOutbox({ sql }),
    recovery: autoRecovery ? recovery : { ...recovery, strays: () => Promise.resolve([]) },
    audit: openAudit({ sql }),
    changes: openChanges({ sql }),
    keys: openKeys({ sql }),
    usage: openUsage({ sql, serverZone: timeZone }),
    walls: openWalls({ sql, prices, accruals }),
    figures: () => readFigures(sql),
    health: () => readHealth(sql),
  };
}

const EXPECTED_VERSION = latestSchemaVersion();

async function readHealth(sql: Sql): ReturnType<Ledger['health']> {
  try {
    const version = await schemaVersion(sql);
    // Ahead of us is well: what a newer Bursar adds, an older one does not miss.
    if (version >= EXPECTED_VERSION) return { ok: true, schemaVersion: version };
    const found = version === 0 ? 'the database has no schema' : `its schema is at version ${version}`;
    const detail = `${found}, and this Bursar needs ${EXPECTED_VERSION}; run "bursar database migrate"`;
    return { ok: false, schemaVersion: version, detail };
  } catch (error) {
    return { ok: false, detail: error instanceof Error ? error.message : String(error) };
  }
}
