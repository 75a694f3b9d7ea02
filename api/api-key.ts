/** What a key looks like: `bursar_<id>_<secret>`. The id finds it, the secret (256 bits) proves it; only its hash is kept. */
import { createHash, randomBytes } from 'node:crypto';

export interface MadeKey {
  keyId: string;
  /** The whole of it, shown once. */
  token: string;
  secretHash: Uint8Array;
}

export function makeKey(): MadeKey {
  const keyId = randomBytes(6).toString('hex');
  const secret = randomBytes(32).toString('hex');
  return { keyId, token: `bursar_${keyId}_${secret}`, secretHash: createHash('sha256').update(secret).digest() };
}

/** Its parts; undefined for what is no key of ours. */
export function readToken(token: string): { keyId: string; secret: string } | undefined {
  const [, keyId, secret] = /^bursar_([a-z0-9]{1,32})_([A-Za-z0-9]{1,128})$/.exec(token) ?? [];
  return keyId === undefined || secret === undefined ? undefined : { keyId, secret };
}
