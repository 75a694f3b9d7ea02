import type { Command } from 'commander';
import { basename } from 'node:path';
import { renderAmount } from '../../../domain/money';
import type { AccountsPlan, Imported } from '../../../ledger/contract/imports';
import { withAccountsImport } from '../../../ledger/imports/accounts';
import { readCluster } from '../../../ledger/imports/cluster';
import type { Sql } from '../../../platform/postgres';
import { EXIT, Stop } from '../../exit';
import { URL_OPTION, type Where } from '../../own-database';
import { showProgress } from '../../progress';
import type { Act, Session } from '../../session';
import { plural } from '../../text';
import { readAccountFile } from './account-file';
import { clusterOf } from './cluster';
import { withLedger } from './with-ledger';

interface Options extends Where {
  apply?: boolean;
  decimalComma?: boolean;
  unit: string;
  timeZone: string;
  start?: string;
  end?: string;
  cluster?: string;
}

/** On a screen; --json has a thousand of them. */
const MISTAKES_SHOWN = 30;

const COLUMNS_HELP = `
Columns, by their heading; only account is needed everywhere:
  account          its name, as jobs name it
  name             in words (default: the account)
  description
  unit             what it counts in (default: --unit)
  time_zone        that its days are of (default: --time-zone)
  status           active, inactive or suspended
  limit            what it is given, as a deposit
  used             what was used of that before, as one charge without a job
  start, end       days, both included, or times (default: --start, --end)
  parent           the account above it, in the file or in Bursar
  subtree_limit    the most that it and everything below it may use
  overdraft_limit  how far its jobs may go below zero
  partition, user  either makes the line a limit of the account: the most that this partition or user may take of it;
                   user * means each user

A JSON file has the same names: an array of objects, or an object a line.
`;

export function defineImportAccounts(parent: Command, act: Act): void {
  parent
    .command('accounts')
    .argument('<file>', 'CSV or JSON')
    .summary('Make accounts from a file')
    .description(
      'Make accounts from a CSV or JSON file: all of them or none. Every mistake is named with its line. Without --apply nothing is changed. Lines that were imported before are left alone, so the same file may come again.',
    )
    .option('--apply', 'make them')
    .option('--unit <unit>', 'unit of lines that name none', 'USD')
    .option('--time-zone <zone>', 'time zone of lines that name none', 'UTC')
    .option('--start <day>', 'start of lines that name none')
    .option('--end <day>', 'end of lines that name none; the day is included')
    .option('--decimal-comma', 'amounts are written 1.250,50')
    .option('--cluster <name>', 'the cluster that what was used is booked on (default: that of the configuration)')
    .option(...URL_OPTION)
    .addHelpText(
      'after',
      `${COLUMNS_HELP}\nExamples:\n  $ bursar import accounts projects.csv --start 2026-01-01 --end 2026-12-31\n  $ bursar import accounts projects.csv --start 2026-01-01 --end 2026-12-31 --apply\n  $ bursar import accounts konten.csv --decimal-comma --unit EUR --time-zone Europe/Berlin\n`,
    )
    .action(
      act(async (session, file: string, options: Options) =>
        withLedger(session, options, (sql) => run(session, sql, file, options)),
      ),
    );
}

async function run(session: Session, sql: Sql, file: string, options: Options): Promise<void> {
  const { unit, timeZone, start, end, decimalComma = false } = options;
  const defaults = {
    unit,
    timeZone,
    decimalComma,
    ...(start !== undefined && { start }),
    ...(end !== undefined && { end }),
  };
  const lines = readAccountFile(file, defaults);
  const { name, fresh } = clusterOf(session, sql, options.cluster);
  const cluster = await readCluster(sql, name, fresh);
  const progress = showProgress(session.io);
  try {
    await withAccountsImport(sql, { name: basename(file), lines }, cluster, progress.tell, async ({ plan, apply }) => {
      progress.end();
      if (plan.mistakesInAll > 0) refuse(file, plan);
      const imported = options.apply ? await apply() : undefined;
      progress.end();
      answer(session, plan, imported);
    });
  } finally {
    progress.end();
  }
}

function refuse(file: string, { mistakes, mistakesInAll }: AccountsPlan): never {
  const more = mistakesInAll - MISTAKES_SHOWN;
  throw new Stop(EXIT.usage, `${file} has ${plural(mistakesInAll, 'mistake')}; nothing was changed.`, {
    hints: [
      ...mistakes.slice(0, MISTAKES_SHOWN).map(({ line, field, mistake }) => `line ${line}, ${field}: ${mistake}`),
      ...(more > 0 ? [`… and ${more} more; --json lists a thousand.`] : []),
    ],
    problem: { code: 'malformed_request', mistakes_in_all: mistakesInAll, mistakes },
  });
}

function answer(session: Session, plan: AccountsPlan, imported: Imported | undefined): void {
  const fresh = plan.accounts - plan.accountsHere;
  const body = {
    accounts: plan.accounts,
    accounts_imported_before: plan.accountsHere,
    limits: plan.limits,
    totals: plan.totals.map(({ unit, limit, used }) => ({
      unit,
      limit: renderAmount(limit),
      used: renderAmount(used),
    })),
    ...(imported && { imported }),
  };
  session.answer(body, () => {
    session.line(
      imported
        ? session.paint(
            'green',
            `Imported: ${plural(imported.accounts, 'account')}, ${plural(imported.transactions, 'transaction')}.`,
          )
        : session.paint('bold', `What would be made: ${plural(fresh, 'account')}`),
    );
    session.fields([
      ['In the file', plural(plan.accounts, 'account')],
      ['Imported before', plan.accountsHere === 0 ? undefined : plural(plan.accountsHere, 'account')],
      ['Limits', plural(plan.limits, 'limit')],
      ...plan.totals.map(
        ({ unit, limit, used }) =>
          [`In ${unit}`, `${renderAmount(limit)} given, ${renderAmount(used)} of it used`] as const,
      ),
    ]);
    if (!imported) session.say('Nothing was changed; --apply makes them.');
  });
}
