import { Option, type Command } from 'commander';
import { JOB_EVENT_TYPES, JOB_STATES } from '../../domain/job';
import { ADMISSIONS } from '../../domain/policy';
import { path } from '../client';
import { unitColumns } from '../columns';
import { readClusterTime } from '../dates';
import { EXIT, Stop } from '../exit';
import { clock, money } from '../format';
import { FIELDS } from '../fields';
import { withPages, type PageOptions } from '../paging';
import type { Act } from '../session';
import type { EventBody, EventReceipts, Job, JobStory } from '../wire';
import { showStory, stateColor } from './job-story';
import { answerReport, DENIED, withFilters, type ReportOptions } from './shadow';

interface ListOptions extends PageOptions {
  cluster?: string;
  account?: string;
  user?: string;
  state?: string;
  jobId?: string;
  quarantined?: boolean;
  late?: boolean;
  admitted?: string;
}

/** `mycluster/88123`; job ids may contain a slash nowhere, cluster names neither. */
function readJobName(text: string): { cluster: string; jobId: string } {
  const match = /^([^/]+)\/([^/]+)$/.exec(text);
  if (!match) {
    throw new Stop(EXIT.usage, `"${text}" is not a job: write the cluster, a slash, and the scheduler's id.`, {
      hints: ['For example mycluster/88123. `bursar job list` shows the jobs that were heard of.'],
    });
  }
  return { cluster: match[1] as string, jobId: match[2] as string };
}

/** How, where not by a check that held its money. */
const cameIn = ({ admitted, late }: Job): string | undefined => admitted ?? (late ? 'late hold' : undefined);

export function defineJob(parent: Command, act: Act): void {
  const job = parent
    .command('job')
    .summary('Jobs and their stories')
    .description('Jobs: what was asked, held, run, charged and given back.')
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar job list --state awaiting_cost\n  $ bursar job show mycluster/88123\n',
    );

  withPages(
    job
      .command('list')
      .summary('List jobs, the newest first')
      .description(
        'List jobs, the newest first. One that was requeued stands once, as it was submitted last, with all its money.',
      )
      .option('--cluster <cluster>', 'of this cluster')
      .option('--account <account>', 'of this account')
      .option('--user <user>', 'of this user')
      .addOption(new Option('--state <state>', 'in this state').choices(JOB_STATES))
      .option('--job-id <id>', "with this scheduler's id, on any cluster")
      .option('--late', 'their hold was opened after the fact')
      .addOption(new Option('--admitted <how>', 'let in like this, without money held first').choices(ADMISSIONS))
      .option('--quarantined', 'a part of them has no price, or no known start'),
  )
    .addHelpText(
      'after',
      `
Examples:
  $ bursar job list --account climate --state running
  $ bursar job list --quarantined
  $ bursar job list --admitted open_to_limit        # let in by a hook while the server was away

States: pending, running, suspended; awaiting_cost (ended, its cost is waited for); overdue (nobody can say what became
of it); quarantined (no price, or no known start); settled, released; unmatched (an event of a job that nobody knows).
`,
    )
    .action(
      act(async (session, options: ListOptions) => {
        await session.list<Job>(
          '/api/v1/jobs',
          {
            cluster: options.cluster,
            account: options.account,
            user_id: options.user,
            state: options.state,
            job_id: options.jobId,
            quarantined: options.quarantined ? 'true' : undefined,
            late: options.late ? 'true' : undefined,
            admitted: options.admitted,
          },
          options,
          (rows) => {
            const zone = session.zoneOf(rows);
            return [
              { title: 'JOB', value: (row) => `${row.cluster}/${row.job_id}` },
              { title: 'NAME', value: (row) => row.job_name, shrinksTo: 8, optional: 4 },
              { title: 'ACCOUNT', value: (row) => row.account, shrinksTo: 10, optional: 1 },
              { title: 'USER', value: (row) => row.user_id, shrinksTo: 8, optional: 3 },
              {
                title: 'STATE',
                value: (row) =>
                  row.quarantined && row.state !== 'quarantined' ? `${row.state}, quarantined` : row.state,
                color: (row) => stateColor(row.state),
              },
              { title: 'CAME IN', value: cameIn, optional: 5 },
              ...unitColumns<Job>(rows, [
                ['HELD', (row) => money(row.held)],
                ['ACCRUED', (row) => money(row.accrued)],
                ['CHARGED', (row) => money(row.charged)],
              ]),
              { title: `SUBMITTED (${zone})`, value: (row) => clock(row.submitted_at, zone), optional: 2 },
            ];
          },
          'No jobs found.',
          FIELDS.job,
        );
      }),
    );

  withFilters(
    job
      .command('refusals')
      .summary("What was denied to Slurm's users, and why")
      .description(
        'Submissions and changes of jobs that were denied in Slurm: totals by account, user and reason, then each of them, the newest first. What a hook refused alone while the server was away is among them. Slurm shows no text for `scontrol update` and through its REST service; here it is.',
      ),
  )
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar job refusals --since 1d --user rkaur\n  $ bursar job refusals --all --csv\n\nDays are read in UTC.\n',
    )
    .action(act((session, options: ReportOptions) => answerReport(session, '/api/v1/slurm/refusals', options, DENIED)));

  job
    .command('show')
    .summary("Tell a job's whole story")
    .description(
      "Tell a job's whole story: what was asked and decided, what happened, what was charged and given back, and where it is in the Temporal UI.",
    )
    .argument('<cluster/id>', "cluster and the scheduler's id, like mycluster/88123")
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar job show mycluster/88123\n  $ bursar job show mycluster/88123 --json | jq .transactions\n',
    )
    .action(
      act(async (session, text: string) => {
        const { cluster, jobId } = readJobName(text);
        const story = await session.client.get<JobStory>(path`/api/v1/jobs/${cluster}/${jobId}`);
        session.answer(story, () => showStory(session, story), FIELDS.story);
      }),
    );

  defineEvent(job, act);
}

