/** The end of the demo: the books, what is still open and why, and where to look. */
import { parseAmount, renderAmount, toMicro, type Micro } from '../../domain/money';
import { path, type Client } from '../client';
import { money } from '../format';
import { prove } from '../proof';
import type { Session } from '../session';
import type { Column } from '../table';
import { plural } from '../text';
import type { Balance, JobStory } from '../wire';
import { UNIT } from './plan';
import type { Setup } from './setup';
import type { Followed, Tally } from './tally';

/** One account's identity (rulings 5), computed here once more from what the API says, in whole millionths. */
interface Book {
  account: string;
  granted: Micro;
  settled: Micro;
  inFlight: Micro;
  committed: Micro;
  available: Micro;
  difference: Micro;
}

const micro = (amount: number): Micro => parseAmount(String(amount));

function bookOf(balance: Balance): Book {
  const [granted, settled, inFlight] = [micro(balance.granted), micro(balance.settled), micro(balance.in_flight)];
  const [committed, available] = [micro(balance.committed), micro(balance.available)];
  const difference = toMicro(granted - settled - inFlight - committed - available);
  return { account: balance.account, granted, settled, inFlight, committed, available, difference };
}

const NUMBERS = ['granted', 'settled', 'inFlight', 'committed', 'available', 'difference'] as const;

const sumOf = (books: readonly Book[]): Book => {
  const sum = (name: (typeof NUMBERS)[number]) => toMicro(books.reduce((total, book) => total + book[name], 0n));
  return {
    account: 'all',
    granted: sum('granted'),
    settled: sum('settled'),
    inFlight: sum('inFlight'),
    committed: sum('committed'),
    available: sum('available'),
    difference: sum('difference'),
  };
};

const column = (title: string, name: (typeof NUMBERS)[number]): Column<Book> => ({
  title,
  value: (book) => money(renderAmount(book[name])),
  align: 'point',
});

const COLUMNS: Column<Book>[] = [
  { title: 'ACCOUNT', value: (book) => book.account, shrinksTo: 8 },
  column('GRANTED', 'granted'),
  column('SETTLED', 'settled'),
  column('IN FLIGHT', 'inFlight'),
  column('COMMITTED', 'committed'),
  column('AVAILABLE', 'available'),
  { ...column('DIFFERENCE', 'difference'), color: (book) => (book.difference === 0n ? 'green' : 'red') },
];

/** Prints the books and says whether they balance. */
export async function showBooks(session: Session, client: Client, setup: Setup): Promise<boolean> {
  const balances = await Promise.all(
    setup.accounts.map((account) => client.get<Balance>(path`/api/v1/accounts/${account}/balance`)),
  );
  const audit = await prove(session, client, 'books');
  const books = balances.map(bookOf);
  session.heading(`The books (${UNIT}): granted = settled + in flight + committed + available`);
  session.table(books.length > 1 ? [...books, sumOf(books)] : books, COLUMNS);
  session.line();
  const balanced = books.every(({ difference }) => difference === 0n) && audit.ok;
  if (balanced) {
    session.say(
      session.paint(
        'green',
        `The books balance: every balance of ${plural(audit.accounts, 'account')} is the sum of the entries of ${plural(audit.transactions, 'transaction')}; difference ${audit.difference}.`,
      ),
    );
  } else {
    session.say(session.paint('red', `The books do not balance: difference ${audit.difference}.`));
    session.lines(audit.findings.map(({ check, subject, detail }) => `  ${check}: ${subject}: ${detail}`));
  }
  return balanced;
}

const OPEN_SHOWN = 10;

/** Stories that are not over: jobs that the log leaves running, and whatever has not settled in time. */
export async function showOpen(session: Session, client: Client, setup: Setup, tally: Tally): Promise<void> {
  const open = [...tally.jobs.values()].filter(
    ({ standing }) => standing === 'pending' || standing === 'running' || standing === 'ended',
  );
  if (open.length === 0) return;
  session.heading(`${plural(open.length, 'job is', 'jobs are')} still open`);
  for (const followed of open.slice(0, OPEN_SHOWN)) session.say(`  ${await whyOpen(client, setup, followed)}`);
  if (open.length > OPEN_SHOWN)
    session.line(`  and ${open.length - OPEN_SHOWN} more: \`bursar hold list --status open\``);
}

async function whyOpen(client: Client, setup: Setup, { job, standing }: Followed): Promise<string> {
  const name = `${setup.nameOf(job.cluster)}/${job.jobId}`;
  if (!job.isOver) return `${name}: the log ends before it does.`;
  try {
    const story = await client.get<JobStory>(path`/api/v1/jobs/${setup.nameOf(job.cluster)}/${job.jobId}`);
    return `${name}: ${story.state.replaceAll('_', ' ')}${story.waits_for ? `, waits for ${story.waits_for}` : ''}.`;
  } catch (error) {
    return `${name}: ${standing}; ${error instanceof Error ? error.message : 'its story cannot be read'}`;
  }
}

/** Where the same jobs can be looked at: one of them on the command line, the API, the Temporal UI. */
export async function showAddresses(session: Session, client: Client, setup: Setup, tally: Tally): Promise<void> {
  const example = tally.where('settled')[0] ?? tally.where('released')[0] ?? tally.where('pending')[0];
  const story = example && (await storyOf(client, setup, example));
  const [cluster = ''] = setup.clusters;
  session.heading('Look at the same jobs');
  session.fields([
    ['API', `${client.endpoint}/docs`],
    ['Temporal UI', story?.workflow_url && uiQuery(story.workflow_url, cluster)],
    ['One job', story && `npx bursar job show ${story.cluster}/${story.job_id}`],
    ['One account', setup.accounts[0] && `npx bursar account statement ${setup.accounts[0]}`],
  ]);
}

/** An address that cannot be had is no reason to call the demo a failure. */
const storyOf = (client: Client, setup: Setup, { job }: Followed): Promise<JobStory | undefined> =>
  client.get<JobStory>(path`/api/v1/jobs/${setup.nameOf(job.cluster)}/${job.jobId}`).catch(() => undefined);

/** The list of the cluster's workflows, from the address of one of them. */
function uiQuery(workflowUrl: string, cluster: string): string | undefined {
  const list = /^(.*\/workflows)\//.exec(workflowUrl)?.[1];
  return list && `${list}?query=${encodeURIComponent(`BudgetCluster="${cluster}"`)}`;
}
