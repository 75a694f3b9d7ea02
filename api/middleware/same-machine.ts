/**
 * Only those may ask who know the API by a name that is really its own, and no web page of somebody else's (rulings 29).
 *
 * Three things a hostile page could do are refused: reach us under a name of its own that resolves to 127.0.0.1 (`Host`),
 * send a request from another site (`Origin`, `Sec-Fetch-Site`), and post a form, the only body it can send unasked.
 */
import { isIP } from 'node:net';
import type { Context } from 'hono';
import { createMiddleware } from 'hono/factory';
import { Fault } from '../../domain/faults';
import { isLoopbackHost } from '../../platform/own-token';
import type { ApiEnv } from '../env';
import { type AllowedOrigins, allows } from './cross-origin';

const LOOPBACK = /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])$/i;
const JSON_TYPE = /^application\/(json|[\w.+-]+\+json)\s*(;|$)/i;

export const isLoopbackName = (name: string): boolean => LOOPBACK.test(name);

const hostOf = (c: Context): string => c.req.header('host') ?? new URL(c.req.url).host;

/** The name by which the API was called, without its port. */
export const nameCalled = (c: Context): string => hostOf(c).replace(/:\d+$/, '');

/** Is it of a page of another origin than our own? */
export function originElsewhere(c: Context): string | undefined {
  const origin = c.req.header('origin');
  const host = hostOf(c);
  return origin === `http://${host}` || origin === `https://${host}` ? undefined : origin;
}

/**
 * `hostNames` are what it is called from elsewhere. Beyond loopback a bare address will do as well: only a name can be made
 * to point here by somebody else. `origins` may ask all the same (cross-origin.ts).
 */
export function sameMachine(ownHost: string, hostNames: readonly string[] = [], origins: AllowedOrigins = []) {
  const own = new Set([ownHost, ...hostNames].map((name) => name.toLowerCase()));
  const isBeyond = !isLoopbackHost(ownHost);
  const isOwn = (name: string): boolean =>
    LOOPBACK.test(name) || own.has(name.toLowerCase()) || (isBeyond && isIP(name.replace(/^\[|\]$/g, '')) !== 0);
  return createMiddleware<ApiEnv>(async (c, next) => {
    const name = nameCalled(c);
    if (!isOwn(name)) {
      throw foreign(
        isBeyond || hostNames.length > 0
          ? `This Bursar is not called "${printable(name)}"; its names are set by BURSAR_HOST_NAMES.`
          : `This Bursar answers to this machine only, not to the name "${printable(name)}"; use 127.0.0.1.`,
      );
    }
    const origin = originElsewhere(c);
    const isAllowed = origin !== undefined && allows(origins, origin);
    if (origin !== undefined && !isAllowed) {
      throw foreign(
        `Requests from pages of ${printable(origin)} are refused; service.cors_origins names those that may.`,
      );
    }
    if (c.req.header('sec-fetch-site') === 'cross-site' && c.req.method !== 'GET' && !isAllowed) {
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
