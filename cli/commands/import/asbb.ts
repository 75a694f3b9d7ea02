import type { Command } from 'commander';
import { renderAmount, UNIT, UNIT_EXPECTED } from '../../../domain/money';
import type { AsbbFinding, AsbbPlan, Imported } from '../../../ledger/contract/imports';
import { withAsbbImport, type AsbbImport } from '../../../ledger/imports/asbb';
import { FINDINGS } from '../../../ledger/imports/asbb-report';
import { withoutPassword } from '../../../platform/config';
import { addressOfDatabase } from '../../../platform/config/values';
import { connectPostgres, hasLost, isConnectionFailure } from '../../../platform/postgres';
import { EXIT, Stop } from '../../exit';
import { clock } from '../../format';
import { isFaultOfConnection, lost, unreachable, URL_OPTION, type Where } from '../../own-database';
import { showProgress } from '../../progress';
import type { Act, Session } from '../../session';
import { plural } from '../../text';
import { clusterOf } from './cluster';
import { ReportFile, requireReport } from './report-file';
import { withLedger } from './with-ledger';

interface Options extends Where {
  apply?: boolean;
  correct?: boolean;
  cluster?: string;
  unit: string;
  timeZone?: string;
  report?: string;
}

/** Enough to see what is the matter; --report has all of it. */
const ROWS_SHOWN = 20;

export function defineImportAsbb(parent: Command, act: Act): void {
  parent
    .command('asbb')
    .argument('<dsn>', "address of ASBB's PostgreSQL; its password may stand in PGPASSWORD instead")
    .summary('Take over the database of ASBB v0.2.0')
    .description(
      'Take over the database of ASBB v0.2.0 (its schema version 3). Balances follow from its transactions, which keep their ids. Says what ASBB had wrong, charged twice and held for ever. Without --apply nothing is changed. Stop ASBB first; if this is interrupted, run it again.',
    )
    .option('--apply', 'book it')
    .option('--correct', 'also take back, visibly, what ASBB charged twice and what negative charges gave')
    .option('--cluster <name>', 'the cluster that the jobs ran on (default: that of the configuration)')
    .option('--unit <unit>', 'what the amounts are in', 'USD')
    .option('--time-zone <zone>', "time zone of the accounts (default: the cluster's)")
    .option('--report <file>', 'write every finding to FILE.json or FILE.csv')
    .option(...URL_OPTION)
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar import asbb postgres://asbb@db.example.org/asbb --report asbb.csv\n  $ bursar import asbb postgres://asbb@db.example.org/asbb --apply\n  $ bursar import asbb postgres://asbb@db.example.org/asbb --correct --cluster eagle --json\n',
    )
    .action(
      act(async (session, dsn: string, options: Options) =>
        withLedger(session, options, (sql) => run(session, sql, dsn, options)),
      ),
    );
}

async function run(
  session: Session,
  sql: Parameters<typeof withAsbbImport>[0]['sql'],
  dsn: string,
  options: Options,
): Promise<void> {
  if (options.report !== undefined) requireReport(options.report);
  if (!UNIT.test(options.unit)) throw new Stop(EXIT.usage, `--unit "${options.unit}" is none: it ${UNIT_EXPECTED}.`);
  const source = openSource(dsn);
  const progress = showProgress(session.io);
  try {
    await source`select 1`.catch((error: unknown) => {
      throw unreachable(withoutPassword(dsn), error, "Is that the name of ASBB's database?");
    });
    const { unit, timeZone, correct = false, apply = false } = options;
    const { name: cluster, fresh } = clusterOf(session, sql, options.cluster);
    await withAsbbImport(
      { sql, source, fresh },
      { unit, cluster, correct, apply, ...(timeZone !== undefined && { timeZone }) },
      progress.tell,
      async (asbb) => {
        progress.end();
        if (options.report !== undefined) await writeReport(options.report, asbb);
        if (asbb.plan.problems.length > 0) return refuse(asbb.plan);
        const imported = apply ? await asbb.apply() : undefined;
        progress.end();
        await answer(session, asbb, imported);
      },
    );
  } catch (error) {
    // What it says of a connection that is gone is the same, whichever it was.
    if (hasLost(source) && !hasLost(sql) && (isConnectionFailure(error) || isFaultOfConnection(error)))
      throw lost(withoutPassword(dsn), error);
    throw error;
  } finally {
    progress.end();
    await source.end({ timeout: hasLost(source) ? 0 : 5 });
  }
}

