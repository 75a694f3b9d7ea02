/** The file: where it is looked for, and what it says, each value with the line it stands on. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Document, LineCounter, Node, Scalar, YAMLMap } from 'yaml';
import { codeOf } from '../../domain/code-of';
import { nearestOf } from '../../domain/nearest';
import { unread } from './asbb-keys';
import { isKey, isSection, keyOf, KNOWN, type KeyName } from './keys';

/** A text somebody gave for a key. */
export interface Given {
  text: string;
  /** `bursar.yaml:12`, `BURSAR_LOG_LEVEL`, `--database-url`. */
  from: string;
  /** How a mistake in it is introduced: `bursar.yaml:12: logging.level`, `BURSAR_LOG_LEVEL`. */
  saidAs: string;
}

export type Layer = Map<KeyName, Given>;

/** What was found out on the way; all of it is told at once. */
export interface Findings {
  mistakes: string[];
  warnings: string[];
}

export interface Places {
  home: string;
  userHome: string;
  /** The folder we are in. */
  here?: string;
}

/** Where a file is looked for, in this order; the first that exists is the only one that is read. */
export const placesOf = ({ home, userHome, here = '.' }: Places): string[] => [
  resolve(here, 'bursar.yaml'),
  join(home, 'bursar.yaml'),
  '/etc/bursar/bursar.yaml',
  resolve(here, 'config.yaml'),
  '/etc/asbb/config.yaml',
  join(userHome, '.asbb', 'config.yaml'),
];

/** The file that is there. `config.yaml` is everybody's name: one that has no group of ours in it is somebody else's. */
export const findFile = (places: Places): string | undefined =>
  placesOf(places).find((path) => existsSync(path) && (!path.endsWith('/config.yaml') || mentionsUs(path)));

function mentionsUs(path: string): boolean {
  try {
    const words = [...readFileSync(path, 'utf8').matchAll(/^([a-z_]+):/gm)].map(([, word]) => word as string);
    return words.some((word) => isKey(word) || isSection(word));
  } catch {
    return true; // It is there and cannot be read: better said than passed over.
  }
}

const BYTES_MAX = 1_048_576;

export function readFile(path: string, findings: Findings): Layer {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const code = codeOf(error);
    findings.mistakes.push(`${path} cannot be read: ${code === 'ENOENT' ? 'there is no such file' : code}`);
    return new Map();
  }
  if (text.length > BYTES_MAX) {
    findings.mistakes.push(`${path} cannot be read: it is larger than 1 MB`);
    return new Map();
  }
  return new Reader(path, text, findings).read();
}

class Reader {
  private readonly layer: Layer = new Map();
  private readonly lines: LineCounter;
  private readonly document: Document;

  constructor(
    private readonly path: string,
    text: string,
    private readonly findings: Findings,
  ) {
    // Read only where there is a file: no command of a client's waits for it.
    const { LineCounter, parseDocument } = yaml();
    this.lines = new LineCounter();
    this.document = parseDocument(text, { lineCounter: this.lines, prettyErrors: false });
  }

  read(): Layer {
    for (const { message, pos } of [...this.document.errors, ...this.document.warnings]) {
      this.mistake(pos[0], withoutQuotation(message));
    }
    const root = this.resolved(this.document.contents);
    if (root === undefined || isEmpty(root)) return this.layer;
    if (yaml().isMap(root)) this.readMap(root, '');
    else if (this.document.errors.length === 0) this.mistake(startOf(root), 'keys are expected, such as `service:`');
    return this.layer;
  }

  private readMap(map: YAMLMap, prefix: string): void {
    for (const { key, value } of map.items) {
      const node = this.resolved(key);
      const name = yaml().isScalar(node) ? String(node.value) : '?';
      this.readPair(prefix + name, startOf(node), this.resolved(value));
    }
  }

  private readPair(path: string, at: number, value: Node | undefined): void {
    const { isMap, isScalar, isSeq } = yaml();
    const why = unread(path);
    if (why !== undefined) {
      this.findings.warnings.push(`${this.where(at)}: ${why}`);
    } else if (isSection(path)) {
      if (value === undefined || isEmpty(value)) return;
      if (isMap(value)) this.readMap(value, `${path}.`);
      else this.mistake(at, `${path} is a group of keys, not a key`);
    } else if (!isKey(path)) {
      this.mistake(at, `${path} is no key of Bursar (the nearest that is: ${nearestOf(path, KNOWN)?.name})`);
    } else if (value === undefined || isEmpty(value)) {
      return; // `dsn:` with nothing behind it.
    } else if (isScalar(value)) {
      const from = this.where(at);
      this.layer.set(path, { text: textOf(value), from, saidAs: `${from}: ${path}` });
    } else if (isMap(value) && keyOf(path).names) {
      const from = this.where(at);
      this.layer.set(path, { text: JSON.stringify(value), from, saidAs: `${from}: ${path}` });
    } else if (isSeq(value) && keyOf(path).list && value.items.every((item) => isScalar(item))) {
      const from = this.where(at);
      if (value.items.length === 0) return;
      this.layer.set(path, { text: value.items.map(textOf).join(', '), from, saidAs: `${from}: ${path}` });
    } else this.mistake(at, `${path} takes one value, not a ${isMap(value) ? 'group' : 'list'}`);
  }

  private resolved(node: unknown): Node | undefined {
    const { isAlias, isNode } = yaml();
    if (!isNode(node)) return undefined;
    return isAlias(node) ? node.resolve(this.document) : node;
  }

  private where(offset: number): string {
    return `${this.path}:${this.lines.linePos(offset).line}`;
  }

  private mistake(offset: number, text: string): void {
    this.findings.mistakes.push(`${this.where(offset)}: ${text}`);
  }
}

const yaml = (): typeof import('yaml') => require('yaml') as typeof import('yaml');

const startOf = (node: Node | undefined): number => node?.range?.[0] ?? 0;

/** `dsn:` and `dsn: ""`, as ASBB's files have them, set nothing. */
const isEmpty = (node: Node): boolean => yaml().isScalar(node) && (node.value === null || node.value === '');

/** As it was written: 1.20 is no other number than the one that stands there. */
const textOf = ({ type, source, value }: Scalar): string =>
  type === 'PLAIN' && source !== undefined ? source : String(value);

/** Behind a colon the parser quotes what it stumbled over, which may be a password. */
const withoutQuotation = (message: string): string => message.replace(/:\s[^]*$/, '');
