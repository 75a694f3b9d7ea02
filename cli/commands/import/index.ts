import type { Command } from 'commander';
import type { Act } from '../../session';
import { defineImportAccounts } from './accounts';
import { defineImportAsbb } from './asbb';
import { defineImportSacct } from './sacct';

export function defineImport(parent: Command, act: Act): void {
  const group = parent
    .command('import')
    .summary('Bring the books of ASBB, a list of accounts, or what Slurm has run into Bursar')
    .description(
      'Bring the books of ASBB, a list of accounts, or what Slurm has run into Bursar. Shows what it would do and does nothing, until --apply is given. Works on the database itself, so it runs on a machine that reaches it; the server may go on meanwhile.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar import asbb postgres://asbb@db.example.org/asbb\n  $ bursar import asbb postgres://asbb@db.example.org/asbb --apply\n  $ bursar import accounts projects.csv\n  $ bursar import accounts projects.csv --apply\n  $ bursar import sacct 2024.log --cluster eagle\n',
    );
  defineImportAsbb(group, act);
  defineImportAccounts(group, act);
  defineImportSacct(group, act);
}
