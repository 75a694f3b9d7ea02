/** A site with one cluster and one account on a real ledger: what the tests of the stories have in common. */
import { openLedger } from '../../ledger';
import { openRecovery } from '../../ledger/recovery';
import type { CheckRequest, Cluster, Decision, JobEvent, Ledger } from '../../ledger/contract';
import type { JobRequest } from '../../domain/job';
import { parseAmount } from '../../domain/money';
import { jobWorkflowId } from '../../domain/ids';
import { freshDatabase, type TestDatabase } from '../helpers/database';

export const CALLER = { principal: 'local' };
export const CLUSTER = 'beagle';
export const ACCOUNT = 'astro';

export interface Site extends AsyncDisposable {
  database: TestDatabase;
  ledger: Ledger;
  /** Another cluster, with other deadlines. */
  addCluster(name: string, times: ClusterTimes): Promise<void>;
  /** What a job, or a part of one, asks for: a node with four CPUs for this many seconds. */
  componentOf(request: { wallSeconds?: number; arrayTasks?: number }): JobRequest;
  /** A job of this many seconds, held and to be followed. */
  submit(request?: { wallSeconds?: number; arrayTasks?: number } & Partial<CheckRequest>): Promise<HeldJob>;
  /** Tells the ledger what happened to a job. */
  tell(...events: Told[]): Promise<void>;
}

export type Told = Pick<JobEvent, 'type' | 'jobId'> & Partial<JobEvent>;

export interface HeldJob {
  holdId: string;
  cluster: string;
  workflowId: string;
  decision: Decision;
}

export type ClusterTimes = Partial<Pick<Cluster, 'costSource' | 'endGraceSeconds' | 'reconciliationTimeoutSeconds'>>;

/** The cluster everything happens on unless it is said otherwise: no grace, and a timeout that no test waits for. */
const PATIENT: ClusterTimes = { endGraceSeconds: 0, reconciliationTimeoutSeconds: 600 };

export async function openSite(): Promise<Site> {
  const database = await freshDatabase();
  const ledger = {
    ...openLedger(database.sql, { defaultCluster: CLUSTER }),
    // A story counts as lost as soon as its deadline has passed.
    recovery: openRecovery({ sql: database.sql, marginSeconds: 0 }),
  };
  const addCluster: Site['addCluster'] = async (name, times) => {
    await ledger.catalog.putCluster(name, { timeZone: 'UTC', ...PATIENT, ...times }, CALLER);
  };
  await addCluster(CLUSTER, {});
  const year = new Date().getUTCFullYear();
  await ledger.accounts.create(
    {
      name: ACCOUNT,
      title: 'Astronomy',
      unit: 'USD',
      startsAt: `${year - 1}-01-01T00:00:00Z`,
      endsAt: `${year + 2}-01-01T00:00:00Z`,
      budgetLimit: parseAmount('100000'),
    },
    CALLER,
  );

  const componentOf: Site['componentOf'] = ({ wallSeconds = 3_600, arrayTasks = 1 }) => ({
    partition: 'batch',
    resources: { nodes: 1, cpus: 4, gpus: 0, gpusByModel: {}, memoryMib: 0 },
    fromTres: false,
    wallSeconds,
    unlimited: false,
    arrayTasks,
  });

  const submit: Site['submit'] = async ({ cluster = CLUSTER, wallSeconds, arrayTasks, ...request } = {}) => {
    const component = componentOf({ ...(wallSeconds && { wallSeconds }), ...(arrayTasks && { arrayTasks }) });
    const decision = await ledger.admission.check(
      { account: ACCOUNT, cluster, user: 'vera', components: [component], ...request },
      CALLER,
    );
    const { holdId } = decision;
    if (holdId === undefined) throw new Error(decision.message);
    return { holdId, cluster, workflowId: jobWorkflowId(cluster, holdId), decision };
  };

  const tell: Site['tell'] = async (...events) => {
    const now = new Date().toISOString();
    const receipts = await ledger.jobs.recordEvents(
      events.map((event) => ({ cluster: CLUSTER, at: now, ...event })),
      CALLER,
    );
    const lost = receipts.find(({ status }) => status === 'unmatched');
    if (lost) throw new Error(`no hold for job ${lost.jobId}`);
  };

  return { database, ledger, addCluster, componentOf, submit, tell, [Symbol.asyncDispose]: () => database.drop() };
}

/** A moment that many seconds from now; negative: ago. */
export const inSeconds = (seconds: number): string => new Date(Date.now() + seconds * 1_000).toISOString();
