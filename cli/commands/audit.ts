import type { Command } from 'commander';
import { EXIT, Stop } from '../exit';
import { plural } from '../text';
import { FIELDS } from '../fields';
import type { Act } from '../session';
import type { AuditReport, SealReport } from '../wire';

export function defineAudit(parent: Command, act: Act): void {
  const audit = parent
    .command('audit')
    .summary('Prove the books')
    .description(
      "Compute every balance again from the entries and check every rule of the books. Ends with 1 if anything is off. `audit verify` checks that nothing was changed behind the ledger's back.",
    )
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar audit\n  $ bursar audit verify\n  $ bursar audit verify --against 9f86d081884c7d65...\n',
    );

  audit
    .command('run', { isDefault: true })
    .summary('Compute every balance again (the default)')
    .description('Compute every balance again from the entries and check every rule of the books.')
    .addHelpText('after', '\nExamples:\n  $ bursar audit run\n  $ bursar audit --json\n')
    .action(
      act(async (session) => {
        const report = await session.client.get<AuditReport>('/api/v1/audit');
        session.answer(
          report,
          () => {
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
            if (report.findings.length > 0) {
              session.heading('Findings');
              session.table(report.findings, [
                { title: 'CHECK', value: (finding) => finding.check },
                { title: 'SUBJECT', value: (finding) => finding.subject },
                { title: 'DETAIL', value: (finding) => finding.detail, shrinksTo: 20 },
              ]);
            }
          },
          FIELDS.audit,
        );
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
        const report = await session.client.get<SealReport>('/api/v1/audit/seals', { against: options.against });
        const tampered = report.first_tampered;
        session.answer(
          report,
          () => {
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
            if (report.ok && options.against !== undefined) session.line(`${options.against} is in it.`);
          },
          FIELDS.seals,
        );
        if (!report.ok) throw new Stop(EXIT.failure, '');
      }),
    );
}
