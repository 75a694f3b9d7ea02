/** `bursar slurm look` and `bursar slurm looks`: what the queue says, now. */
import type { Command } from 'commander';
import { clock } from '../format';
import { FIELDS } from '../fields';
import { EXIT, Stop } from '../exit';
import type { Act, Session } from '../session';
import { plural } from '../text';
import type { SchedulerLook, SlurmLook } from '../wire';

export function defineLook(slurm: Command, act: Act): void {
  slurm
    .command('look')
    .summary('Look at queue and accounting now')
    .description(
      "Have a worker look at Slurm's queue and accounting now, and say what that did: jobs bound by their stamps, ends that nobody had told, jobs that ran without a hold, holds that no job carries any more. It happens by itself every slurm.monitor_interval; doing it twice does no harm.",
    )
    .option('--cluster <cluster>', 'the cluster (default: the default cluster of the server)')
    .option('--wide', 'also compare the accounting of the last three days, as every night')
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar slurm look\n  $ bursar slurm look --cluster eagle --wide\n  $ bursar slurm look --json | jq \'.deeds[] | select(.did == "adopted")\'\n',
    )
    .action(
      act(async (session, options: { cluster?: string; wide?: boolean }) => {
        const answer = await session.client.post<SlurmLook>('/api/v1/slurm/looks', {
          cluster: options.cluster,
          wide: options.wide,
        });
        session.answer(answer, () => show(session, answer), FIELDS.slurmLook);
        if (answer.result === 'unreachable') throw new Stop(EXIT.failure, '');
      }),
    );

  slurm
    .command('looks')
    .summary('When each scheduler was last looked at')
    .description('When the queue and the accounting of each cluster were last heard, and why not since.')
    .addHelpText('after', '\nExamples:\n  $ bursar slurm looks\n  $ bursar slurm looks --json\n')
    .action(
      act(async (session) => {
        const rows = await session.client.get<SchedulerLook[]>('/api/v1/slurm/looks');
        session.answer(rows, () => showLooks(session, rows), FIELDS.look);
      }),
    );
}

const DID: Readonly<Record<SlurmLook['deeds'][number]['did'], string>> = {
  bound: 'bound to its hold',
  adopted: 'ran without a hold; has a late one now',
  unmatched: 'without a hold, and its account is not known',
  suspended: 'suspended',
  resumed: 'resumed',
  ended: 'ended, and nobody had told',
  given_back: 'hold given back',
  reduced: 'hold of the array reduced',
  lost: 'lost; it ended with the last listing that showed it',
};

function show(session: Session, answer: SlurmLook): void {
  const { cluster, result } = answer;
  if (result === 'absent') {
    session.line(`No worker looks at the scheduler of ${cluster}.`);
    session.say(
      'Set slurm.job_monitor_enabled for the worker, or let a relay send what it sees (docs/operations/slurm.md).',
    );
    return;
  }
  if (result === 'looking') {
    session.line(
      `It takes longer than a request may. It goes on as ${answer.workflow_id}; ask again for what came of it.`,
    );
    return;
  }
  for (const failure of answer.failures) session.line(session.paint('red', failure));
  session.line(
    `${cluster}: ${plural(answer.jobs, 'job', 'jobs')} in the queue, ${plural(answer.records, 'record', 'records')} of the accounting.`,
  );
  if (answer.keeps !== undefined) session.line(`Nothing can be given back: ${answer.keeps}.`);
  if (answer.deeds.length === 0) {
    if (answer.failures.length === 0) session.line('Everything was known.');
    return;
  }
  session.table(answer.deeds, [
    { title: 'JOB', value: (deed) => deed.job_id },
    { title: 'WHAT', value: (deed) => DID[deed.did] },
    { title: 'HOLD', value: (deed) => deed.transaction_id, optional: 1 },
    { title: 'DETAIL', value: (deed) => deed.detail, shrinksTo: 20, optional: 2 },
  ]);
}

function showLooks(session: Session, rows: readonly SchedulerLook[]): void {
  if (rows.length === 0) {
    session.line('No scheduler has been looked at yet.');
    return;
  }
  const zone = session.zoneOf(rows);
  session.table(rows, [
    { title: 'CLUSTER', value: (row) => row.cluster },
    { title: `QUEUE (${zone})`, value: (row) => clock(row.listed_at, zone) },
    { title: 'JOBS', value: (row) => row.listed_jobs?.toString(), align: 'right' },
    { title: `ACCOUNTING (${zone})`, value: (row) => clock(row.accounted_at, zone) },
    { title: 'UNSEEN HOLDS', value: (row) => String(row.unseen_holds), align: 'right' },
    { title: 'FAILURE', value: (row) => row.failure, shrinksTo: 20 },
  ]);
}
