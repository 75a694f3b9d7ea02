/** A replay for people: how many jobs were denied, whose, why, and what is left; two proposals side by side. */
import type { RequeuePolicy } from '../../domain/policy';
import { clock, money, period } from '../format';
import type { Session } from '../session';
import type { Column } from '../table';
import { plural } from '../text';
import type { ProposalAnswer, ReplayAnswer } from './answer';

type AccountRow = ProposalAnswer['accounts'][number];
type UserRow = ProposalAnswer['users'][number];

const ACCOUNT_FIELDS =
  'proposal account unit jobs denied denied_hold denied_cost first_denied_at granted settled held available'.split(' ');
const BALANCE_FIELDS = 'proposal account unit at granted settled held available'.split(' ');
const DIFFERENCES_SHOWN = 20;

export function showReplay(
  session: Session,
  body: ReplayAnswer,
  { overTime, zone }: { overTime: boolean; zone: string },
): void {
  const shown = session.zone(zone);
  const withProposal = <Row>(rowsOf: (proposal: ProposalAnswer) => readonly Row[]) =>
    body.proposals.flatMap((proposal) => rowsOf(proposal).map((row) => ({ proposal: proposal.proposal, ...row })));
  const [fields, records] = overTime
    ? [BALANCE_FIELDS, withProposal(({ balances }) => balances)]
    : [ACCOUNT_FIELDS, withProposal(({ accounts }) => accounts)];
  session.answer(body, () => show(session, body, overTime, shown), fields, records);
}

function show(session: Session, body: ReplayAnswer, overTime: boolean, zone: string): void {
  const [first, second] = body.proposals;
  if (!first) return;
  const { log } = body;
  session.say(
    `${plural(log.jobs, 'job')} in ${plural(log.rows, 'row')}, ${period(log.from, log.to, zone)} (${zone}), under ${first.proposal}${second ? ` and ${second.proposal}` : ''}.`,
  );
  if (overTime) {
    for (const proposal of body.proposals) showBalances(session, proposal, second !== undefined, zone);
    return;
  }
  if (second) showBoth(session, body, first, second, zone);
  else showOne(session, first, zone);
  for (const { proposal, exempt, unpriced_runs, unpriced_detail, requeue_shortfalls } of body.proposals) {
    if (exempt > 0) {
      session.line();
      session.say(
        `${proposal}: ${plural(exempt, 'job')} exempt by user or partition; they are neither asked about nor charged.`,
      );
    }
    for (const { policy, jobs } of requeue_shortfalls) {
      session.line();
      session.say(
        `${proposal}: ${plural(jobs, 'requeued job')} found no money for another full run; ${SHORTFALL[policy]} (on_requeue_shortfall: ${policy}).`,
      );
    }
    if (unpriced_runs === 0) continue;
    session.line();
    session.say(
      `${proposal}: ${plural(unpriced_runs, 'job')} ran and had no price (${unpriced_detail ?? 'a rate is missing'}); what was held for them stays held.`,
    );
  }
}

/** Nobody knows what would have become of a job that was held or cancelled, so a replay goes on with what the log says. */
const SHORTFALL: Readonly<Record<RequeuePolicy, string>> = {
  run_on: 'they run on with what they hold',
  hold_job: 'the site would hold them, here they run on',
  cancel: 'the site would cancel them, here they run on',
};

const share = ({ jobs, denied }: { jobs: number; denied: number }): string =>
  `${denied} of ${plural(jobs, 'job')} (${jobs === 0 ? '0.0' : ((100 * denied) / jobs).toFixed(1)} %)`;

function showOne(session: Session, proposal: ProposalAnswer, zone: string): void {
  session.line(session.paint(proposal.denied > 0 ? 'yellow' : 'green', `Denied: ${share(proposal)}.`));
  if (proposal.denied > 0) {
    session.heading('Why');
    session.table(proposal.reasons, [
      { title: 'CODE', value: ({ code }) => code },
      { title: 'DENIED', align: 'right', value: ({ denied }) => String(denied) },
      {
        title: 'ASKED TO HOLD',
        align: 'point',
        value: ({ denied_hold, unit }) => (unit ? money(denied_hold) : undefined),
      },
      { title: 'UNIT', value: ({ unit }) => unit },
    ]);
  }
  session.heading('By account');
  session.table(proposal.accounts, accountColumns(zone));
  session.heading('By user');
  session.table(proposal.users, userColumns(zone));
}

const inUnit = (unit: string | undefined, amount: string) => (unit === undefined ? undefined : money(amount));

const deniedColumns = <Row extends AccountRow | UserRow>(zone: string): Column<Row>[] => [
  { title: 'JOBS', align: 'right', value: ({ jobs }) => String(jobs) },
  {
    title: 'DENIED',
    align: 'right',
    value: ({ denied }) => String(denied),
    color: ({ denied }) => (denied > 0 ? 'yellow' : undefined),
  },
  { title: `FIRST DENIED (${zone})`, value: ({ first_denied_at }) => clock(first_denied_at, zone), optional: 1 },
  { title: 'NOT SPENT', align: 'point', value: ({ unit, denied_cost }) => inUnit(unit, denied_cost), optional: 2 },
];

