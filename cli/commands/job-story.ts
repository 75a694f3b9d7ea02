/** `bursar job show`: one job's story in the order in which it happened. */
import { clock, clockIn, money, moneyIn, wallTime } from '../format';
import type { Session } from '../session';
import { plural, type Color } from '../text';
import type { JobStory, Transaction } from '../wire';

const COLORS: Readonly<Record<string, Color>> = {
  pending: 'cyan',
  running: 'cyan',
  suspended: 'cyan',
  awaiting_cost: 'yellow',
  overdue: 'red',
  quarantined: 'red',
  denied: 'red',
  unmatched: 'yellow',
};

export const stateColor = (state: string): Color | undefined => COLORS[state];

interface Moment {
  at: string;
  what: string;
  amount?: string | undefined;
  detail?: string | undefined;
}

/** What the hold's transactions say, in a person's words. */
const MOVED: Readonly<Record<string, string>> = {
  hold: 'held',
  resize: 'resized',
  charge: 'charged',
  release: 'released',
  refund: 'refunded',
  adjustment: 'adjusted',
};

const moneyMoment = (transaction: Transaction): Moment => ({
  at: transaction.effective_at,
  what: MOVED[transaction.kind] ?? transaction.kind,
  amount: money(transaction.amount),
  detail: [transaction.transaction_id, transaction.description].filter(Boolean).join(' '),
});

function eventMoment(event: JobStory['events'][number]): Moment {
  const { resources } = event;
  const facts = [
    event.task ? `task ${event.task}` : undefined,
    event.end_state,
    event.cancelled_by === undefined ? undefined : `by uid ${event.cancelled_by}`,
    event.exit_code === undefined ? undefined : `exit ${event.exit_code}`,
    resources &&
      [
        plural(resources.nodes, 'node'),
        plural(resources.cpus, 'CPU'),
        ...(resources.gpus > 0 ? [plural(resources.gpus, 'GPU')] : []),
        ...(resources.memory_mib > 0 ? [`${resources.memory_mib} MiB`] : []),
      ].join(' '),
    event.time_limit_seconds === undefined ? undefined : `limit ${wallTime(event.time_limit_seconds)}`,
    event.cost === undefined ? undefined : `cost ${event.cost}`,
    event.correction ? 'correction' : undefined,
    event.note,
  ];
  return { at: event.at, what: event.type.replaceAll('_', ' '), detail: facts.filter(Boolean).join(', ') };
}

/** Of a job that was let in without its money held first: how, why, and for how much. */
function cameIn({
  admitted,
  admission_reason: reason,
  admission_cost: cost,
  late,
  unit,
}: JobStory): string | undefined {
  if (admitted === undefined) return late ? 'without a check; its hold was opened late' : undefined;
  // There is a job, so it was let in, whatever had been said.
  const isRefused = admitted === 'denied' || admitted === 'closed';
  const how = [
    isRefused ? 'though it was refused' : admitted.replaceAll('_', ' '),
    cost === undefined ? undefined : `for ${moneyIn(cost, unit)}`,
  ];
  return [how.filter(Boolean).join(' '), reason].filter(Boolean).join(': ');
}

export function showStory(session: Session, story: JobStory): void {
  const zone = session.zone(story.time_zone);
  const state = session.paint(stateColor(story.state) ?? 'green', story.state.replaceAll('_', ' '));
  session.line(
    `${session.paint('bold', `${story.cluster}/${story.job_id}`)}  ${state}${story.quarantined ? `  ${session.paint('red', 'quarantined: a part cannot be charged yet')}` : ''}`,
  );
  session.fields([
    ['Name', story.job_name],
    ['Account', story.account],
    ['User', story.user_id],
    ['Partition', story.partition],
    ['Submitted', clockIn(story.submitted_at, zone)],
    ['Decision', story.decision?.message],
    ['Came in', cameIn(story)],
    ['Hold', story.transaction_id],
    ['Held', moneyIn(story.held, story.unit)],
    ['Accrued', story.accrued === 0 ? undefined : moneyIn(story.accrued, story.unit)],
    ['Charged', moneyIn(story.charged, story.unit)],
    ['Released', story.hold && moneyIn(story.hold.released, story.unit)],
    [
      'Waits for',
      story.waits_for &&
        [story.waits_for, story.deadline && `until ${clockIn(story.deadline, zone)}`].filter(Boolean).join(' '),
    ],
    ['Workflow', story.workflow_id],
    ['Temporal UI', story.workflow_url],
  ]);

  if (story.runs.length > 0) {
    session.heading('Runs');
    session.table(story.runs, [
      { title: 'TASK', value: (run) => run.task || undefined, optional: 2 },
      { title: `STARTED (${zone})`, value: (run) => clock(run.started_at, zone) },
      { title: 'ENDED', value: (run) => clock(run.ended_at, zone) },
      { title: 'RAN', value: (run) => wallTime(run.run_seconds), align: 'right' },
      { title: 'END', value: (run) => run.end_state },
      { title: `CHARGED (${story.unit ?? '?'})`, value: (run) => money(run.charge?.amount), align: 'point' },
      { title: 'BY', value: (run) => run.charge?.source, optional: 1 },
      ...(story.runs.some((run) => (run.charge?.refunded ?? 0) !== 0)
        ? [
            {
              title: 'REFUNDED',
              value: (run: JobStory['runs'][number]) => money(run.charge?.refunded),
              align: 'point' as const,
            },
          ]
        : []),
    ]);
  }

  const moments = [
    ...story.events.map(eventMoment),
    ...story.refused_changes.map(({ at, message, mode }): Moment => ({
      at,
      what: mode === 'shadow' ? 'change would be refused' : 'change refused',
      detail: message,
    })),
    ...story.lone_changes.map(({ at, message }): Moment => ({ at, what: 'change let in', detail: message })),
    ...story.transactions.map(moneyMoment),
  ];
  // Equal times keep their order: an event before the money that it moved, and money as it was written.
  moments.sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
  if (moments.length === 0) return;
  session.heading('Story');
  session.table(moments, [
    { title: `WHEN (${zone})`, value: (moment) => clock(moment.at, zone) },
    { title: 'WHAT', value: (moment) => moment.what },
    { title: story.unit ?? 'AMOUNT', value: (moment) => moment.amount ?? ' ', align: 'point' },
    { title: 'DETAIL', value: (moment) => moment.detail || ' ', shrinksTo: 20 },
  ]);
  if (story.has_earlier_transactions) {
    session.note(
      `Of its money only the newest ${plural(story.transactions.length, 'transaction')} are told; \`bursar transactions list --hold ${story.transaction_id} --all\` lists all of them.`,
    );
  }
}
