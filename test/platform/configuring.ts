/** Reading a configuration in tests: from variables, and from files in a folder of the suite's own. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError, readConfig, readSettings } from '../../platform/config';
import { removeScratch, scratchHome } from '../helpers/scratch';

export const read = (env: Record<string, string>) => readConfig([], env);

export const mistakesOf = (
  env: Record<string, string>,
  needs: ('databaseUrl' | 'temporalAddress')[] = [],
): string[] => {
  try {
    readConfig(needs, env);
  } catch (error) {
    if (error instanceof ConfigError) return [...error.mistakes];
    throw error;
  }
  return [];
};

/** Call it where a suite begins. */
export function openConfigFolder() {
  let folder: string;
  beforeAll(async () => {
    folder = await scratchHome();
  });
  afterAll(() => removeScratch(folder));
  const inFolder = (name: string): string => join(folder, name);

  /** Writes a file and answers with its path. */
  const fileWith = (text: string, name = 'some.yaml'): string => {
    writeFileSync(inFolder(name), text);
    return inFolder(name);
  };

  const found = (text: string, env: Record<string, string> = {}) => {
    const file = fileWith(text);
    try {
      return { file, mistakes: [], warnings: readSettings(env, { file }).warnings };
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      return { file, mistakes: error.mistakes, warnings: error.warnings };
    }
  };
  return { inFolder, fileWith, found };
}
