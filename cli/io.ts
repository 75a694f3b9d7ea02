/** What a command may touch of the process around it, handed in by main.ts so that tests can hand in something else. */

export interface Output {
  write(text: string): void;
  isTerminal: boolean;
  /** Columns of the terminal; undefined where there is none and nothing has to fit. */
  width(): number | undefined;
}

export interface Io {
  out: Output;
  err: Output;
  env: Readonly<Record<string, string | undefined>>;
  /** Aborted by the first Ctrl-C or SIGTERM, or when the terminal is closed. */
  interrupted: AbortSignal;
  /** Aborted by the second one, just before the process ends: what would outlive it must go now. */
  insisted: AbortSignal;
  now(): Date;
}
