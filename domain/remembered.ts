/** Understands each text once. Texts of a log repeat; one that has too many different ones is no reason to run out of memory. */
export function remembered<T>(read: (text: string) => T): (text: string) => T {
  const known = new Map<string, T>();
  return (text) => {
    const found = known.get(text);
    if (found !== undefined) return found;
    const value = read(text);
    if (known.size >= TEXTS_KEPT) known.clear();
    known.set(text, value);
    return value;
  };
}

export const TEXTS_KEPT = 50_000;
