/** Text as a terminal shows it: widths, cutting, padding, colour, and nothing in it that could steer the terminal. */

const COLORS = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 34, magenta: 35, cyan: 36 } as const;
export type Color = keyof typeof COLORS;
export type Paint = (color: Color, text: string) => string;

export const painter = (enabled: boolean): Paint =>
  enabled ? (color, text) => (text === '' ? '' : `\u001b[${COLORS[color]}m${text}\u001b[0m`) : (_color, text) => text;

/** Names and descriptions come from other people: an escape sequence in a job's name must not reach the terminal. */
export const harmless = (text: string): string =>
  // oxlint-disable-next-line no-control-regex -- control characters are what this is about
  text.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, (found) =>
    /\s/.test(found) ? ' ' : '\ufffd',
  );

const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;
const WIDTHLESS = /\p{Mn}|\p{Me}|\p{Cf}/u;

const widthOf = (character: string): number => (WIDTHLESS.test(character) ? 0 : WIDE.test(character) ? 2 : 1);

/** Columns a text takes, colours not counted. */
export function displayWidth(text: string): number {
  // oxlint-disable-next-line no-control-regex -- our own colours
  const plain = text.replace(/\u001b\[\d+m/g, '');
  if (/^[\u0020-\u007e]*$/.test(plain)) return plain.length;
  let width = 0;
  for (const character of plain) width += widthOf(character);
  return width;
}

/** Cuts plain text to a width, with an ellipsis for what is missing. */
export function cut(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  if (width <= 1) return width === 1 ? '…' : '';
  let shown = '';
  let taken = 0;
  for (const character of text) {
    const more = widthOf(character);
    if (taken + more > width - 1) break;
    shown += character;
    taken += more;
  }
  return `${shown}…`;
}

export const padStart = (text: string, width: number): string =>
  ' '.repeat(Math.max(0, width - displayWidth(text))) + text;
export const padEnd = (text: string, width: number): string =>
  text + ' '.repeat(Math.max(0, width - displayWidth(text)));

/** Breaks a paragraph at spaces, so that a sentence reads well in any width. */
export function wrap(text: string, width: number, indent = ''): string {
  const lines: string[] = [];
  for (const paragraph of text.split('\n')) {
    let line = '';
    for (const word of paragraph.split(/ +/)) {
      if (line !== '' && displayWidth(line) + 1 + displayWidth(word) > width - indent.length) {
        lines.push(indent + line);
        line = word;
      } else line = line === '' ? word : `${line} ${word}`;
    }
    lines.push(indent + line);
  }
  return lines.join('\n');
}

export const plural = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;
