/** What is said of each key: how it is read, what it means, what holds without it. */
import type { z } from 'zod';

export interface Key<T> {
  /** Reads the text of the file or of the environment. */
  schema: z.ZodType<T, string>;
  /** What a right value looks like, for whoever gave a wrong one; its unit, where it has one. */
  expects: string;
  meaning: string;
  /** As it would be written. */
  default?: string;
  /** What holds where there is no default, in words. */
  otherwise?: string;
  /** Older names in the environment; they go before the one that is made from the key. */
  also?: readonly string[];
  /** Never printed, and may be a reference: env:NAME or file:/path. */
  secret?: true;
  /** Names with values: a group in the file, JSON in the environment. */
  names?: true;
  /** Several, with commas between them; in the file also as a list. */
  list?: true;
  /** Takes effect on SIGHUP; all others on a restart. */
  reloads?: true;
}
