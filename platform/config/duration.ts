/** Durations as Go writes them, because ASBB's files do: 500ms, 30s, 1h30m. A bare number has no unit, and is refused. */

const MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

export const isDuration = (text: string): boolean => /^(\d{1,9}(\.\d{1,3})?(ms|s|m|h))+$/.test(text);

/** Of a text that is a duration. */
export function msOf(text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
  return Math.floor(parts.reduce((sum, [, number, unit]) => sum + Number(number) * (MS[unit ?? ''] ?? 0), 0));
}
