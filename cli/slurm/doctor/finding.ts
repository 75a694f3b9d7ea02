/** What the doctor says of one thing, and what the things that he looks at are configured with. */
import { textOf } from '../files';

export interface Finding {
  check: string;
  state: 'ok' | 'warning' | 'failed' | 'unknown';
  detail: string;
  /** What to do. */
  mend?: string;
}

export const FINDING_FIELDS: readonly (keyof Finding)[] = ['check', 'state', 'detail', 'mend'];

export const ok = (check: string, detail: string): Finding => ({ check, state: 'ok', detail });
export const failed = (check: string, detail: string, mend: string): Finding => ({
  check,
  state: 'failed',
  detail,
  mend,
});
export const warning = (check: string, detail: string, mend: string): Finding => ({
  check,
  state: 'warning',
  detail,
  mend,
});
export const unknown = (check: string, detail: string, mend: string): Finding => ({
  check,
  state: 'unknown',
  detail,
  mend,
});

export const INSTALL = 'Run `bursar slurm install` (again).';

/** What the hooks and the relay are configured with; only what is looked at here. */
export interface HookConfig {
  url?: string;
  relay_url?: string;
  cluster?: string;
  token_file?: string;
  token?: string;
  deadline_ms?: number;
  spares?: number;
  spool?: string;
  spool_bytes?: number;
  policy_file?: string;
  hour_file?: string;
  state_file?: string;
  policy_seconds?: number;
  queue_seconds?: number;
  history_seconds?: number;
  show?: boolean;
}

export function readObject(path: string): Record<string, unknown> | undefined {
  const text = textOf(path);
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
