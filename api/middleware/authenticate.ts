/** Gives every request a way to find out who sent it. Operations ask (operation.ts), each for the scopes that it takes. */
import { createMiddleware } from 'hono/factory';
import { wasForwarded } from '../client-address';
import type { ApiEnv } from '../env';
import type { Keyring } from '../keyring';
import { isLoopbackName, nameCalled, originElsewhere } from './same-machine';

export const authenticate = (keyring: Keyring) =>
  createMiddleware<ApiEnv>(async (c, next) => {
    c.set('identify', () =>
      keyring.identify({
        authorization: c.req.header('authorization'),
        apiKey: c.req.header('x-api-key'),
        isByLoopback: isLoopbackName(nameCalled(c)) && !wasForwarded(c) && originElsewhere(c) === undefined,
      }),
    );
    await next();
  });
