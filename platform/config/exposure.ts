/** What the keys say about who may reach the API: TLS, pages of other origins, proxies, rate limits, tokens. */
import { createSecretKey, type KeyObject } from 'node:crypto';
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { given } from '../../domain/given';
import type { Values } from './keys';
import type { Findings } from './read-file';

export interface Exposure {
  tlsEnabled: boolean;
  tlsCertFile?: string;
  tlsKeyFile?: string;
  corsEnabled: boolean;
  /** `*`, or origins; undefined: none. */
  corsOrigins?: readonly string[];
  /** Addresses and networks of proxies whose X-Forwarded-For is believed. */
  trustedProxies: readonly string[];
  rateLimits: RateLimits;
  /** Does every request need a key or a token, whatever keys there are? */
  authEnabled: boolean;
  /** A key object, because that is never printed. */
  jwtSecret?: KeyObject;
  jwtPublicKeyFile?: string;
  jwtAudience?: string;
  jwtLifeSecondsMax: number;
}

/** Requests a minute; 0: no limit. */
export interface RateLimits {
  perIp: number;
  perKey: number;
  /** So many more in half a minute. */
  burst: number;
  /** Are checks, estimates, reported costs and events counted too? */
  submitPath: boolean;
}

export const exposureOf = (values: Values): Exposure =>
  Object.freeze({
    tlsEnabled: values['service.tls_enabled'],
    corsEnabled: values['service.cors_enabled'],
    trustedProxies: values['service.trusted_proxies'] ?? [],
    rateLimits: {
      perIp: values['rate_limit.per_ip'],
      perKey: values['rate_limit.per_key'],
      burst: values['rate_limit.burst'],
      submitPath: values['rate_limit.submit_path'],
    },
    authEnabled: values['auth.enabled'],
    jwtLifeSecondsMax: values['auth.jwt_expiry'],
    ...given({
      tlsCertFile: absolute(values['service.tls_cert_file']),
      tlsKeyFile: absolute(values['service.tls_key_file']),
      corsOrigins: values['service.cors_origins'],
      jwtSecret: secretKey(values['auth.jwt_secret']),
      jwtPublicKeyFile: absolute(values['auth.jwt_public_key_file']),
      jwtAudience: values['auth.jwt_audience'],
    }),
  });

const absolute = (path: string | undefined): string | undefined => path && resolve(path);

const secretKey = (secret: string | undefined): KeyObject | undefined =>
  secret === undefined ? undefined : createSecretKey(secret, 'utf8');

/** What is right in itself and wrong beside the others. Values that could not be read are missing here. */
export function checkExposure(values: Partial<Values>, { mistakes, warnings }: Findings): void {
  const files = ['service.tls_cert_file', 'service.tls_key_file'] as const;
  const missing = files.filter((key) => values[key] === undefined);
  if (values['service.tls_enabled'] && missing.length > 0) {
    mistakes.push(`service.tls_enabled needs ${missing.join(' and ')}`);
  }
  if (!values['service.tls_enabled'] && missing.length < files.length) {
    warnings.push('the certificate changes nothing: service.tls_enabled is false');
  }
  const origins = values['service.cors_origins'];
  if (values['service.cors_enabled'] && origins === undefined) {
    mistakes.push('service.cors_enabled needs service.cors_origins, which names the pages that may ask');
  }
  if (origins !== undefined && origins.length > 1 && origins.includes('*')) {
    mistakes.push('service.cors_origins is either * or a list of origins, not both');
  }
  const tokens = ['auth.jwt_secret', 'auth.jwt_public_key_file', 'auth.jwt_audience'] as const;
  for (const key of tokens) {
    if (!values['auth.enabled'] && values[key] !== undefined) {
      warnings.push(`${key} changes nothing: auth.enabled is false`);
    }
  }
}

/** Scheme, host and port, as a browser writes them. */
export const isOrigin = (text: string): boolean =>
  URL.canParse(text) && /^https?:$/.test(new URL(text).protocol) && new URL(text).origin === text;

/** An address, or a network of them: 10.0.0.0/8, fd00::/8. */
export function isNetwork(text: string): boolean {
  const [address = '', bits, ...more] = text.split('/');
  const family = isIP(address);
  if (family === 0 || more.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
}
