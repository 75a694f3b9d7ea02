import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { codeOf } from '../../domain/code-of';
import { readReportFile } from '../asbx/report-file';
import { sendReport, Spool, type Round, type Told } from '../asbx/spool';
import { EXIT, Stop } from '../exit';
import { FIELDS } from '../fields';
import { clockIn, moneyIn } from '../format';
import type { Act, Session } from '../session';
import type { AsbxReconciliation, AsbxStatus } from '../wire';

/** How often the folder is looked at: watching it by the system's own means would miss what another machine writes. */
const LOOK_EVERY_MS = 2_000;
const BACK_OFF_MAX_MS = 60_000;

export function defineAsbx(parent: Command, act: Act): void {
  const asbx = parent
    .command('asbx')
    .summary('Reports of ASBX: watch its spool, import files')
    .description('Reports of ASBX (aws-slurm-burst): what jobs really cost. Each settles its hold, once.')
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar asbx watch /var/spool/asbb/costs\n  $ bursar asbx import job-88123-asbb-reconciliation.json\n  $ bursar asbx status\n',
    );

  asbx
    .command('watch')
    .summary('Send the reports that ASBX leaves in a folder')
    .description(
      'Send the reports that ASBX leaves in a folder (job-<id>-asbb-reconciliation.json, job_<id>_cost.json) and move each to done/, or to failed/ with the reason beside it. Other files are left alone. Runs until it is stopped; being killed, or running twice, does no harm.',
    )
    .argument('<folder>', 'where ASBX writes, such as /var/spool/asbb/costs')
    .option('--once', 'send what is there now, and end')
    .addHelpText(
      'after',
      `
Examples:
  $ bursar asbx watch /var/spool/asbb/costs
  $ bursar asbx watch /var/spool/asbb/costs --once      from cron

A half-written file is waited for; one that cannot be read and has not changed for ten seconds has failed.
With --once it ends with 1 where a file has failed, and with 5 where the service could not be reached.
`,
    )
    .action(
      act(async (session, folder: string, options: { once?: boolean }) => {
        if (options.once) await once(session, folder);
        else await forEver(session, folder);
      }),
    );

  asbx
    .command('import')
    .summary('Send single reports')
    .description('Send single reports of ASBX, wherever they are. The files stay where they are.')
    .argument('<file...>', 'reports, in any of their forms')
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar asbx import job-88123-asbb-reconciliation.json\n  $ bursar asbx import /var/spool/asbx/job_*_cost.json --json\n',
    )
    .action(
      act(async (session, files: string[]) => {
        const answers = new Map<string, AsbxReconciliation>();
        const mistakes: string[] = [];
        for (const file of files) {
          try {
            answers.set(file, await importFile(session, file));
          } catch (error) {
            // Of several files the others still count; what ends one of them ends it alone.
            if (!(error instanceof Stop) || error.exitCode === EXIT.unreachable || files.length === 1) throw error;
            mistakes.push(`${file}: ${error.message}`);
          }
        }
        session.answer(
          [...answers.values()],
          () => {
            for (const [file, answer] of answers) session.say(`${file}: ${sentenceOf(answer)}`);
          },
          FIELDS.asbx,
        );
        if (mistakes.length > 0) {
          throw new Stop(EXIT.failure, `${mistakes.length} of ${files.length} reports were not taken.`, {
            hints: mistakes,
          });
        }
      }),
    );

  asbx
    .command('status')
    .summary('What has become of the reports')
    .description('What has become of the reports of ASBX, and how far estimates were from costs.')
    .addHelpText('after', '\nExamples:\n  $ bursar asbx status\n  $ bursar asbx status --json\n')
    .action(
      act(async (session) => {
        const status = await session.client.get<AsbxStatus>('/api/v1/asbx/status');
        session.answer(
          status,
          () =>
            session.fields([
              ['Health', status.health_status],
              ['Last report', status.last_data_import === null ? 'none yet' : clockIn(status.last_data_import, 'UTC')],
              ['Reconciled', String(status.successful_reconciliations)],
              ['Refused', String(status.failed_reconciliations)],
              ['Only recorded', String(status.recorded_reports)],
              ['Waiting for a hold', String(status.waiting_reports)],
              ['Took on average', status.average_reconciliation_time],
              [
                'Accuracy of estimates',
                status.cost_model_accuracy === null ? 'not known yet' : String(status.cost_model_accuracy),
              ],
            ]),
          FIELDS.asbxStatus,
        );
        if (status.waiting_reports > 0) session.note('`bursar unmatched list --source asbx` shows what waits.');
      }),
    );
}

