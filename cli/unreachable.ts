/** Why a server was not reached, in words, and what to do about it. */
import { EXIT, Stop } from './exit';

/** `cert`: what a server showed whose name is another one. */
type Failure = Error & { code?: string; cert?: { subjectaltname?: string } };

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'there is no such host',
  ECONNRESET: 'the connection was cut',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
  EPROTO: 'it does not speak TLS',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'it does not speak TLS',
};

const UNTRUSTED = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

/** Of these we know that nothing was asked of the server yet. */
const HINTS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'It has to be renewed at the server, unless the clock of this machine is wrong.',
  CERT_NOT_YET_VALID: 'Is the clock of this machine right?',
  EPROTO: 'Does its address begin with http: instead?',
  ERR_SSL_WRONG_VERSION_NUMBER: 'Does its address begin with http: instead?',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'Does its address begin with http: instead?',
  ERR_TLS_CERT_ALTNAME_INVALID: 'Call the server by one of these names with --endpoint or BURSAR_URL.',
};

const NOBODY_THERE = 'Start it with `bursar up`, or name another address with --endpoint or BURSAR_URL.';
const UNTRUSTED_HINT =
  "If it is your own authority's, name that with --ca-file FILE or BURSAR_CA_FILE, or add it to Node's with NODE_EXTRA_CA_CERTS.";

export function reasonOf({ code = '', message, cert }: Failure): string {
  if (UNTRUSTED.has(code)) return 'nobody who is trusted here vouches for its certificate';
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const names = cert?.subjectaltname?.replaceAll(/(DNS|IP Address):/g, '') ?? 'none';
    return `its certificate is for other names (${names})`;
  }
  return REASONS[code] ?? (message || code || 'unknown reason');
}

function hintOf(code: string): string | undefined {
  if (code === 'ECONNREFUSED' || code === 'ENOTFOUND' || code === 'EAI_AGAIN') return NOBODY_THERE;
  return UNTRUSTED.has(code) ? UNTRUSTED_HINT : HINTS[code];
}

export function unreachable(endpoint: string, error: Failure, key: string | undefined): Stop {
  const { code = '' } = error;
  const hint = hintOf(code);
  const lost = [
    'The answer was lost on the way.',
    ...(code === 'ECONNRESET' && endpoint.startsWith('http:')
      ? ['If the server speaks TLS, its address begins with https:.']
      : []),
    ...(key === undefined ? [] : [repeatHint(key)]),
  ];
  return new Stop(EXIT.unreachable, `Bursar cannot be reached at ${endpoint}: ${reasonOf(error)}.`, {
    hints: hint === undefined ? lost : [hint],
    problem: {
      code: 'unreachable',
      detail: reasonOf(error),
      endpoint,
      ...(key && { idempotency_key: key }),
    },
  });
}

export const repeatHint = (key: string) =>
  `Repeating it with --key ${key} is safe: it happens once, and the first answer comes back.`;
