/** How a command ends. Scripts build on these numbers, so they never change; `bursar --help` lists them. */
export const EXIT = {
  ok: 0,
  failure: 1,
  usage: 2,
  denied: 3,
  notFound: 4,
  unreachable: 5,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export const EXIT_CODES_HELP = `Exit codes:
  0  it worked; for check: the job may start
  1  it failed, or something is wrong (an audit that finds a difference, a conflict with what is there)
  2  it was asked wrongly: unknown option, missing argument, a value that the server refuses
  3  denied: the budget, a limit or the account's status says no; also a refund beyond its charge, and a budget below
     what is used and held
  4  there is no such account, job, hold, transaction, cluster, rate
  5  the server cannot be reached, or its database cannot, or what answers there is not Bursar
`;

/** Ends a command with a sentence for the person and a number for the script. Never shown with a stack trace. */
export class Stop extends Error {
  readonly exitCode: ExitCode;
  /** What to do next, a line each. */
  readonly hints: readonly string[];
  /** The server's own words, for --json. */
  readonly problem: unknown;

  constructor(exitCode: ExitCode, message: string, options: { hints?: readonly string[]; problem?: unknown } = {}) {
    super(message);
    this.name = 'Stop';
    this.exitCode = exitCode;
    this.hints = options.hints ?? [];
    this.problem = options.problem;
  }
}