async function importFile(session: Session, file: string): Promise<AsbxReconciliation> {
  const report = await readReportFile(file).catch((error: unknown) => {
    throw new Stop(EXIT.usage, `${file} cannot be read (${codeOf(error)}).`);
  });
  switch (report.status) {
    case 'gone':
      throw new Stop(EXIT.usage, `There is no file ${file}.`);
    case 'whole':
      return sendReport(session.client, report.json);
    default:
      throw new Stop(EXIT.usage, `${file} is no report of ASBX: ${report.reason}.`);
  }
}

async function once(session: Session, folder: string): Promise<void> {
  const { told, unavailable } = await workIn(new Spool(folder, session.client), folder);
  session.answer(
    told,
    () => {
      for (const each of told) tell(session, each);
      if (told.length === 0) session.say(`No reports in ${folder}.`);
    },
    FIELDS.spooled,
  );
  if (unavailable) throw unavailable;
  const failed = told.filter(({ what }) => what === 'failed').length;
  if (failed > 0)
    throw new Stop(EXIT.failure, `${failed} of ${told.length} reports can never be taken; failed/ says why.`);
}

async function workIn(spool: Spool, folder: string, isEnding?: () => boolean): Promise<Round> {
  try {
    return await spool.work(isEnding);
  } catch (error) {
    const code = codeOf(error);
    if (code === '') throw error;
    const why = code === 'ENOENT' ? 'there is no such folder' : code === 'ENOTDIR' ? 'it is no folder' : code;
    throw new Stop(EXIT.usage, `${folder} cannot be watched: ${why}.`, {
      hints: ['The user of this command must be able to read it, and to make done/ and failed/ in it.'],
    });
  }
}

/** Whatever goes wrong here may be right in a minute: the folder may be on a disk that is mounted later. */
async function forEver(session: Session, folder: string): Promise<void> {
  const { interrupted } = session.io;
  const spool = new Spool(folder, session.client);
  const kept = new Map<string, string>();
  let complaint = '';
  let pauseMs = LOOK_EVERY_MS;
  session.note(`Watching ${folder} for ${session.endpoint}.`);
  while (!interrupted.aborted) {
    const trouble = await workIn(spool, folder, () => interrupted.aborted).then(
      ({ told, unavailable }) => {
        for (const each of told) {
          const isNews = each.what !== 'kept' || kept.get(each.file) !== each.reason;
          if (each.what === 'kept') kept.set(each.file, each.reason);
          else kept.delete(each.file);
          if (isNews && !(each.what === 'kept' && unavailable)) tell(session, each);
        }
        return unavailable;
      },
      (error: unknown) => {
        if (error instanceof Stop) return error;
        throw error;
      },
    );
    const said = trouble?.message ?? '';
    if (said !== complaint) session.note(trouble ? `${said} Trying again.` : 'It works again.');
    complaint = said;
    pauseMs = trouble ? Math.min(pauseMs * 2, BACK_OFF_MAX_MS) : LOOK_EVERY_MS;
    // Several watchers that lost one service do not all come back at once.
    const jitterMs = trouble ? Math.random() * pauseMs * 0.2 : 0;
    await sleep(pauseMs + jitterMs, undefined, { signal: interrupted }).catch(() => undefined);
  }
}

function tell(session: Session, told: Told): void {
  if (session.json) {
    session.line(JSON.stringify(told));
    return;
  }
  switch (told.what) {
    case 'done':
      session.line(`${told.file}: ${sentenceOf(told.answer)}`);
      break;
    case 'failed':
      session.line(session.paint('red', `${told.file}: failed: ${told.reason.split('\n')[0]}`));
      break;
    case 'kept':
      session.line(session.paint('yellow', `${told.file}: kept: ${told.reason}`));
      break;
  }
}

function sentenceOf(answer: AsbxReconciliation): string {
  if (answer.status !== 'reconciled') return answer.message;
  const cost = moneyIn(answer.actual_cost, answer.unit);
  return answer.replayed
    ? `reconciled before with ${cost}; nothing changed`
    : `reconciled, ${cost} charged, ${moneyIn(answer.refund_amount, answer.unit)} given back (${answer.original_transaction})`;
}
