/** The demo's lines and its panel, in words. */
import type { Resources } from '../../domain/job';
import { clock, money, moneyIn, wallTime } from '../format';
import { tableLines } from '../table';
import { displayWidth, harmless, padEnd, plural, wrap, type Color, type Paint } from '../text';
import type { Balance, Decision, Hold } from '../wire';
import type { LoggedJob } from '../../domain/sacct-jobs';
import { UNIT } from './plan';
import type { Panel, Screen } from './screen';
import type { Setup } from './setup';
import type { Followed, Tally } from './tally';

/** Logs with more jobs get a line only for what a person must see. */
const EVERY_LINE_UP_TO = 200;
const DENIALS_SHOWN = 12;

export interface Telling {
  screen: Screen;
  paint: Paint;
  setup: Setup;
  tally: Tally;
  zone: string;
  /** Every line, however long the log. */
  allLines: boolean;
  balances: () => ReadonlyMap<string, Balance>;
}

export class Tell implements Panel {
  private day = '';
  private denials = 0;
  private readonly everyLine: boolean;
  private readonly startedMs = Date.now();

  constructor(private readonly by: Telling) {
    this.everyLine = by.allLines || by.tally.jobs.size <= EVERY_LINE_UP_TO;
  }

  decided({ job }: Followed, decision: Decision): void {
    if (decision.available) {
      if (this.everyLine) {
        this.line(
          job.submittedAt,
          'held',
          'cyan',
          job,
          `${moneyIn(decision.hold_amount, decision.unit)} for ${askedFor(job)}`,
        );
      }
      return;
    }
    this.denials += 1;
    if (this.everyLine || this.denials <= DENIALS_SHOWN) {
      this.line(job.submittedAt, 'denied', 'red', job, decision.message);
    } else if (this.denials === DENIALS_SHOWN + 1) {
      this.by.screen.say(this.by.paint('dim', '          more denials are only counted; --all-lines shows each'));
    }
  }

  happened({ job }: Followed, event: LoggedJob['events'][number]): void {
    if (!this.everyLine) return;
    const task = event.task === undefined ? '' : `task ${event.task} `;
    if (event.type === 'started') this.line(event.at, 'running', 'blue', job, `${task}${placed(event.resources)}`);
    else if (event.type === 'resized') {
      this.line(event.at, 'resized', 'yellow', job, `${task}goes on with ${placed(event.resources)}`);
    } else if (event.type === 'suspended' || event.type === 'resumed') {
      this.line(event.at, event.type, 'yellow', job, task.trim());
    } else if (event.type === 'requeued') {
      this.line(event.at, 'requeued', 'yellow', job, `${task}${event.endState ?? ''}, to be run again`);
    } else {
      const ran = event.startedAt === undefined ? 'before it ran' : `after ${ranFor(event.startedAt, event.at)}`;
      this.line(event.at, 'ended', 'magenta', job, `${task}${event.endState ?? event.type.toUpperCase()} ${ran}`);
    }
  }

  closed({ job }: Followed, hold: Hold): void {
    if (!this.everyLine) return;
    const placed = moneyIn(hold.placed, hold.unit);
    if (hold.charged === 0) this.line(undefined, 'released', 'green', job, `${placed} given back, nothing was used`);
    else
      this.line(undefined, 'settled', 'green', job, `${moneyIn(hold.charged, hold.unit)} charged, ${placed} was held`);
  }

  private line(at: string | undefined, word: string, color: Color, job: LoggedJob, detail: string): void {
    const { screen, paint, zone } = this.by;
    const shown = at === undefined ? '' : (clock(at, zone) ?? '');
    const day = shown.slice(0, 10);
    if (day !== '' && day !== this.day) {
      this.day = day;
      screen.say(paint('bold', `${day} (${zone})`));
    }
    const who = harmless(`${padEnd(job.jobId, 7)} ${padEnd(job.account, 10)} ${padEnd(job.user ?? '-', 7)}`);
    const head = `${padEnd(shown.slice(11), 8)}  ${paint(color, padEnd(word, 9))} ${who}`;
    // Only a no is told in full where it does not fit: it is the sentence that the user reads.
    if (word !== 'denied' || !screen.isTerminal) {
      screen.say(`${head} ${harmless(detail)}`);
      return;
    }
    screen.say(head);
    for (const part of wrap(harmless(detail), screen.width, ' '.repeat(20)).split('\n')) screen.say(paint(color, part));
  }

