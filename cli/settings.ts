/** The settings of a server, for commands that start one or look into its database. */
import { ConfigError, readConfig, type Config } from '../platform/config';
import { EXIT, Stop } from './exit';
import type { Session } from './session';

/** The configuration, or a sentence about every mistake in it. */
export function settings(session: Session, more: Record<string, string> = {}): Config {
  try {
    return readConfig([], { ...session.io.env, ...more });
  } catch (error) {
    if (error instanceof ConfigError) throw new Stop(EXIT.usage, error.message);
    throw error;
  }
}
