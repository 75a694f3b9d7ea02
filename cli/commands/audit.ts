import { Option, type Command } from 'commander';
import { path } from '../client';
import { EXIT, Stop } from '../exit';
import { FIELDS } from '../fields';
import { clock, clockIn } from '../format';
import { withPages, type PageOptions } from '../paging';
import { prove, took } from '../proof';
import type { Act, Session } from '../session';
import { plural } from '../text';
import type { Audit, BooksReport, SealReport } from '../wire';

export function defineAudit(parent: Command, act: Act): void {
  const audit = parent
    .command('audit')
    .summary('Prove the books')
    .description(
      "Compute every balance again from the entries and check every rule of the books. Ends with 1 if anything is off. `audit verify` checks that nothing was changed behind the ledger's back. Either reads everything; the server goes on with it if you stop waiting.",
    )
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar audit\n  $ bursar audit verify\n  $ bursar audit verify --against 9f86d081884c7d65...\n  $ bursar audit list\n',
    );

  audit
    .command('run', { isDefault: true })
    .summary('Compute every balance again (the default)')
    .description('Compute every balance again from the entries and check every rule of the books.')
    .addHelpText('after', '\nExamples:\n  $ bursar audit run\n  $ bursar audit --json\n')
    .action(
      act(async (session) => {
        const report = await prove(session, session.client, 'books');
        session.answer(report, () => showBooks(session, report), FIELDS.books);
        if (!report.ok) throw new Stop(EXIT.failure, '');
      }),
    );

  audit
    .command('verify')
    .summary('Check the chain of seals over the transactions')
    .description(
      'Check the chain of hashes over all transactions and name the first that was changed. The head that it prints is worth keeping elsewhere: with --against it proves later that nothing before it was rewritten.',
    )
    .option('--against <hash>', 'a head that was kept elsewhere')
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar audit verify\n  $ bursar audit verify --json | jq -r .head > head-of-today\n  $ bursar audit verify --against "$(cat head-of-today)"\n',
    )
    .action(
      act(async (session, options: { against?: string }) => {
        const report = await prove(session, session.client, 'seals', { against: options.against });
        session.answer(
          report,
          () => {
            showSeals(session, report);
            if (report.ok && options.against !== undefined) session.line(`${options.against} is in it.`);
          },
          FIELDS.seals,
        );
        if (!report.ok) throw new Stop(EXIT.failure, '');
      }),
    );

  withPages(
    audit
      .command('list')
      .summary('List what was proved, the newest first')
      .description(
        'List what was proved and what is being proved, the newest first. The books are also proved by themselves, every hour.',
      )
      .addOption(new Option('--kind <kind>', 'of the books, or of the seals').choices(['books', 'seals'])),
  )
    .addHelpText('after', '\nExamples:\n  $ bursar audit list\n  $ bursar audit list --kind seals --limit 5\n')
    .action(
      act(async (session, options: PageOptions & { kind?: string }) => {
        await session.list<Audit>(
          '/api/v1/audits',
          { kind: options.kind },
          options,
          () => [
            { title: 'AUDIT', value: (row) => String(row.audit_no) },
            { title: 'OF', value: (row) => row.kind },
            { title: 'STATUS', value: (row) => row.status },
            { title: 'STARTED (UTC)', value: (row) => clock(row.started_at, 'UTC') },
            { title: 'TOOK', value: took, align: 'right' },
            {
              title: 'RESULT',
              value: resultOf,
              shrinksTo: 20,
              color: (row) => (isGood(row) === false ? 'red' : undefined),
            },
          ],
          'Nothing was proved yet.',
          FIELDS.audit,
        );
      }),
    );

  audit
    .command('show')
    .summary('Show what became of an audit')
    .description('Show what became of an audit. Ends with 1 if it found anything, failed or was lost.')
    .argument('<number>', 'its number')
    .addHelpText('after', '\nExamples:\n  $ bursar audit show 7\n  $ bursar audit show 7 --json | jq .books.findings\n')
    .action(
      act(async (session, number: string) => {
        const found = await session.client.get<Audit>(path`/api/v1/audits/${number}`);
        session.answer(found, () => show(session, found), FIELDS.audit);
        if (['failed', 'lost'].includes(found.status) || isGood(found) === false) throw new Stop(EXIT.failure, '');
      }),
    );
}

/** Undefined where there is no report. */
const isGood = ({ books, seals }: Audit): boolean | undefined => (books ?? seals)?.ok;

function resultOf(audit: Audit): string | undefined {
  if (isGood(audit) === undefined) return audit.failure;
  if (isGood(audit)) return 'good';
  return audit.books ? plural(audit.books.findings.length, 'finding') : 'broken';
}

function show(session: Session, audit: Audit): void {
  session.fields([
    ['Audit', `${audit.audit_no}, of the ${audit.kind}`],
    ['Status', audit.status],
    ['Started', clockIn(audit.started_at, 'UTC')],
    ['Finished', clockIn(audit.finished_at, 'UTC')],
    ['Took', took(audit)],
    ['Why', audit.failure],
  ]);
  if (audit.books) showBooks(session, audit.books);
  if (audit.seals) showSeals(session, audit.seals);
}

function showBooks(session: Session, report: BooksReport): void {
  session.line(
    report.ok
      ? session.paint('green', 'The books balance.')
      : session.paint('red', `The books do not balance: ${plural(report.findings.length, 'finding')}.`),
  );
  session.fields([
    ['Accounts', String(report.accounts)],
    ['Transactions', String(report.transactions)],
    ['Open holds', String(report.open_holds)],
    ['Difference', report.difference],
  ]);
  if (report.findings.length === 0) return;
  session.heading('Findings');
  session.table(report.findings, [
    { title: 'CHECK', value: (finding) => finding.check },
    { title: 'SUBJECT', value: (finding) => finding.subject },
    { title: 'DETAIL', value: (finding) => finding.detail, shrinksTo: 20 },
  ]);
}

function showSeals(session: Session, report: SealReport): void {
  const { first_tampered: tampered } = report;
  session.line(
    report.ok
      ? session.paint('green', 'The chain holds: nothing was changed.')
      : session.paint('red', 'The chain is broken.'),
  );
  session.fields([
    ['Head', report.head],
    ['Sealed', plural(report.sealed, 'transaction')],
    ['Not sealed yet', plural(report.unsealed, 'transaction')],
    [
      'First changed',
      tampered && `number ${tampered.txn_no}${tampered.transaction_id ? `, ${tampered.transaction_id}` : ''}`,
    ],
    ['What', tampered?.detail],
  ]);
}
