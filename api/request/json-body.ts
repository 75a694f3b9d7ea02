/**
 * Turns the bytes of a body into JSON values in which every number is still its numeral.
 *
 * Everything that could hurt further in stops here with a 400 or 413: too many bytes, invalid UTF-8, what is no JSON,
 * nesting that would exhaust a stack, the NUL that PostgreSQL cannot store, halves of surrogate pairs.
 */
import type { HonoRequest } from 'hono';
import { isLosslessNumber, parse } from 'lossless-json';
import { Fault, type FieldError } from '../../domain/faults';

const DEPTH_MAX = 64;

/** The bytes of the body, or `body_too_large` before more than `limit` of them are kept. */
async function readBytes(request: Request, limit: number): Promise<Uint8Array> {
  const announced = Number(request.headers.get('content-length') ?? '0');
  if (announced > limit) throw tooLarge(limit);
  // With an announced length the server reads no more than that. Before anything asks for `request.body`: that makes the
  // adapter build a stream and an abort signal, an eighth of what a budget check costs this process.
  if (announced > 0) return new Uint8Array(await request.arrayBuffer());
  if (request.body === null) return new Uint8Array();
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of request.body as unknown as AsyncIterable<Uint8Array>) {
    size += piece.byteLength;
    if (size > limit) throw tooLarge(limit);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

const tooLarge = (limit: number) =>
  new Fault('body_too_large', `The body may have ${limit} bytes at most; send less at a time.`);

const UTF_8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false });

/** The body as JSON values; undefined where there is none. What is no JSON gets a second chance where it can be mended. */
export async function readJson(request: HonoRequest, limit: number, mend?: (text: string) => string): Promise<unknown> {
  const bytes = await readBytes(request.raw, limit);
  if (bytes.byteLength === 0) return undefined;
  const text = decode(bytes);
  if (/^\s*$/.test(text)) return undefined;
  refuseDepth(text);
  return parseText(text, mend);
}

function parseText(text: string, mend?: (text: string) => string): unknown {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const mended = mend?.(text) ?? text;
    if (mended !== text) {
      try {
        return parse(mended);
      } catch {
        // The mistake of what was sent is the one to tell.
      }
    }
    throw wholeBody('Invalid JSON format', `The body is not valid JSON: ${error.message.slice(0, 200)}`);
  }
}

/** The same of a file's bytes. `malformed_request`. */
export function readJsonBytes(bytes: Uint8Array): unknown {
  const text = decode(bytes);
  refuseDepth(text);
  return parseText(text);
}

/**
 * Puts quotation marks around what a shell has written without them: `"allocated_cpus": 16(x2),` as ASBB's sample epilog
 * sends it, and null where a variable was empty. Text inside quotation marks stays as it is.
 */
export const quoteShellValues = (text: string): string =>
  text
    .split(/("(?:[^"\\]|\\.)*")/)
    .map((part, index) => (index % 2 === 0 ? part.replace(SHELL_VALUE, quoted) : part))
    .join('');

const SHELL_VALUE = /^(\s*:\s*)([^\s{}[\]",](?:[^{}[\]"\n]*[^\s{}[\]",])?)?(\s*[,}]\s*)$/;
const PLAIN_JSON = /^(-?\d+(\.\d+)?|true|false|null)$/;

const quoted = (_all: string, colon: string, value: string | undefined, end: string): string =>
  `${colon}${value === undefined ? 'null' : PLAIN_JSON.test(value) ? value : JSON.stringify(value)}${end}`;

function decode(bytes: Uint8Array): string {
  try {
    return UTF_8.decode(bytes);
  } catch {
    throw wholeBody('must be UTF-8', 'The body is not valid UTF-8; encode it so.');
  }
}

function refuseDepth(text: string): void {
  let depth = 0;
  let inString = false;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (inString) {
      if (code === BACKSLASH) index++;
      else if (code === QUOTE) inString = false;
    } else if (code === QUOTE) inString = true;
    else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      if (++depth > DEPTH_MAX) {
        throw wholeBody(`must not nest deeper than ${DEPTH_MAX}`, `The body nests deeper than ${DEPTH_MAX} levels.`);
      }
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth--;
  }
}

const [QUOTE, BACKSLASH, OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET] = [0x22, 0x5c, 0x7b, 0x7d, 0x5b, 0x5d];

const wholeBody = (mistake: string, detail: string) =>
  new Fault('malformed_request', detail, { errors: [{ pointer: '', detail: mistake }] });

/** A sentence about text that PostgreSQL could not store as it is, or undefined. */
export function textMistake(text: string): string | undefined {
  if (text.includes('\0')) return 'must not contain the character NUL (\\u0000)';
  if (/\p{Surrogate}/u.test(text)) return 'must not contain half of a surrogate pair';
  return undefined;
}

export const pointerTo = (parent: string, key: string | number): string =>
  `${parent}/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`;

/** Notes all text below `value` that cannot be stored. */
export function checkTexts(value: unknown, pointer: string, errors: FieldError[]): void {
  if (typeof value === 'string') {
    const mistake = textMistake(value);
    if (mistake !== undefined) errors.push({ pointer, detail: mistake });
  } else if (Array.isArray(value)) {
    value.forEach((item, index) => checkTexts(item, pointerTo(pointer, index), errors));
  } else if (typeof value === 'object' && value !== null && !isLosslessNumber(value)) {
    for (const [key, inner] of Object.entries(value)) {
      const mistake = textMistake(key);
      if (mistake !== undefined) errors.push({ pointer, detail: `a field name ${mistake}` });
      checkTexts(inner, pointerTo(pointer, key), errors);
    }
  }
}
