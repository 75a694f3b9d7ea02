/** The fields that are there: one that was not given is not the same as one that is undefined. */
export function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const there: { [K in keyof T]?: Exclude<T[K], undefined> } = {};
  for (const name in fields) {
    const value = fields[name];
    if (value !== undefined) there[name] = value as Exclude<T[typeof name], undefined>;
  }
  return there;
}
