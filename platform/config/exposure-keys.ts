/** Keys about who may reach the API, and who may ask. */
import { z } from 'zod';
import { isNetwork, isOrigin } from './exposure';
import type { Key } from './key';
import { count, duration, filePath, listOf, TRUTH, truth, wholeSeconds } from './values';

/** As long as what HS256 makes of it (RFC 7518, 3.2). */
const SECRET_BYTES_MIN = 32;

/** By what certificate, from which pages, through which proxies. */
export const EDGE_KEYS = {
  'service.tls_enabled': {
    schema: truth,
    expects: TRUTH,
    meaning: 'The API speaks HTTPS (TLS 1.2 or newer), and nothing else.',
    default: 'false',
  },
  'service.tls_cert_file': {
    schema: filePath,
    expects: 'the path of a PEM file: the certificate of the server, and behind it those that it hangs on',
    meaning: 'The certificate; on SIGHUP the file is read again.',
    otherwise: 'none',
  },
  'service.tls_key_file': {
    schema: filePath,
    expects: 'the path of a PEM file that not everybody can read',
    meaning: 'The private key of the certificate; on SIGHUP the file is read again.',
    otherwise: 'none',
  },
  'service.cors_enabled': {
    schema: truth,
    expects: TRUTH,
    meaning: 'Pages of service.cors_origins may ask, always with a key.',
    default: 'false',
  },
  'service.cors_origins': {
    schema: listOf((each) => each === '*' || isOrigin(each)),
    expects: 'origins as browsers write them, such as https://portal.example.org, with commas between them; or *',
    meaning: 'The origins of these pages.',
    otherwise: 'none',
    list: true,
  },
  'service.trusted_proxies': {
    schema: listOf(isNetwork),
    expects: 'addresses or networks, such as 10.0.0.7 or 10.0.0.0/8, with commas between them',
    meaning: 'Proxies whose X-Forwarded-For is believed.',
    otherwise: 'none',
    list: true,
  },
} as const satisfies Record<string, Key<unknown>>;

/** How often somebody may ask, and how he proves who he is. */
export const CALLER_KEYS = {
  'rate_limit.per_ip': {
    schema: count(0, 1_000_000),
    expects: 'requests a minute, 0 to 1000000; 0 sets no limit',
    meaning: 'Requests a minute from one address that come without a good key; counted by each process.',
    default: '100',
  },
  'rate_limit.per_key': {
    schema: count(0, 1_000_000),
    expects: 'requests a minute, 0 to 1000000; 0 sets no limit',
    meaning: 'Requests a minute with one key; counted by each process.',
    default: '1000',
  },
  'rate_limit.burst': {
    schema: count(0, 1_000_000),
    expects: 'requests, 0 to 1000000',
    meaning: 'How many more are let through in half a minute, when a minute is used up.',
    default: '200',
  },
  'rate_limit.submit_path': {
    schema: truth,
    expects: TRUTH,
    meaning: 'Checks, estimates, reported costs and job events are counted too.',
    default: 'false',
  },
  'auth.enabled': {
    schema: truth,
    expects: TRUTH,
    meaning:
      'Every request needs a key, also on this machine and before there is an admin key; JSON Web Tokens are taken.',
    default: 'false',
  },
  'auth.jwt_secret': {
    schema: z.string().refine((secret) => Buffer.byteLength(secret) >= SECRET_BYTES_MIN),
    expects: `at least ${SECRET_BYTES_MIN} bytes, best random ones (openssl rand -hex 32)`,
    meaning: 'What JSON Web Tokens are signed with (HS256).',
    otherwise: 'none',
    secret: true,
  },
  'auth.jwt_public_key_file': {
    schema: filePath,
    expects: 'the path of a PEM file with a public key: Ed25519, P-256, or RSA of 2048 bits or more',
    meaning: 'The key of whoever else signs JSON Web Tokens (EdDSA, ES256, RS256).',
    otherwise: 'none',
  },
  'auth.jwt_audience': {
    schema: z.string().regex(/^[\x21-\x7e]{1,200}$/),
    expects: 'a word of up to 200 characters, such as bursar',
    meaning: 'What a JSON Web Token must have as its aud.',
    otherwise: 'a token must have none',
  },
  'auth.jwt_expiry': {
    schema: wholeSeconds('1m', '8760h'),
    expects: duration('whole seconds, 1m to 8760h'),
    meaning: 'The longest life of a JSON Web Token, from its iat to its exp.',
    default: '24h',
  },
} as const satisfies Record<string, Key<unknown>>;
