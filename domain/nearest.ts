/** What somebody may have meant who wrote a name that nobody knows. */

export interface Nearest {
  name: string;
  distance: number;
}

/** The name that takes the fewest letters to get to; the first of several. Undefined where there is none at all. */
export function nearestOf(given: string, known: readonly string[]): Nearest | undefined {
  const written = given.toLowerCase().slice(0, 64);
  return known
    .map((name) => ({ name, distance: editDistance(written, name) }))
    .sort((a, b) => a.distance - b.distance)[0];
}

/** How many letters must be changed, added or left out to make one word of the other. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
