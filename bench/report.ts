/** How figures are gathered over rounds, compared, and shown. */
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { buildFacts } from '../platform/build-facts';
import type { Figure } from './http-load';

export interface Options {
  /** Where the figures go as JSON. */
  json?: string;
  /** Few and short rounds: to see that it works, not to quote. */
  quick: boolean;
  /** What does it cost to ask with an API key? */
  key: boolean;
}

/** What a benchmark promises: a ratio within one run, and the bound it is held to. */
export interface Mark {
  name: string;
  ratio: number;
  bound: number;
  /** `least`: the ratio must reach the bound. `most`: it must not exceed it. */
  is: 'least' | 'most';
}

export const isReached = ({ ratio, bound, is }: Mark): boolean => (is === 'least' ? ratio >= bound : ratio <= bound);

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
};

/** The figures of one case, a round each. */
export class Series {
  readonly rounds: Figure[] = [];
  constructor(readonly name: string) {}

  add(figure: Figure): Figure {
    this.rounds.push(figure);
    return figure;
  }

  get median(): Figure {
    const of = (pick: (figure: Figure) => number) => median(this.rounds.map(pick));
    return { perSecond: of((f) => f.perSecond), p50Ms: of((f) => f.p50Ms), p99Ms: of((f) => f.p99Ms) };
  }
}

/** The median over the rounds of the ratio within each round: what was busy in one round was busy for both. */
export const medianRatio = (above: readonly number[], below: readonly number[]): number =>
  median(above.map((value, round) => value / (below[round] ?? Number.NaN)));

export function table(head: string[], rows: string[][]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: string[]) => `| ${cells.map((cell, n) => cell.padEnd(widths[n] ?? 0)).join(' | ')} |`;
  return [line(head), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...rows.map(line)].join('\n');
}

export const figureCells = ({ perSecond, p50Ms, p99Ms }: Figure): string[] => [count(perSecond), ms(p50Ms), ms(p99Ms)];

export const count = (value: number): string =>
  value >= 100
    ? Math.round(value)
        .toString()
        .replace(/\B(?=(\d{3})+$)/g, ',')
    : value.toFixed(1);
export const ms = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toFixed(2));
export const times = (ratio: number): string => `${ratio.toFixed(2)}×`;

export const marksTable = (marks: readonly Mark[]): string =>
  table(
    ['mark', 'measured', 'to reach', ''],
    marks.map((mark) => [
      mark.name,
      times(mark.ratio),
      `${mark.is === 'least' ? '≥' : '≤'} ${mark.bound}×`,
      isReached(mark) ? 'reached' : 'MISSED',
    ]),
  );

export interface Machine {
  cpu: string;
  cores: number;
  memoryGiB: number;
  node: string;
  postgres: string;
  commit: string;
  at: string;
  /** Load of the machine when the benchmark began: what else was running. */
  load: string;
}

export function machine(postgres: string): Machine {
  const [first] = cpus();
  return {
    cpu: first?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    postgres,
    commit: buildFacts().gitCommit,
    at: new Date().toISOString(),
    load: loadNow(),
  };
}

const loadNow = (): string => {
  try {
    return readFileSync('/proc/loadavg', 'utf8').split(' ').slice(0, 3).join(' ');
  } catch {
    return 'unknown';
  }
};

export const machineLine = ({ cpu, cores, memoryGiB, node, postgres, commit, at, load }: Machine): string =>
  `${cores} cores (${cpu}), ${memoryGiB} GiB, Node ${node}, PostgreSQL ${postgres}, commit ${commit.slice(0, 7)}, ${at.slice(0, 16)}Z, load before ${load}`;

/** Prints the marks, writes the JSON, and says whether all marks were reached. */
export function conclude(
  name: string,
  on: Machine,
  marks: readonly Mark[],
  figures: unknown,
  { json, quick }: Options,
): boolean {
  process.stdout.write(`\n${marksTable(marks)}\n\n${machineLine(on)}${quick ? ' (quick: not to be quoted)' : ''}\n`);
  if (json !== undefined) {
    const content = { benchmark: name, quick, machine: on, marks, figures };
    writeFileSync(json, `${JSON.stringify(content, null, 2)}\n`);
  }
  return marks.every(isReached);
}
