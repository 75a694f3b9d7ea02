/**
 * The one rule of what may differ between a document and a run: an id, a digest or a time of now stands for the one at
 * the same place. Which id stands for which is kept from its first appearance on, so that a command of the document may
 * name what an earlier output showed.
 */
const TOKEN =
  /\b(?:txn|fund)_[0-9A-HJKMNP-TV-Z]{26}\b|\b[0-9A-HJKMNP-TV-Z]{26}\b|\b[0-9a-f]{64}\b|\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b/g;
const NOW_MS = 10 * 60_000;

export class Names {
  private readonly actualOf = new Map<string, string>();
  private readonly namedAs = new Map<string, string>();

  /** A command of the document, with the ids of this run. */
  translate(command: string): string {
    return command.replace(TOKEN, (token) => this.actualOf.get(token) ?? token);
  }

  /** What this run printed, with the document's ids and times where they stand for the run's. */
  inTermsOf(expected: string, actual: string): string {
    const theirs = expected.match(TOKEN) ?? [];
    return actual.replace(TOKEN, (token, ...rest: unknown[]) => {
      const known = this.namedAs.get(token);
      if (known !== undefined) return known;
      const before = actual.slice(0, rest[rest.length - 2] as number).match(TOKEN)?.length ?? 0;
      const theirName = theirs[before];
      if (isTime(token)) return isNow(token) && theirName !== undefined && isTime(theirName) ? theirName : token;
      if (theirName === undefined || isTime(theirName) || this.actualOf.has(theirName)) return token;
      return this.call(token, theirName);
    });
  }

  /** For writing the document: an id that is new to it keeps its own name. */
  learn(expected: string, actual: string): string {
    const shown = this.inTermsOf(expected, actual);
    for (const token of shown.match(TOKEN) ?? [])
      if (!isTime(token) && !this.actualOf.has(token)) this.call(token, token);
    return shown;
  }

  private call(actual: string, name: string): string {
    this.actualOf.set(name, actual);
    this.namedAs.set(actual, name);
    return name;
  }
}

const isTime = (token: string) => /^\d{4}-/.test(token);
const isNow = (token: string) => Math.abs(Date.parse(`${token.replace(' ', 'T')}Z`) - Date.now()) < NOW_MS;
