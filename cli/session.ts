/** What every command works with: the client, the ways to print, the keys. */
import type { Command } from 'commander';
import { readFileSync } from 'node:fs';
import { clientSettings, type FromCommandLine } from '../platform/config';
import { isLoopbackHost, readOwnToken } from '../platform/own-token';
import { Client } from './client';
import { EXIT, Stop } from './exit';
import type { Io } from './io';
import { fieldLines, tableLines, type Column } from './table';
import { painter, wrap, type Paint } from './text';

export interface GlobalOptions {
  endpoint?: string;
  tokenFile?: string;
  json?: boolean;
  color: boolean;
  utc?: boolean;
  timeout?: string;
  config?: string;
}

/** Lists show this many rows unless --limit or --all says otherwise. */
const ROWS_SHOWN = 50;

export interface PageOptions {
  limit?: string;
  all?: boolean;
}

export class Session {
  readonly io: Io;
  readonly paint: Paint;
  readonly json: boolean;
  private readonly options: GlobalOptions;
  private opened: Client | undefined;

  constructor(io: Io, options: GlobalOptions) {
    this.io = io;
    this.options = options;
    this.json = options.json ?? false;
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

  connect(endpoint: string, options: { keepAlive?: boolean; maxSockets?: number } = {}): Client {
    return new Client({ endpoint, token: this.tokenFor(endpoint), timeoutMs: this.timeoutMs, ...options });
  }

  /**
   * The API key: of --token-file, BURSAR_TOKEN or ASBB_TOKEN; else, for a server on this machine, the token in its home. That
   * one goes nowhere else: it opens everything.
   */
  private tokenFor(endpoint: string): string | undefined {
    const { tokenFile } = this.options;
    const { env } = this.io;
    if (tokenFile !== undefined) return readTokenFile(tokenFile);
    const said = env.BURSAR_TOKEN || env.ASBB_TOKEN;
    if (said) return said;
    const isHere = URL.canParse(endpoint) && isLoopbackHost(new URL(endpoint).hostname);
    return isHere ? readOwnToken(clientSettings(env).home) : undefined;
  }

  private get timeoutMs(): number {
    const { timeout = '30' } = this.options;
    const seconds = Number(timeout);
    if (!(seconds > 0 && seconds <= 3600)) {
      throw new Stop(EXIT.usage, `--timeout takes seconds between 0 and 3600, not "${timeout}".`);
    }
    return seconds * 1000;
  }

  /** The zone to show times in: that of the account or cluster, or UTC with --utc or where there is none. */
  zone(own: string | undefined): string {
    return this.options.utc || own === undefined ? 'UTC' : own;
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

  table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): void {
    this.lines(tableLines(rows, columns, { width: this.width, paint: this.paint }));
  }

  /** Prints what the API said with --json, else calls `show`. */
  answer<T>(body: T, show: (body: T) => void): void {
    if (this.json) this.line(JSON.stringify(body, null, 2));
    else show(body);
  }

  /** A list with its empty state, and a word about rows that were not shown. */
  async list<Row>(
    address: string,
    query: Readonly<Record<string, string | undefined>>,
    page: PageOptions,
    columns: (rows: Row[]) => readonly Column<Row>[],
    empty: string,
  ): Promise<void> {
    const { rows, more } = await this.client.list<Row>(address, query, rowsWanted(page));
    this.answer(rows, () => {
      if (rows.length === 0) this.say(empty);
      else this.table(rows, columns(rows));
    });
    if (more) this.note(`Only the first ${rows.length} are shown; --limit N shows more, --all shows everything.`);
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

function readTokenFile(file: string): string {
  let token: string;
  try {
    token = readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new Stop(EXIT.usage, `--token-file: ${error instanceof Error ? error.message : file}.`);
  }
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new Stop(EXIT.usage, `--token-file: ${file} has no API key in it, on one line and nothing else.`);
  }
  return token;
}

export function rowsWanted({ limit, all }: PageOptions): number | undefined {
  if (all) return undefined;
  if (limit === undefined) return ROWS_SHOWN;
  if (!/^[1-9]\d{0,8}$/.test(limit))
    throw new Stop(EXIT.usage, `--limit takes a whole number above 0, not "${limit}".`);
  return Number(limit);
}

export function mayColor(io: Io, options: { color: boolean }, stream: 'out' | 'err'): boolean {
  if (!options.color || (io.env.NO_COLOR ?? '') !== '' || io.env.TERM === 'dumb') return false;
  return io[stream].isTerminal || (io.env.FORCE_COLOR ?? '0') !== '0';
}

/** Wraps a command's body: gives it a session made from the global options. */
export type Act = <Args extends unknown[]>(
  body: (session: Session, ...args: Args) => Promise<void>,
) => (...args: [...Args, Command]) => Promise<void>;

export const actWith =
  (io: Io): Act =>
  <Args extends unknown[]>(body: (session: Session, ...args: Args) => Promise<void>) =>
  async (...args: [...Args, Command]) => {
    // Commander hands over the arguments, then the options, then the command itself: all but the last are Args.
    const command = args[args.length - 1] as Command;
    await body(new Session(io, command.optsWithGlobals<GlobalOptions>()), ...(args.slice(0, -1) as unknown as Args));
  };

/** One group of commands: what `bursar --help` says of it, and the module that knows the rest. */
export interface CommandGroup {
  name: string;
  summary: string;
  define(): (parent: Command, act: Act) => void;
}
