/**
 * The code by which an error or a problem says what it is: `ENOENT`, `3D000`, `cluster_exists`. Empty where it has none.
 *
 * Not by `instanceof`: an Error of another realm (a test's sandbox, a worker) is one all the same.
 */
export function codeOf(error: unknown): string {
  const code: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : undefined;
  return typeof code === 'string' ? code : '';
}
