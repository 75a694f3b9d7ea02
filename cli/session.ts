/** What every command works with: the client, the ways to print, the keys. */
import type { Command } from 'commander';
import { clientSettings, type FromCommandLine } from '../platform/config';
import { Client } from './client';
import { describeExchange, wayTo, type ConnectionOptions } from './connection';
import { csvOf } from './csv';
import { dollars, moneyIn } from './format';
import type { Io } from './io';
import { rowsSkipped, rowsWanted, type PageOptions } from './paging';
import { fieldLines, tableLines, type Column } from './table';
import { harmless, painter, wrap, type Paint } from './text';

export interface GlobalOptions extends ConnectionOptions {
  endpoint?: string;
  json?: boolean;
  csv?: boolean;
  verbose?: boolean;
  color: boolean;
  utc?: boolean;
  config?: string;
}

/** The name that it was called by. Scripts of ASBB's call `asbb`, and read what ASBB prints. */
export type ProgramName = 'bursar' | 'asbb';

export class Session {
  readonly io: Io;
  readonly paint: Paint;
  readonly json: boolean;
  readonly isAsbb: boolean;
  private readonly csv: boolean;
  private readonly options: GlobalOptions;
  private opened: Client | undefined;

  constructor(io: Io, options: GlobalOptions, name: ProgramName = 'bursar') {
    this.io = io;
    this.options = options;
    this.json = options.json ?? false;
    this.csv = options.csv ?? false;
    this.isAsbb = name === 'asbb';
    this.paint = painter(mayColor(io, options, 'out'));
  }

  /** What the command line says of the configuration of a server. */
  commandLine(file: string | undefined = this.options.config): FromCommandLine {
    return file === undefined ? {} : { file };
  }

  get endpoint(): string {
    const { env } = this.io;
    return this.options.endpoint ?? env.BURSAR_URL ?? env.ASBB_URL ?? clientSettings(env).url;
  }

  /** True where the person named a server, so that `demo` does not start one of its own. */
  get endpointWasNamed(): boolean {
    return (this.options.endpoint ?? this.io.env.BURSAR_URL ?? this.io.env.ASBB_URL) !== undefined;
  }

  get client(): Client {
    return (this.opened ??= this.connect(this.endpoint));
  }

  connect(endpoint: string, options: { keepAlive?: boolean; maxSockets?: number; token?: string } = {}): Client {
    const { verbose } = this.options;
    const way = wayTo(endpoint, this.options, this.io.env);
    if (verbose) this.note(`Server ${endpoint}, ${way.token === undefined ? 'no API key' : 'with an API key'}`);
    return new Client({
      endpoint,
      ...way,
      ...(verbose && { onExchange: (exchange) => this.note(describeExchange(exchange)) }),
      ...options,
    });
  }

  /** The zone to show times in: that of the account or cluster, or UTC with --utc or where there is none. */
  zone(own: string | undefined): string {
    return this.options.utc || own === undefined ? 'UTC' : own;
  }

  /** Of a table: the one that all of its rows have, or UTC. */
  zoneOf(rows: readonly { time_zone: string }[]): string {
    const zones = new Set(rows.map((row) => row.time_zone));
    return this.zone(zones.size === 1 ? rows[0]?.time_zone : undefined);
  }

  /** An amount within a line, as `asbb` has it or as `bursar` does. */
  amount(amount: number, unit: string): string {
    return this.isAsbb ? dollars(amount, unit) : (moneyIn(amount, unit) ?? '');
  }

  get width(): number | undefined {
    return this.io.out.width();
  }

  line(text = ''): void {
    this.io.out.write(`${text}\n`);
  }

  lines(texts: readonly string[]): void {
    for (const text of texts) this.line(text);
  }

  /** Sentences, broken where the terminal ends. */
  say(text: string): void {
    this.line(this.width === undefined ? text : wrap(text, this.width));
  }

  heading(text: string): void {
    this.line();
    this.line(this.paint('bold', text));
  }

  fields(fields: readonly (readonly [string, string | undefined])[]): void {
    this.lines(fieldLines(fields, this.paint));
  }

  /** Lines as ASBB writes them: the value one space behind its label, nothing below each other. */
  labelled(lines: readonly (string | readonly [label: string, value: string])[]): void {
    for (const line of lines) this.line(typeof line === 'string' ? line : `${line[0]}: ${harmless(line[1])}`);
  }

