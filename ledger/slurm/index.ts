/**
 * The part of the ledger that speaks with the hooks of Slurm: it turns what they saw into checks, events and policies. It has
 * no admission and no books of its own.
 */
import type { Sql } from '../../platform/postgres';
import type { Admission, Holds, Slurm } from '../contract';
import { ask } from '../errors';
import { openEvents } from '../events';
import type { PriceBooks } from '../price-book';
import { clusterAsOfNow, clusterNamed } from './cluster';
import { openLoneChanges } from './lone-changes';
import { openLoneDecisions } from './lone-decisions';
import { openModifications } from './modifications';
import { policyOf } from './policy';
import { openRecords } from './records';
import { readRefusals } from './refusals';
import { openSubmissions } from './submissions';

export interface SlurmDeps {
  sql: Sql;
  prices: PriceBooks;
  admission: Admission;
  holds: Pick<Holds, 'resizeFrom'>;
  /** The cluster of hooks that name none. */
  defaultCluster: string;
}

export function openSlurm(deps: SlurmDeps): Slurm {
  const { sql, prices, defaultCluster } = deps;
  const recordEvents = openEvents({ sql, prices });
  const takeLoneDecision = openLoneDecisions({ ...deps, recordEvents });
  const { modify } = openModifications({ ...deps, recordEvents });
  const takeLoneChange = openLoneChanges({ sql, modify });
  return {
    ...openSubmissions(deps),
    modify,
    ...openRecords({ ...deps, recordEvents, takeLoneDecision, takeLoneChange }),

    refusals: (mode, filter, page) => readRefusals(sql, mode, filter, page),

    async policy(name = defaultCluster) {
      const { cluster, book } = await clusterAsOfNow(prices, name);
      return policyOf(cluster, book);
    },

    async withdraw(name = defaultCluster, keys, reason, { principal }) {
      const { cluster } = await clusterNamed(prices, name);
      const [row] = await ask(
        () => sql<{ answers: Awaited<ReturnType<Slurm['withdraw']>> }[]>`
          select array(
            select ledger.withdraw_submission(${cluster.clusterNo}, key, ${reason}, ${principal})
            from unnest(${[...keys]}::text[]) with ordinality as asked (key, place) order by place) as answers`,
      );
      return row?.answers ?? [];
    },
  };
}
