/**
 * Who asks, by the key that he sends.
 *
 * All keys are read at once and kept for a few seconds, so a check pays no query for being asked by somebody: while they are
 * young they are as they are, then they are read again behind the back of whoever asks. A revocation takes effect at once in
 * the process that made it and within `FRESH_MS` in all others. Where PostgreSQL is away the keys of before go on: what they
 * let in, the ledger cannot do.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { Fault } from '../domain/faults';
import type { Keys, KnownKey } from '../ledger/contract';
import type { Log } from '../platform/log';
import { type Access, LOCAL } from './access';
import { readToken } from './api-key';
import { within } from './time-limit';
import { looksLikeToken, type Tokens } from './token';

/** Keys as old as this are waited for. */
export const FRESH_MS = 5_000;
/** Keys as old as this are read again, while they still serve. */
const RENEW_MS = 2_000;
/** A key that nobody knows may be new; it is looked for at most this often. */
const LOOK_AGAIN_MS = 250;
const LOAD_MS = 2_000;
const USED_EVERY_MS = 60_000;

export interface KeyringDeps {
  keys: Keys;
  log: Log;
  /** The token of this machine's own command (platform/own-token.ts). */
  ownToken?: () => string | undefined;
  /** Tokens that are taken beside keys. */
  tokens?: Tokens;
  /** Does everybody need a key or a token, whatever keys there are (auth.enabled)? */
  isRequired?: boolean;
}

export interface Question {
  authorization: string | undefined;
  apiKey: string | undefined;
  /** Was the API called by a name of this machine's own, by no proxy and no page of another origin? */
  isByLoopback: boolean;
}

export interface Keyring {
  /** `unauthenticated`, with the reason among its facts. */
  identify(question: Question): Promise<Access>;
  /** Is there, or was there ever, a key of an admin? From then on nobody gets in without one. */
  isGuarded(): Promise<boolean>;
  /** The next question is answered by what the ledger says then. */
  forget(): void;
}

interface Ring {
  readAt: number;
  byId: ReadonlyMap<string, KnownKey & { expiresMs: number }>;
  isGuarded: boolean;
}

export function openKeyring(deps: KeyringDeps): Keyring {
  const { keys, log, tokens, ownToken = () => undefined, isRequired = false } = deps;
  let ring: Ring | undefined;
  let reading: Promise<Ring> | undefined;
  const usedAt = new Map<string, number>();

  /** As old as the question: what is revoked while it is on its way may not be in the answer. */
  async function readNow(): Promise<Ring> {
    const askedAt = performance.now();
    return (ring = ringOf(await within(LOAD_MS, keys.known()), askedAt));
  }

  const read = (): Promise<Ring> =>
    (reading ??= readNow()
      .catch((error: unknown) => {
        if (ring === undefined || !(error instanceof Fault)) throw error;
        return (ring = { ...ring, readAt: performance.now() });
      })
      .finally(() => (reading = undefined)));

  async function current(): Promise<Ring> {
    if (ring === undefined || performance.now() - ring.readAt > FRESH_MS) return read();
    if (performance.now() - ring.readAt > RENEW_MS) void read().catch(() => undefined);
    return ring;
  }

  /** Off the way of the request: that it was used is worth nobody's waiting. */
  function noteUse(keyId: string): void {
    const now = performance.now();
    if (now - (usedAt.get(keyId) ?? -USED_EVERY_MS) < USED_EVERY_MS) return;
    usedAt.set(keyId, now);
    keys.used(keyId).catch((error: unknown) => log.debug({ err: error, keyId }, 'use of a key not noted'));
  }

  const isOwn = (token: string): boolean => {
    const own = ownToken();
    return own !== undefined && timingSafeEqual(sha256(token), sha256(own));
  };

  async function ofKey(parts: { keyId: string; secret: string }): Promise<Access> {
    let { byId, readAt } = await current();
    if (!byId.has(parts.keyId) && performance.now() - readAt > LOOK_AGAIN_MS) ({ byId, readAt } = await read());
    const key = byId.get(parts.keyId);
    const isRight = timingSafeEqual(sha256(parts.secret), key?.secretHash ?? NOBODY);
    if (key === undefined || !isRight) throw unauthenticated('unknown_key', UNKNOWN);
    if (key.revokedAt !== undefined) throw unauthenticated('revoked_key', `The key "${key.name}" was revoked.`);
    if (key.expiresMs <= Date.now()) {
      throw unauthenticated('expired_key', `The key "${key.name}" expired on ${key.expiresAt}.`);
    }
    noteUse(key.keyId);
    return { principal: key.name, scope: key.scope, ...(key.cluster !== undefined && { cluster: key.cluster }) };
  }

  return {
    async identify({ authorization, apiKey, isByLoopback }) {
      const token = /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1] ?? apiKey;
      if (token !== undefined && tokens && looksLikeToken(token)) return tokens.verify(token);
      const parts = token === undefined ? undefined : readToken(token);
      if (parts !== undefined && parts.keyId !== 'local') return ofKey(parts);
      if (token !== undefined && parts !== undefined && isOwn(token)) return LOCAL;
      // Another token is nothing to us while none is needed: ASBB's clients have always sent one, and the command sends that of
      // its home to whatever listens here.
      if (isByLoopback && !isRequired && !(await current()).isGuarded) return LOCAL;
      throw token === undefined ? unauthenticated('no_key', NO_KEY) : unauthenticated('unknown_key', UNKNOWN);
    },
    isGuarded: async () => isRequired || (await current()).isGuarded,
    forget: () => (ring = undefined),
  };
}

const ringOf = (known: readonly KnownKey[], readAt: number): Ring => ({
  readAt,
  byId: new Map(
    known.map((key) => [
      key.keyId,
      { ...key, expiresMs: key.expiresAt === undefined ? Infinity : Date.parse(key.expiresAt) },
    ]),
  ),
  isGuarded: known.some(({ scope }) => scope === 'admin'),
});

const sha256 = (text: string) => createHash('sha256').update(text).digest();

/** What a key that does not exist is compared with, so that it takes as long as one that does. */
const NOBODY = Buffer.alloc(32);

const NO_KEY = 'This Bursar asks for an API key: send it as Authorization: Bearer bursar_..., or as X-API-Key.';
const UNKNOWN = 'This API key is not known here.';

const unauthenticated = (reason: string, detail: string) => new Fault('unauthenticated', detail, { facts: { reason } });