interface EventOptions {
  at?: string;
  submitted?: string;
  task?: string;
  hold?: string;
  key?: string;
  account?: string;
  user?: string;
  partition?: string;
  endState?: string;
  uid?: string;
  exitCode?: string;
  tres?: string;
  timeLimit?: string;
  cost?: string;
  correction?: boolean;
}

function defineEvent(job: Command, act: Act): void {
  job
    .command('event')
    .summary('Say what happened to a job')
    .description(
      'Say what happened to a job, as a scheduler does. The same event twice is one event; late and out of order is ordinary.',
    )
    .argument('<cluster/id>', "cluster and the scheduler's id, like mycluster/88123")
    .argument('<type>', JOB_EVENT_TYPES.join(', '))
    .option('--at <time>', 'when it happened (default: now)')
    .option('--submitted <time>', 'when the job was submitted; ids recycle')
    .option('--task <task>', "array task ('4') or component ('+1')")
    .option('--hold <id>', 'transaction id of its hold')
    .option('--key <key>', 'idempotency key of its check')
    .option('--account <account>', 'its account')
    .option('--user <user>', 'its user')
    .option('--partition <partition>', 'its partition')
    .option('--end-state <state>', 'how it ended: COMPLETED, FAILED, "CANCELLED by 0", NODE_FAIL, ...')
    .option('--uid <uid>', 'uid of the job; with the end state it tells whether an administrator cancelled it')
    .option('--exit-code <n>', 'its exit code')
    .option('--tres <tres>', 'what was allocated, like cpu=16,mem=64G,node=2')
    .option('--time-limit <limit>', 'its time limit; of resized: the new one')
    .option('--cost <amount>', 'its cost, with cost or ended')
    .option('--correction', 'the cost replaces one that was reported before')
    .addHelpText(
      'after',
      `
Examples:
  $ bursar job event mycluster/88123 submitted --key slurm-88123-1772460311
  $ bursar job event mycluster/88123 started --at 2026-03-02T14:00:00Z
  $ bursar job event mycluster/88123 ended --end-state COMPLETED
  $ bursar job event mycluster/88123 cost --cost 37.25
`,
    )
    .action(
      act(async (session, text: string, type: string, options: EventOptions) => {
        const { cluster, jobId } = readJobName(text);
        const event: Partial<Record<keyof EventBody, unknown>> = {
          type,
          cluster,
          job_id: jobId,
          at: options.at === undefined ? session.io.now().toISOString() : readClusterTime('--at', options.at),
          submitted_at: options.submitted && readClusterTime('--submitted', options.submitted),
          task: options.task,
          transaction_id: options.hold,
          hold_key: options.key,
          account: options.account,
          user_id: options.user,
          partition: options.partition,
          end_state: options.endState,
          uid: options.uid,
          exit_code: options.exitCode,
          tres: options.tres,
          time_limit: options.timeLimit,
          cost: options.cost,
          correction: options.correction,
        };
        const answer = await session.client.post<EventReceipts>('/api/v1/jobs/events', { events: [event] });
        const [receipt] = answer.receipts;
        session.answer(
          answer,
          () => {
            const words = {
              recorded: 'Recorded.',
              duplicate: 'Known already; nothing changed.',
              unmatched: 'Recorded, but no hold and no account was found for it.',
            };
            session.line(
              session.paint(receipt?.status === 'unmatched' ? 'yellow' : 'green', words[receipt?.status ?? 'recorded']),
            );
            session.fields([
              ['Job', `${receipt?.cluster}/${receipt?.job_id}`],
              ['Hold', receipt?.transaction_id],
              ['Detail', receipt?.detail],
              ['Note', receipt?.note],
            ]);
          },
          FIELDS.receipt,
          answer.receipts,
        );
      }),
    );
}