const accountColumns = (zone: string): Column<AccountRow>[] => [
  { title: 'ACCOUNT', value: ({ account }) => account, shrinksTo: 12 },
  ...deniedColumns<AccountRow>(zone),
  { title: 'GRANTED', align: 'point', value: ({ unit, granted }) => inUnit(unit, granted), optional: 3 },
  { title: 'SETTLED', align: 'point', value: ({ unit, settled }) => inUnit(unit, settled) },
  { title: 'HELD', align: 'point', value: ({ unit, held }) => inUnit(unit, held), optional: 4 },
  { title: 'LEFT', align: 'point', value: ({ unit, available }) => inUnit(unit, available) },
  { title: 'UNIT', value: ({ unit }) => unit ?? 'not in the proposal' },
];

const userColumns = (zone: string): Column<UserRow>[] => [
  { title: 'USER', value: ({ user }) => user, shrinksTo: 12 },
  ...deniedColumns<UserRow>(zone),
  { title: 'SETTLED', align: 'point', value: ({ unit, settled }) => inUnit(unit, settled) },
  { title: 'UNIT', value: ({ unit }) => unit },
];

function showBalances(session: Session, proposal: ProposalAnswer, named: boolean, zone: string): void {
  session.heading(named ? `What is left over time, ${proposal.proposal}` : 'What is left over time');
  session.table(proposal.balances, [
    { title: 'ACCOUNT', value: ({ account }) => account, shrinksTo: 12 },
    { title: `UNTIL (${zone})`, value: ({ at }) => clock(at, zone) },
    { title: 'GRANTED', align: 'point', value: ({ granted }) => money(granted), optional: 1 },
    { title: 'SETTLED', align: 'point', value: ({ settled }) => money(settled) },
    { title: 'HELD', align: 'point', value: ({ held }) => money(held) },
    { title: 'LEFT', align: 'point', value: ({ available }) => money(available) },
    { title: 'UNIT', value: ({ unit }) => unit },
  ]);
}

function showBoth(
  session: Session,
  body: ReplayAnswer,
  first: ProposalAnswer,
  second: ProposalAnswer,
  zone: string,
): void {
  session.fields([
    [`Denied, ${first.proposal}`, share(first)],
    [`Denied, ${second.proposal}`, share(second)],
    [
      'Denied only there',
      `${body.differences?.denied_only_by_first ?? 0} and ${body.differences?.denied_only_by_second ?? 0}`,
    ],
  ]);
  const other = new Map(second.accounts.map((row) => [row.account, row]));
  const names = [...new Set([...first.accounts, ...second.accounts].map(({ account }) => account))].sort();
  const rows = names.map((account) => ({
    account,
    a: first.accounts.find((row) => row.account === account),
    b: other.get(account),
  }));
  session.heading(`By account: 1 is ${first.proposal}, 2 is ${second.proposal}`);
  session.table(rows, [
    { title: 'ACCOUNT', value: ({ account }) => account, shrinksTo: 12 },
    { title: 'JOBS', align: 'right', value: ({ a, b }) => String(Math.max(a?.jobs ?? 0, b?.jobs ?? 0)) },
    { title: 'DENIED 1', align: 'right', value: ({ a }) => a && String(a.denied) },
    { title: 'DENIED 2', align: 'right', value: ({ b }) => b && String(b.denied) },
    { title: 'SETTLED 1', align: 'point', value: ({ a }) => a && inUnit(a.unit, a.settled), optional: 1 },
    { title: 'SETTLED 2', align: 'point', value: ({ b }) => b && inUnit(b.unit, b.settled), optional: 1 },
    { title: 'LEFT 1', align: 'point', value: ({ a }) => a && inUnit(a.unit, a.available) },
    { title: 'LEFT 2', align: 'point', value: ({ b }) => b && inUnit(b.unit, b.available) },
    { title: 'UNIT', value: ({ a, b }) => a?.unit ?? b?.unit ?? 'not in the proposal' },
  ]);
  const users = [...new Set([...first.users, ...second.users].map(({ user }) => user))];
  const deniedOf = (proposal: ProposalAnswer, user: string | undefined) =>
    proposal.users.filter((row) => row.user === user).reduce((sum, { denied }) => sum + denied, 0);
  session.heading('By user');
  session.table(
    users.map((user) => ({ user, a: deniedOf(first, user), b: deniedOf(second, user) })),
    [
      { title: 'USER', value: ({ user }) => user, shrinksTo: 12 },
      { title: 'DENIED 1', align: 'right', value: ({ a }) => String(a) },
      { title: 'DENIED 2', align: 'right', value: ({ b }) => String(b) },
    ],
  );
  showDifferences(session, body, zone);
}

function showDifferences(session: Session, { differences }: ReplayAnswer, zone: string): void {
  if (!differences || differences.jobs.length === 0) return;
  session.heading('Denied by one and not by the other');
  session.table(differences.jobs.slice(0, DIFFERENCES_SHOWN), [
    { title: `SUBMITTED (${zone})`, value: ({ submitted_at }) => clock(submitted_at, zone) },
    { title: 'JOB', value: ({ cluster, job_id }) => `${cluster}/${job_id}` },
    { title: 'ACCOUNT', value: ({ account }) => account, shrinksTo: 10 },
    { title: 'USER', value: ({ user }) => user, shrinksTo: 8, optional: 1 },
    { title: 'DENIED BY', value: ({ denied_by }) => (denied_by === 'first' ? '1' : '2') },
    { title: 'CODE', value: ({ code }) => code },
  ]);
  const all = differences.denied_only_by_first + differences.denied_only_by_second;
  if (all > DIFFERENCES_SHOWN) session.line(`… and ${all - DIFFERENCES_SHOWN} more; --report lists every denied job.`);
}
