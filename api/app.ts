/**
 * The HTTP API: parses, asks the ledger, renders. It owns the wire and nothing else: no rule of money, no SQL.
 *
 * `createApp` builds it over what it is given, so that tests ask it with `app.request()` and no server.
 */
import { Hono } from 'hono';
import { Fault } from '../domain/faults';
import { given } from '../domain/given';
import { clientAddress } from './client-address';
import type { ApiDeps, ApiEnv } from './env';
import { openKeyring } from './keyring';
import { accessLog } from './middleware/access-log';
import { authenticate } from './middleware/authenticate';
import { crossOrigin } from './middleware/cross-origin';
import { deadline } from './middleware/deadline';
import { rateLimit } from './middleware/rate-limit';
import { requestId } from './middleware/request-id';
import { sameMachine } from './middleware/same-machine';
import { securityHeaders } from './middleware/security-headers';
import { type ListedOperation, openApiDocument, operationsOf } from './openapi';
import { problemWriter } from './problem';
import { accountRoutes } from './routes/accounts';
import { asbxRoutes } from './routes/asbx';
import { auditRoutes } from './routes/audit';
import { budgetRoutes } from './routes/budget';
import { catalogRoutes } from './routes/catalog';
import { docsRoutes } from './routes/docs';
import { holdRoutes } from './routes/holds';
import { jobRoutes } from './routes/jobs';
import { keyRoutes } from './routes/keys';
import { limitRoutes } from './routes/limits';
import { movementRoutes } from './routes/movements';
import { slurmRoutes } from './routes/slurm';
import { slurmQueueRoutes } from './routes/slurm-queue';
import { refundRoutes } from './routes/refunds';
import { probeRoutes, recoveryRoutes } from './routes/system';
import { usageRoutes } from './routes/usage';
import { wallRoutes } from './routes/wall';
import { unmatchedRoutes } from './routes/unmatched';
import { DEADLINE_MS } from './time-limit';

export function createApp(deps: ApiDeps): Hono<ApiEnv> {
  const app = new Hono<ApiEnv>();
  const keyring = openKeyring({
    keys: deps.ledger.keys,
    log: deps.log,
    ...given({ ownToken: deps.ownToken, ...deps.auth }),
  });
  const addressOf = clientAddress(deps.trustedProxies);
  const { origins = [], rateLimits } = deps;
  app.use(requestId());
  app.use(accessLog(deps.log, deps.metrics, addressOf, deps.metricsPath));
  app.use(securityHeaders(deps));
  app.use(sameMachine(deps.host ?? '127.0.0.1', deps.hostNames, origins));
  if (origins.length > 0) app.use(crossOrigin(origins));
  app.use(authenticate(keyring));
  if (rateLimits) app.use(rateLimit(rateLimits, addressOf));
  app.use('/api/*', deadline(deps.deadlineMs ?? DEADLINE_MS));

  app.route('/', probeRoutes(deps));
  for (const routes of [
    budgetRoutes,
    accountRoutes,
    limitRoutes,
    movementRoutes,
    refundRoutes,
    holdRoutes,
    catalogRoutes,
    jobRoutes,
    slurmRoutes,
    slurmQueueRoutes,
    usageRoutes,
    wallRoutes,
    asbxRoutes,
    unmatchedRoutes,
    auditRoutes,
    recoveryRoutes,
  ]) {
    app.route('/api/v1', routes(deps));
  }
  app.route('/api/v1', keyRoutes(deps, keyring));
  const operations = operationsOf(app);
  let document: string | undefined;
  app.route(
    '/',
    docsRoutes(() => (document ??= `${JSON.stringify(openApiDocument(operations))}\n`)),
  );

  app.notFound((c) => {
    throw nothingThere(operations, c.req.method, c.req.path);
  });
  app.onError(problemWriter(deps.log, deps.metrics));
  return app;
}

/** Either the address is unknown, or it takes other methods; then they are named. */
function nothingThere(operations: readonly ListedOperation[], method: string, path: string): Fault {
  const shown = path.slice(0, 200);
  const allowed = operations.filter((operation) => matches(operation.path, path)).map((operation) => operation.method);
  if (allowed.length === 0) {
    return new Fault('route_not_found', `There is nothing at ${shown}; /docs lists all addresses.`);
  }
  const allow = [...new Set(allowed)].join(', ');
  return new Fault('method_not_allowed', `${shown} does not take ${method}, but ${allow}.`, { facts: { allow } });
}

const matches = (pattern: string, path: string): boolean =>
  new RegExp(`^${pattern.replaceAll('.', '\\.').replace(/:\w+/g, '[^/]+')}$`).test(path);
