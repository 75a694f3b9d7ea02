/** What this Bursar is: its version, and the commit and time it was built from, as `npm run build` wrote them down. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_ROOT } from './paths';

export interface BuildFacts {
  version: string;
  /** 'unknown' where Bursar was not built from a git checkout. */
  gitCommit: string;
  /** RFC 3339; 'unknown' where it runs from its sources. */
  buildTime: string;
}

export const BUILD_FACTS_FILE = join(PACKAGE_ROOT, 'dist', 'build.json');

let facts: BuildFacts | undefined;

export function buildFacts(): BuildFacts {
  return (facts ??= { ...versionOfPackage(), ...builtFrom() });
}

function versionOfPackage(): { version: string } {
  const { version } = JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8')) as { version: string };
  return { version };
}

function builtFrom(): Omit<BuildFacts, 'version'> {
  try {
    const { gitCommit, buildTime } = JSON.parse(readFileSync(BUILD_FACTS_FILE, 'utf8')) as BuildFacts;
    return { gitCommit, buildTime };
  } catch {
    return { gitCommit: 'unknown', buildTime: 'unknown' }; // Not built yet: tests run from the sources.
  }
}
