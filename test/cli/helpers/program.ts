/** The whole tree of commands, to be looked at and not to be run. */
import type { Command } from 'commander';
import { buildProgram } from '../../../cli/program';

const SILENT = { write: () => undefined, isTerminal: false, width: () => undefined };
const IO = {
  out: SILENT,
  err: SILENT,
  env: {},
  interrupted: new AbortController().signal,
  insisted: new AbortController().signal,
  now: () => new Date(),
};

export const wholeProgram = (): Command => buildProgram('bursar', IO, () => true);
