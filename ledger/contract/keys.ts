/** API keys: who may ask. The secret itself is never here, only its hash. */
import type { Scope } from '../../domain/scope';
import type { Instant } from '../../domain/time';
import type { Caller, Page, Paged } from './asking';

export interface ApiKey {
  /** The part of the key that is no secret. */
  keyId: string;
  /** The principal of whoever sends it. */
  name: string;
  scope: Scope;
  /** Of a hook, and of nobody else. */
  cluster?: string;
  createdBy: string;
  createdAt: Instant;
  expiresAt?: Instant;
  revokedAt?: Instant;
  /** To the minute. */
  lastUsedAt?: Instant;
}

/** As whoever checks keys needs it. */
export interface KnownKey extends ApiKey {
  secretHash: Uint8Array;
}

export interface NewKey extends Pick<ApiKey, 'keyId' | 'name' | 'scope' | 'cluster' | 'expiresAt'> {
  /** SHA-256 of the secret. */
  secretHash: Uint8Array;
}

export interface Keys {
  /** `api_key_exists` while another one of that name is not revoked, `cluster_not_found`. */
  create(key: NewKey, caller: Caller): Promise<ApiKey>;
  /** By its id or its name. A revoked one is answered as it is. `api_key_not_found`. */
  revoke(key: string, caller: Caller): Promise<ApiKey>;
  /** Newest first; revoked and expired ones too. */
  list(page: Page): Promise<Paged<ApiKey>>;
  /** All of them, with their hashes. */
  known(): Promise<KnownKey[]>;
  /** Remembers that it was used now, at most once a minute. */
  used(keyId: string): Promise<void>;
}
