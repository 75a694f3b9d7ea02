/**
 * JSON Web Tokens: who asks, by what a key that is configured here has signed (auth.*).
 *
 * The header of a token chooses between the keys there are, never what a key is used for: the secret checks HS256 alone, the
 * public key the one algorithm that is its own. What is wrong with the claims is told only of a token that is ours.
 */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { errors, type JWTHeaderParameters, type JWTPayload, jwtVerify } from 'jose';
import { Fault } from '../domain/faults';
import { given } from '../domain/given';
import { isPrincipal, isReserved, isScope, SCOPES } from '../domain/scope';
import { UnusableFile } from '../platform/certificate';
import type { Exposure } from '../platform/config/exposure';
import type { Access } from './access';

export type TokenSettings = Pick<Exposure, 'jwtSecret' | 'jwtPublicKeyFile' | 'jwtAudience' | 'jwtLifeSecondsMax'>;

export interface Tokens {
  /** `unauthenticated`, with the reason among its facts. */
  verify(token: string): Promise<Access>;
}

/** How far the clock of who signs may be from ours. */
const SKEW_SECONDS = 60;

/** Has it three parts with dots between them? The third is empty where nothing was signed. */
export const looksLikeToken = (text: string): boolean => /^[\w-]+\.[\w-]+\.[\w-]*$/.test(text);

/** `UnusableFile`; undefined where no key is configured. */
export function openTokens(settings: TokenSettings): Tokens | undefined {
  const { jwtSecret, jwtPublicKeyFile, jwtAudience, jwtLifeSecondsMax } = settings;
  const keys = new Map<string, KeyObject>();
  if (jwtSecret) keys.set('HS256', jwtSecret);
  if (jwtPublicKeyFile !== undefined) keys.set(...readPublicKey(jwtPublicKeyFile));
  if (keys.size === 0) return undefined;
  const algorithms = [...keys.keys()];
  const options = {
    algorithms,
    clockTolerance: SKEW_SECONDS,
    maxTokenAge: jwtLifeSecondsMax,
    requiredClaims: ['sub', 'exp'],
    ...given({ audience: jwtAudience }),
  };
  const known = new Map<string, Known>();

  async function read(token: string): Promise<Known> {
    const { payload } = await jwtVerify(token, ({ alg }: JWTHeaderParameters) => keyOf(keys, alg), options);
    if (jwtAudience === undefined && payload.aud !== undefined) {
      throw refused('wrong_claims', 'Its aud is for somebody else: no auth.jwt_audience is set here.');
    }
    const { exp = 0, iat = 0 } = payload;
    if (exp - iat > jwtLifeSecondsMax) {
      throw refused('wrong_claims', `It lives ${exp - iat} s, and auth.jwt_expiry allows ${jwtLifeSecondsMax} s.`);
    }
    return { access: accessOf(payload), endsMs: (exp + SKEW_SECONDS) * 1000 };
  }

  return {
    async verify(token) {
      const found = known.get(token);
      // Nothing in a token changes but the time: once good, it is so until it ends.
      if (found && found.endsMs > Date.now()) return found.access;
      try {
        const verified = await read(token);
        if (known.size >= KNOWN_MAX) known.clear();
        known.set(token, verified);
        return verified.access;
      } catch (error) {
        known.delete(token);
        throw error instanceof errors.JOSEError ? faultOf(error, algorithms) : error;
      }
    },
  };
}

interface Known {
  access: Access;
  endsMs: number;
}

const KNOWN_MAX = 1_000;

function keyOf(keys: ReadonlyMap<string, KeyObject>, alg: string | undefined): KeyObject {
  const key = keys.get(alg ?? '');
  if (!key) throw new errors.JOSEAlgNotAllowed('not ours');
  return key;
}

/** With the algorithm that it is for. */
function readPublicKey(path: string): [algorithm: string, key: KeyObject] {
  let text: string;
  let key: KeyObject;
  try {
    text = readFileSync(path, 'utf8');
    key = createPublicKey(text);
  } catch {
    throw new UnusableFile([`${path} cannot be read, or is no public key in PEM`]);
  }
  if (text.includes('PRIVATE KEY')) {
    throw new UnusableFile([`${path} is a private key; give the public one, and keep that where tokens are signed`]);
  }
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type === 'ed25519') return ['EdDSA', key];
  if (type === 'ec' && details?.namedCurve === 'prime256v1') return ['ES256', key];
  if (type === 'rsa' && (details?.modulusLength ?? 0) >= 2048) return ['RS256', key];
  throw new UnusableFile([`${path} is neither Ed25519 nor P-256 nor RSA of 2048 bits or more`]);
}

function accessOf({ sub, scope, cluster }: JWTPayload): Access {
  // The library lets a number pass, which would be written into the books as one.
  if (typeof sub !== 'string' || !isPrincipal(sub)) {
    throw refused(
      'wrong_claims',
      'Its sub must be a text of up to 63 letters, digits and ". _ - @ +", and begin with a letter or a digit.',
    );
  }
  if (isReserved(sub)) throw refused('wrong_claims', 'Its sub is a name of Bursar itself.');
  if (!isScope(scope)) throw refused('wrong_claims', `Its scope must be one of ${SCOPES.join(', ')}.`);
  if (scope !== 'hook') {
    if (cluster !== undefined) throw refused('wrong_claims', 'Its cluster is for hooks only.');
    return { principal: sub, scope };
  }
  if (typeof cluster !== 'string' || cluster === '') {
    throw refused('wrong_claims', 'Its cluster is missing: the one that this hook is for.');
  }
  return { principal: sub, scope, cluster };
}

/** Of the library's words none is repeated, for they quote the token. */
function faultOf(error: errors.JOSEError, algorithms: readonly string[]): Fault {
  if (error instanceof errors.JWTExpired) {
    return error.claim === 'iat'
      ? refused('wrong_claims', 'Its iat is longer ago than auth.jwt_expiry allows.')
      : refused('expired_token', 'It has expired; sign in again, or sign a new one.');
  }
  if (error instanceof errors.JWTClaimValidationFailed) {
    const { claim, reason } = error;
    if (reason === 'missing') return refused('wrong_claims', `Its ${claim} is missing.`);
    if (claim === 'aud') return refused('wrong_claims', 'Its aud is not what auth.jwt_audience says.');
    if (reason === 'check_failed') return refused('early_token', `Its ${claim} is in the future; compare the clocks.`);
    return refused('wrong_claims', `Its ${claim} cannot be understood.`);
  }
  if (error instanceof errors.JOSEAlgNotAllowed) {
    return refused('bad_token', `It must be signed with ${algorithms.join(' or ')}.`);
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return refused('bad_token', 'Its signature is not of the key that is configured here.');
  }
  return refused('bad_token', 'It cannot be read.');
}

const refused = (reason: string, why: string) =>
  new Fault('unauthenticated', `This JSON Web Token is not taken. ${why}`, { facts: { reason } });