  // The panel -------------------------------------------------------------------------------------------------------------

  lines(): string[] {
    const { screen, paint, setup, balances } = this.by;
    const rows = setup.accounts.flatMap((account) => balances().get(account) ?? []);
    const table = tableLines(rows, balanceColumns, { width: screen.width, paint });
    return ['', this.progress(), ...(rows.length > 0 ? table : [])];
  }

  summary(): string {
    const { tally, zone } = this.by;
    return `          ${clock(tally.clock, zone) ?? ''}  ${this.counts()}`;
  }

  private progress(): string {
    const { tally, paint, zone, screen } = this.by;
    const total = tally.jobs.size;
    const done = total - tally.count('waiting');
    const width = 20;
    const filled = Math.floor((done * width) / Math.max(1, total));
    const bar = `[${'='.repeat(filled)}${' '.repeat(width - filled)}]`;
    const at = paint('bold', clock(tally.clock, zone) ?? '');
    const whole = `${at}  ${bar} ${this.counts()}`;
    return displayWidth(whole) <= screen.width ? whole : `${at}  ${this.counts()}`;
  }

  counts(): string {
    const { tally, paint } = this.by;
    const total = tally.jobs.size;
    const count = (label: string, color: Color, number: number) =>
      `${label} ${number === 0 ? '0' : paint(color, String(number))}`;
    return [
      `submitted ${total - tally.count('waiting')}/${total}`,
      count('pending', 'cyan', tally.count('pending')),
      count('running', 'blue', tally.count('running')),
      count('settling', 'magenta', tally.count('ended')),
      count('settled', 'green', tally.count('settled')),
      count('released', 'green', tally.count('released')),
      count('denied', 'red', tally.count('denied')),
    ].join('  ');
  }

  get seconds(): number {
    return (Date.now() - this.startedMs) / 1000;
  }
}

const balanceColumns = [
  { title: 'ACCOUNT', value: (row: Balance) => row.account, shrinksTo: 10 },
  { title: `GRANTED (${UNIT})`, value: (row: Balance) => money(row.granted), align: 'point' as const },
  { title: 'SETTLED', value: (row: Balance) => money(row.settled), align: 'point' as const },
  { title: 'IN FLIGHT', value: (row: Balance) => money(row.in_flight), align: 'point' as const },
  { title: 'COMMITTED', value: (row: Balance) => money(row.committed), align: 'point' as const },
  { title: 'AVAILABLE', value: (row: Balance) => money(row.available), align: 'point' as const },
];

const askedFor = ({ name, components, arrayTasks }: LoggedJob): string => {
  const [first] = components;
  const tasks = arrayTasks > 1 ? `${plural(arrayTasks, 'task')} of ` : '';
  const parts = components.length > 1 ? `${components.length} components, ` : '';
  const limit = first?.unlimited ? 'UNLIMITED' : (wallTime(first?.wallSeconds) ?? 'no time limit');
  return `${name ? `${shorten(name)}: ` : ''}${tasks}${parts}${first ? placed(first.resources) : ''}, ${limit}`;
};

const shorten = (name: string) => (name.length > 24 ? `${name.slice(0, 23)}…` : name);

function placed({ nodes, cpus, gpus, gpusByModel }: Resources): string {
  const [model] = Object.keys(gpusByModel);
  const kind = model === undefined || Object.keys(gpusByModel).length > 1 ? 'GPU' : model.toUpperCase();
  return [
    plural(nodes, 'node'),
    plural(cpus, 'CPU'),
    ...(gpus > 0 ? [`${gpus} ${kind}${kind === 'GPU' && gpus > 1 ? 's' : ''}`] : []),
  ].join(', ');
}

const ranFor = (from: string, to: string) => wallTime((Date.parse(to) - Date.parse(from)) / 1000) ?? '';