function openSource(dsn: string) {
  if (!addressOfDatabase(dsn)) {
    // Not repeated: what cannot be read may have a password anywhere in it.
    throw new Stop(EXIT.usage, 'That is not the address of a PostgreSQL.', {
      hints: [
        'It looks like postgres://asbb@db.example.org:5432/asbb; in a password, / ? # are written %2F %3F %23.',
        'Written as host=… user=…, as ASBB takes it too, it is not read.',
        'A dump is restored first: createdb asbb; psql asbb < dump.sql (or pg_restore -d asbb dump).',
      ],
    });
  }
  return connectPostgres({ url: dsn, poolSize: 1, statementTimeoutMs: 0, applicationName: 'bursar-import' });
}

function refuse({ problems, database }: AsbbPlan): never {
  throw new Stop(EXIT.failure, `The database ${database} cannot be imported; nothing was changed.`, {
    hints: [
      ...problems.slice(0, ROWS_SHOWN).map(({ subject, problem }) => `${subject} ${problem}.`),
      ...(problems.length > ROWS_SHOWN ? [`… and ${problems.length - ROWS_SHOWN} more; --json has up to 1000.`] : []),
    ],
    problem: { code: 'import_refused', problems },
  });
}

// What it says ------------------------------------------------------------------------------------------------------------

async function answer(session: Session, asbb: AsbbImport, imported: Imported | undefined): Promise<void> {
  const { plan } = asbb;
  const balances = await asbb.balances(session.json ? 10_000 : ROWS_SHOWN);
  const findings = await asbb.findings(session.json ? 10_000 : 0);
  const body = {
    ...planBody(plan),
    ...(imported && { imported }),
    balances: balances.map((balance) => ({
      account: balance.account,
      budget_limit: renderAmount(balance.limit),
      asbb_used: renderAmount(balance.asbbUsed),
      asbb_held: renderAmount(balance.asbbHeld),
      asbb_available: renderAmount(balance.asbbAvailable),
      used: renderAmount(balance.used),
      held: renderAmount(balance.held),
      available: renderAmount(balance.available),
    })),
    findings: findings.map(findingBody),
  };
  session.answer(body, () => {
    showHead(session, plan, imported);
    showKinds(session, plan);
    if (balances.length > 0) {
      session.heading(`Balances that ASBB had wrong (${plan.unit}), the most wrong first`);
      session.table(balances, [
        { title: 'ACCOUNT', value: ({ account }) => account, shrinksTo: 12 },
        { title: 'ASBB: USED', value: ({ asbbUsed }) => renderAmount(asbbUsed), align: 'point' },
        { title: 'HELD', value: ({ asbbHeld }) => renderAmount(asbbHeld), align: 'point' },
        { title: 'AVAILABLE', value: ({ asbbAvailable }) => renderAmount(asbbAvailable), align: 'point' },
        { title: 'REALLY: USED', value: ({ used }) => renderAmount(used), align: 'point' },
        { title: 'HELD', value: ({ held }) => renderAmount(held), align: 'point' },
        { title: 'AVAILABLE', value: ({ available }) => renderAmount(available), align: 'point' },
      ]);
    }
    if (plan.leftBehind.length > 0) {
      session.heading('Left behind: Bursar has nothing for these yet');
      session.table(plan.leftBehind.slice(0, ROWS_SHOWN), [
        { title: 'WHAT', value: ({ what }) => what },
        { title: 'NAME', value: ({ name }) => name, shrinksTo: 12 },
        { title: 'DETAIL', value: ({ detail }) => detail, shrinksTo: 20 },
      ]);
      const more = plan.leftBehind.length - ROWS_SHOWN;
      if (more > 0) session.say(`… and ${more} more; --json or --report has all of them.`);
    }
    session.line();
    session.say(
      imported
        ? 'Prove it: `bursar audit`, and `bursar account list` beside the balances above.'
        : 'Nothing was changed. --report FILE.csv lists every finding; --apply books it.',
    );
  });
}