  table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): void {
    this.lines(tableLines(rows, columns, { width: this.width, paint: this.paint }));
  }

  /**
   * Prints what the API said with --json, its `fields` with --csv, else calls `show`. `records`: the rows of the CSV, where
   * they are neither the body nor what it lists.
   */
  answer<T>(
    body: T,
    show: (body: T) => void,
    fields?: readonly string[],
    records: readonly unknown[] = Array.isArray(body) ? body : [body],
  ): void {
    if (this.json) this.line(JSON.stringify(body, null, 2));
    else if (this.csv) this.io.out.write(csvOf(fields ?? namesIn(records), records));
    else show(body);
  }

  /** A list with its empty state, and a word about rows that were not shown. */
  async list<Row>(
    address: string,
    query: Readonly<Record<string, string | undefined>>,
    page: PageOptions,
    columns: (rows: Row[]) => readonly Column<Row>[],
    empty: string,
    fields?: readonly string[],
  ): Promise<void> {
    const skipped = rowsSkipped(page);
    const paged = { ...query, offset: skipped === 0 ? undefined : String(skipped) };
    const { rows, more } = await this.client.list<Row>(address, paged, this.rowsWanted(page));
    this.showList(rows, skipped, more, () => this.table(rows, columns(rows)), empty, fields);
  }

  /** The same of a list that the API answers whole. */
  page<Row>(
    all: readonly Row[],
    page: PageOptions,
    show: (rows: Row[]) => void,
    empty: string,
    fields?: readonly string[],
  ) {
    const skipped = rowsSkipped(page);
    const wanted = this.rowsWanted(page) ?? all.length;
    const rows = all.slice(skipped, skipped + wanted);
    this.showList(rows, skipped, all.length > skipped + wanted, () => show(rows), empty, fields);
  }

  private showList<Row>(
    rows: readonly Row[],
    skipped: number,
    more: boolean,
    show: () => void,
    empty: string,
    fields?: readonly string[],
  ): void {
    this.answer(
      rows,
      () => {
        if (rows.length > 0) show();
        else this.say(skipped === 0 ? empty : `No more than ${skipped}.`);
      },
      fields,
    );
    if (more) this.noteMore(skipped, rows.length);
  }

  noteMore(skipped: number, shown: number): void {
    const which = skipped === 0 ? `the first ${shown}` : `${skipped + 1} to ${skipped + shown}`;
    this.note(`Only ${which} are shown; --limit N shows more, --offset N those behind them, --all shows everything.`);
  }

  /** ASBB's lists have no end, and its scripts count on it. */
  rowsWanted(page: PageOptions): number | undefined {
    return this.isAsbb && page.limit === undefined ? undefined : rowsWanted(page);
  }

  /** A remark beside the result, on stderr so that it never gets into a pipe. */
  note(text: string): void {
    const { err } = this.io;
    const width = err.width();
    err.write(
      `${painter(mayColor(this.io, this.options, 'err'))('dim', width === undefined ? text : wrap(text, width))}\n`,
    );
  }
}

/** The fields of records that have no list of their own. */
const namesIn = (records: readonly unknown[]): string[] => [
  ...new Set(records.flatMap((record) => (typeof record === 'object' && record !== null ? Object.keys(record) : []))),
];

export function mayColor(io: Io, options: { color: boolean }, stream: 'out' | 'err'): boolean {
  if (!options.color || (io.env.NO_COLOR ?? '') !== '' || io.env.TERM === 'dumb') return false;
  return io[stream].isTerminal || (io.env.FORCE_COLOR ?? '0') !== '0';
}

/** Wraps a command's body: gives it a session made from the global options. */
export type Act = <Args extends unknown[]>(
  body: (session: Session, ...args: Args) => Promise<void>,
) => (...args: [...Args, Command]) => Promise<void>;

export const actWith =
  (io: Io, name: ProgramName): Act =>
  <Args extends unknown[]>(body: (session: Session, ...args: Args) => Promise<void>) =>
  async (...args: [...Args, Command]) => {
    // Commander hands over the arguments, then the options, then the command itself: all but the last are Args.
    const command = args[args.length - 1] as Command;
    const session = new Session(io, command.optsWithGlobals<GlobalOptions>(), name);
    await body(session, ...(args.slice(0, -1) as unknown as Args));
  };

/** One group of commands: what `bursar --help` says of it, and the module that knows the rest. */
export interface CommandGroup {
  name: string;
  summary: string;
  define(): (parent: Command, act: Act) => void;
}
