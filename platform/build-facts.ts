/** What this Bursar is: its version, the schema it works with, and the commit and time it was built from, as `npm run build` wrote them down. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MIGRATIONS_FOLDER, PACKAGE_ROOT } from './paths';

export interface BuildFacts {
  version: string;
  /** 'unknown' where Bursar was not built from a git checkout. */
  gitCommit: string;
  /** The newest migration: what a database must have for this version. */
  schemaVersion: number;
  /** RFC 3339; 'unknown' where it runs from its sources. */
  buildTime: string;
}

const BUILD_FACTS_FILE = join(PACKAGE_ROOT, 'dist', 'build.json');

let facts: BuildFacts | undefined;

export function buildFacts(): BuildFacts {
  return (facts ??= { ...versionOfPackage(), ...builtFrom(), schemaVersion: newestMigration() });
}

function versionOfPackage(): { version: string } {
  const { version } = JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8')) as { version: string };
  return { version };
}

/** By the names alone: a command that prints its version need not read a schema. */
const newestMigration = (): number =>
  Math.max(0, ...readdirSync(MIGRATIONS_FOLDER).map((name) => Number(/^(\d{4})_.*\.sql$/.exec(name)?.[1] ?? 0)));

function builtFrom(): Pick<BuildFacts, 'gitCommit' | 'buildTime'> {
  try {
    const { gitCommit, buildTime } = JSON.parse(readFileSync(BUILD_FACTS_FILE, 'utf8')) as BuildFacts;
    return { gitCommit, buildTime };
  } catch {
    return { gitCommit: 'unknown', buildTime: 'unknown' }; // Not built yet: tests run from the sources.
  }
}
