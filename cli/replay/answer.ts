/** What came of a replay in the words of the wire. Sums of amounts may be larger than any balance, so they are decimal texts. */
import { renderAmount } from '../../domain/money';
import type { AccountOutcome, DeniedJob, Difference, History, Outcome, UserOutcome } from '../../ledger/replay';

/** So many say enough; the report has them all. */
const DIFFERENCES_LISTED = 1_000;

export const deniedRow = (proposal: string, job: DeniedJob): Record<string, string | undefined> => ({
  proposal,
  submitted_at: job.submittedAt,
  cluster: job.cluster,
  job_id: job.jobId,
  job_name: job.jobName,
  partition: job.partition,
  account: job.account,
  user: job.user,
  code: job.code,
  message: job.message,
  unit: job.unit,
  hold: job.hold === undefined ? undefined : renderAmount(job.hold),
  cost: job.cost === undefined ? undefined : renderAmount(job.cost),
});

const refused = ({ jobs, denied, deniedHold, deniedCost }: AccountOutcome | UserOutcome) => ({
  jobs,
  denied,
  denied_hold: renderAmount(deniedHold),
  denied_cost: renderAmount(deniedCost),
});

const renderAccount = (of: AccountOutcome) => ({
  account: of.account,
  unit: of.unit,
  ...refused(of),
  first_denied_at: of.firstDeniedAt,
  granted: renderAmount(of.granted),
  settled: renderAmount(of.charged),
  held: renderAmount(of.held),
  available: renderAmount(of.available),
});

const renderUser = (of: UserOutcome) => ({
  user: of.user,
  unit: of.unit,
  ...refused(of),
  first_denied_at: of.firstDeniedAt,
  settled: renderAmount(of.charged),
});

const renderOutcome = (proposal: string, outcome: Outcome) => ({
  proposal,
  jobs: outcome.jobs,
  denied: outcome.denied,
  exempt: outcome.exempt,
  unpriced_runs: outcome.unpriced.jobs,
  ...(outcome.unpriced.detail === undefined ? {} : { unpriced_detail: outcome.unpriced.detail }),
  requeue_shortfalls: outcome.shortfalls,
  reasons: outcome.reasons.map(({ code, unit, denied, deniedHold }) => ({
    code,
    unit,
    denied,
    denied_hold: renderAmount(deniedHold),
  })),
  accounts: outcome.accounts.map(renderAccount),
  users: outcome.users.map(renderUser),
  balances: outcome.balances.map(({ account, unit, at, granted, settled, held, available }) => ({
    account,
    unit,
    at,
    granted: renderAmount(granted),
    settled: renderAmount(settled),
    held: renderAmount(held),
    available: renderAmount(available),
  })),
});

export interface Differences {
  denied_only_by_first: number;
  denied_only_by_second: number;
  /** The first thousand, by the log's clock. */
  jobs: (Record<string, string | undefined> & { denied_by: 'first' | 'second' })[];
}

export async function renderDifferences(differences: AsyncIterable<Difference>): Promise<Differences> {
  const found: Differences = { denied_only_by_first: 0, denied_only_by_second: 0, jobs: [] };
  for await (const { deniedBy, job } of differences) {
    if (deniedBy === 'first') found.denied_only_by_first += 1;
    else found.denied_only_by_second += 1;
    if (found.jobs.length < DIFFERENCES_LISTED) {
      const { proposal: _, ...row } = deniedRow('', job);
      found.jobs.push({ denied_by: deniedBy, ...row });
    }
  }
  return found;
}

export function renderReplay(
  { jobs, rows, from, to, zone, clusters, faults }: History,
  names: readonly string[],
  outcomes: readonly Outcome[],
  differences: Differences | undefined,
) {
  return {
    log: { jobs, rows, from, to, time_zone: zone, clusters, rows_not_read: faults.inAll, faults: faults.listed },
    proposals: outcomes.map((outcome, index) => renderOutcome(names[index] ?? '', outcome)),
    ...(differences && { differences }),
  };
}

export type ReplayAnswer = ReturnType<typeof renderReplay>;
export type ProposalAnswer = ReplayAnswer['proposals'][number];
