/** Idempotency keys of commands: one made for each invocation, or the person's own to repeat an earlier one. */
import { ulid } from 'ulid';

export const KEY_OPTION = [
  '--key <key>',
  'idempotency key: repeating a command with the same key does it once (default: a new one)',
] as const;

export const keyOf = (options: { key?: string }): string => options.key ?? `cli-${ulid()}`;
