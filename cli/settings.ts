/** The settings of a server, for commands that start one or look into its database. */
import { ConfigError, readConfig, type Config, type FromCommandLine } from '../platform/config';
import { EXIT, Stop } from './exit';
import type { Session } from './session';

/** The configuration, or a sentence about every mistake in it. `flags`: what options of the command say. */
export const settings = (session: Session, flags?: FromCommandLine['flags']): Config =>
  orMistakes(() => readConfig([], session.io.env, { ...session.commandLine(), ...(flags && { flags }) }));

export function orMistakes<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof ConfigError) throw new Stop(EXIT.usage, error.message);
    throw error;
  }
}
