/** One line and one count a request, when it has been answered. */
import { createMiddleware } from 'hono/factory';
import { routePath } from 'hono/route';
import type { Log } from '../../platform/log';
import type { Metrics } from '../../platform/metrics';
import type { ClientAddress } from '../client-address';
import type { ApiEnv } from '../env';

/** Asked every few seconds by machines, and of no interest unless it fails. */
const QUIET = ['/health', '/livez', '/readyz'];

export function accessLog(
  parent: Log,
  metrics: Pick<Metrics, 'requests' | 'requestSeconds'>,
  addressOf: ClientAddress,
  metricsPath: string | false = '/metrics',
) {
  const quiet = new Set([...QUIET, metricsPath]);
  // None of its fields can hold a secret but the path, and looking for some in every line is a twentieth of a budget check.
  const log = parent.child({}, { redact: [] });
  return createMiddleware<ApiEnv>(async (c, next) => {
    const startedAt = performance.now();
    await next();
    const seconds = (performance.now() - startedAt) / 1000;
    const { method, path } = c.req;
    const { status } = c.res;
    // The pattern, never the path: labels come from closed sets.
    const matched = routePath(c, -1);
    const route = matched === '' || matched.endsWith('*') ? 'none' : matched;
    metrics.requests.inc({ method: METHODS.has(method) ? method : 'other', route, status });
    metrics.requestSeconds.observe({ method: METHODS.has(method) ? method : 'other', route }, seconds);
    const level = quiet.has(path) && status < 500 ? 'debug' : 'info';
    if (log.level !== parent.level) log.level = parent.level; // It was reloaded.
    if (!log.isLevelEnabled(level)) return;
    const ms = Math.floor(seconds * 1_000_000) / 1000;
    // Absent of who was not asked, or turned away.
    const principal = c.get('access')?.principal;
    log[level](
      { requestId: c.get('requestId'), principal, address: addressOf(c), method, path: withoutKeys(path), status, ms },
      'request answered',
    );
  });
}

/** Somebody will put his key into an address. */
const withoutKeys = (path: string): string =>
  path.includes('bursar_') ? path.replace(/(bursar_[a-z0-9]+)_[A-Za-z0-9]+/g, '$1_***') : path;

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']);
