/** What a browser must not do with an answer: guess its type, run or frame it, tell others where it came from. */
import { createMiddleware } from 'hono/factory';
import { secureHeaders } from 'hono/secure-headers';
import type { ApiEnv } from '../env';
import { isLoopbackName, nameCalled } from './same-machine';

const HALF_A_YEAR = 'max-age=15552000';

export function securityHeaders({ isTls = false }: { isTls?: boolean | undefined }) {
  const headers = (strictTransportSecurity: string | false) =>
    secureHeaders({
      strictTransportSecurity,
      // Pages that show something bring their own policy (routes/docs.ts), which stays.
      contentSecurityPolicy: { defaultSrc: ["'none'"], baseUri: ["'none'"], frameAncestors: ["'none'"] },
      overwrite: false,
      xFrameOptions: 'DENY',
      // Those were for browsers that nobody has any more, and every answer pays for every header.
      originAgentCluster: false,
      xDnsPrefetchControl: false,
      xDownloadOptions: false,
      xPermittedCrossDomainPolicies: false,
      xXssProtection: false,
      removePoweredBy: false,
    });
  const here = headers(false);
  if (!isTls) return here;
  const elsewhere = headers(HALF_A_YEAR);
  // A browser would remember it of "localhost", where next week another program speaks plain HTTP.
  return createMiddleware<ApiEnv>((c, next) => (isLoopbackName(nameCalled(c)) ? here : elsewhere)(c, next));
}