function showHead(session: Session, plan: AsbbPlan, imported: Imported | undefined): void {
  session.line(
    imported
      ? session.paint(
          'green',
          `Imported: ${plural(imported.accounts, 'account')}, ${plural(imported.transactions, 'transaction')}.`,
        )
      : session.paint('bold', 'What would be imported'),
  );
  session.fields([
    ['From', plan.database],
    ['Accounts', `${plan.accounts}${plan.accountsHere > 0 ? `, of them ${plan.accountsHere} imported before` : ''}`],
    ['Transactions', String(plan.transactions)],
    ['Partition limits', String(plan.limits)],
    ['Unit', plan.unit],
    ['Cluster', plan.clusterIsNew ? `${plan.cluster}, which ${imported ? 'was' : 'would be'} made` : plan.cluster],
    ['Time zone', plan.timeZone],
    [
      'As of',
      clock(plan.at, 'UTC') && `${clock(plan.at, 'UTC')} UTC${plan.resumes ? ', when it was begun first' : ''}`,
    ],
    ['Corrections', plan.correct ? 'yes, as adjustments and withdrawals' : 'no: as ASBB booked it'],
    ['Comes back', `${renderAmount(plan.moneyBack)} ${plan.unit}, which ASBB held for ever`],
  ]);
}

function showKinds(session: Session, { findings, unit }: AsbbPlan): void {
  const rows = Object.entries(FINDINGS).flatMap(([kind, words]) => {
    const found = Object.entries(findings).find(([each]) => each === kind)?.[1];
    return found ? [{ words, ...found }] : [];
  });
  session.heading('Findings');
  if (rows.length === 0) session.say('None: ASBB had everything right.');
  else {
    session.table(rows, [
      { title: 'FINDING', value: ({ words }) => words },
      { title: 'HOW MANY', value: ({ count }) => String(count), align: 'right' },
      { title: `IN ALL (${unit})`, value: ({ amount }) => renderAmount(amount), align: 'point' },
    ]);
  }
}

const planBody = (plan: AsbbPlan) => ({
  database: plan.database,
  unit: plan.unit,
  cluster: plan.cluster,
  cluster_is_new: plan.clusterIsNew,
  time_zone: plan.timeZone,
  correct: plan.correct,
  as_of: plan.at,
  resumes: plan.resumes,
  accounts: plan.accounts,
  accounts_imported_before: plan.accountsHere,
  transactions: plan.transactions,
  partition_limits: plan.limits,
  money_back: renderAmount(plan.moneyBack),
  findings_by_kind: Object.fromEntries(
    Object.entries(plan.findings).map(([kind, { count, amount }]) => [kind, { count, amount: renderAmount(amount) }]),
  ),
  left_behind: plan.leftBehind,
});

const findingBody = (finding: AsbbFinding) => ({
  kind: finding.kind,
  account: finding.account,
  transaction_id: finding.transactionId,
  job_id: finding.jobId,
  at: finding.at,
  amount: finding.amount === undefined ? undefined : renderAmount(finding.amount),
  detail: finding.detail,
});

async function writeReport(path: string, asbb: AsbbImport): Promise<void> {
  const file = new ReportFile(path, planBody(asbb.plan));
  await asbb.everyFinding((finding) => file.add(findingBody(finding)));
  file.end();
}
