import type { Silence } from '../../domain/advice';
import { shorten } from '../../domain/faults';

/** The advisor has not spoken. The message goes on from "the advisor …". */
export class Silent extends Error {
  constructor(
    readonly outcome: Silence,
    detail: string,
    options?: ErrorOptions,
  ) {
    super(detail, options);
    this.name = 'Silent';
  }
}

/** Somebody else's words, made fit to be stored and to be shown in a terminal: nothing invisible, and not many. */
export function quotable(text: string, charactersMax: number): string {
  const characters = Array.from(text.replace(/[\p{C}\p{Z}\s]+/gu, ' ').trim());
  return characters.length > charactersMax ? `${characters.slice(0, charactersMax).join('')}…` : characters.join('');
}

export const quoted = (text: string): string => `"${shorten(quotable(text, 200))}"`;
