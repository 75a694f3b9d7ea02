/**
 * Until API keys exist, only this machine may ask, and no web page may (rulings 29).
 *
 * Three things a hostile page could do are refused: reach us under a name of its own that resolves to 127.0.0.1 (`Host`),
 * send a request from another site (`Origin`, `Sec-Fetch-Site`), and post a form, the only body it can send unasked.
 */
import { createMiddleware } from 'hono/factory';
import { Fault } from '../../domain/faults';
import type { ApiEnv } from '../env';

const LOOPBACK = /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])$/i;
const JSON_TYPE = /^application\/(json|[\w.+-]+\+json)\s*(;|$)/i;

export function sameMachine(ownHost: string) {
  return createMiddleware<ApiEnv>(async (c, next) => {
    const host = c.req.header('host') ?? new URL(c.req.url).host;
    const name = host.replace(/:\d+$/, '');
    if (!LOOPBACK.test(name) && name !== ownHost) {
      throw foreign(`This Bursar answers to this machine only, not to the name "${printable(name)}"; use 127.0.0.1.`);
    }
    const origin = c.req.header('origin');
    if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`) {
      throw foreign(`Requests from pages of ${printable(origin)} are refused.`);
    }
    if (c.req.header('sec-fetch-site') === 'cross-site' && c.req.method !== 'GET') {
      throw foreign('Requests from pages of other sites are refused.');
    }
    const type = c.req.header('content-type');
    if (type !== undefined && c.req.method !== 'GET' && c.req.method !== 'HEAD' && !JSON_TYPE.test(type)) {
      throw new Fault('unsupported_media_type', 'Send JSON as Content-Type: application/json, or name no type at all.');
    }
    await next();
  });
}

const foreign = (detail: string) => new Fault('foreign_origin', detail);

const printable = (text: string) => text.replace(/[^\x20-\x7e]/g, '?').slice(0, 80);
