/** Is it there, what is it, and has every story somebody who tells it? */
import { Hono } from 'hono';
import { z } from 'zod';
import { Fault } from '../../domain/faults';
import { buildFacts } from '../../platform/build-facts';
import type { ApiDeps, ApiEnv } from '../env';
import { operation } from '../operation';
import { within } from '../time-limit';
import { HealthAnswer, ProbeAnswer, RecoverAnswer, RecoverRequest, VersionAnswer } from '../schemas/system';

const LOOKED_AT = 1_000;
const PROBE_MS = 1_500;

/** Without a prefix, where probes and ASBB's clients look for them. */
export function probeRoutes({
  ledger,
  temporal,
  neighbours,
  metrics,
  metricsPath = '/metrics',
  isEnding = () => false,
}: ApiDeps) {
  const startedAt = Date.now();
  /** Probes ask often and wait briefly; that nothing answers is an answer. */
  const databaseHealth = () =>
    within(PROBE_MS, ledger.health()).catch(() => ({ ok: false, detail: `no answer within ${PROBE_MS} ms` }));
  const routes = new Hono<ApiEnv>()
    .get(
      '/health',
      operation({
        id: 'readHealth',
        tag: 'System',
        may: 'anyone',
        summary: 'Is everything there? 503 only where the ledger is not: without Temporal all but the stories goes on.',
        dialect: 'asbb',
        answer: HealthAnswer,
        may503: true,
      }),
      async (c) => {
        const [database, stories] = await Promise.all([databaseHealth(), temporal.isReachable?.()]);
        const health: z.infer<typeof HealthAnswer> = {
          status: database.ok ? 'healthy' : 'unhealthy',
          version: buildFacts().version,
          timestamp: new Date().toISOString(),
          services: {
            database: database.ok ? 'healthy' : `unhealthy: ${database.detail ?? 'no schema'}`,
            temporal: stories === undefined ? 'not_configured' : stories ? 'healthy' : 'unhealthy: not reachable',
            ...(neighbours?.states() ?? { advisor: 'not_configured', asbx: 'not_configured', asba: 'not_configured' }),
          },
          uptime: renderUptime(Date.now() - startedAt),
          operational_mode: neighbours?.mode() ?? 'standalone',
        };
        return c.json(health, database.ok ? 200 : 503);
      },
    )
    .get(
      '/livez',
      operation({
        id: 'isAlive',
        tag: 'System',
        may: 'anyone',
        summary: 'Does the process answer?',
        dialect: 'asbb',
        answer: ProbeAnswer,
      }),
      (c) => c.json({ status: 'ok' } satisfies z.infer<typeof ProbeAnswer>),
    )
    .get(
      '/readyz',
      operation({
        id: 'isReady',
        tag: 'System',
        may: 'anyone',
        summary: 'May requests be sent here? The ledger decides; Temporal does not.',
        dialect: 'asbb',
        answer: ProbeAnswer,
        may503: true,
      }),
      async (c) => {
        const unavailable = (detail: string) =>
          c.json({ status: 'unavailable', detail } satisfies z.infer<typeof ProbeAnswer>, 503);
        if (isEnding()) return unavailable('stopping');
        const database = await databaseHealth();
        if (!database.ok) return unavailable(`database: ${database.detail ?? 'no schema'}`);
        return c.json({ status: 'ok' } satisfies z.infer<typeof ProbeAnswer>);
      },
    )
    .get(
      '/version',
      operation({
        id: 'readVersion',
        tag: 'System',
        may: 'anyone',
        summary: 'What runs here.',
        dialect: 'asbb',
        answer: VersionAnswer,
      }),
      (c) => {
        const { version, gitCommit, buildTime, schemaVersion } = buildFacts();
        return c.json({
          version,
          git_commit: gitCommit,
          build_time: buildTime,
          schema_version: schemaVersion,
          go_version: `node ${process.version}`,
          os: process.platform,
          arch: process.arch,
        } satisfies z.infer<typeof VersionAnswer>);
      },
    );
  if (metricsPath !== false) {
    routes.get(
      metricsPath,
      operation({
        id: 'readMetrics',
        tag: 'System',
        summary: 'Figures for Prometheus.',
        dialect: 'asbb',
        answer: z.string(),
        media: 'text/plain',
      }),
      async (c) => c.body(await metrics.scrape(), 200, { 'Content-Type': metrics.contentType }),
    );
  }
  return routes;
}

export const recoveryRoutes = ({ temporal }: ApiDeps) =>
  new Hono<ApiEnv>().post(
    '/recover',
    operation({
      id: 'recover',
      tag: 'Audit',
      summary: 'Starts stories again that were terminated or lost. Safe at any time; it also happens by itself.',
      description:
        'Asks Temporal about the story of every open hold, whether or not it is due (the sweep asks only about those that are ten minutes late), and then about stories whose holds are over or unknown, as after a restore of either database.',
      body: RecoverRequest,
      bodyOptional: true,
      keyed: false,
      answer: RecoverAnswer,
      faults: ['hold_not_found', 'temporal_unavailable'],
    }),
    async (c) => {
      if (temporal.recover === undefined) {
        throw new Fault('temporal_unavailable', 'No Temporal is configured here, so there are no stories to restart.');
      }
      const { limit = LOOKED_AT, after } = c.var.input.body;
      const { restarted, rung, lookedAt, next } = await temporal.recover(limit, after);
      return c.json({
        restarted: restarted.length,
        transaction_ids: restarted,
        rung,
        looked_at: lookedAt,
        ...(next !== undefined && { next }),
      } satisfies z.infer<typeof RecoverAnswer>);
    },
  );

function renderUptime(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  return `${Math.floor(seconds / 3600)}h ${Math.floor((seconds % 3600) / 60)}m ${seconds % 60}s`;
}
