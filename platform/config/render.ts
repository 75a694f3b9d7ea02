/** The configuration for people: the commented file, and the effective values with where they come from. */
import { KEY_NAMES, keyOf, variableOf, type KeyName } from './keys';
import type { Effective } from './merge';
import { bursarNames } from './read-env';
import { withoutPassword } from '../config';

const HEAD = `# Bursar's configuration. Every key is here, with what it means and what it is where it is not given.
# Take the "# " away before a key to set it. An environment variable goes before this file: the key in capitals,
# with BURSAR_ (or ASBB_) in front and underscores for the dots, such as BURSAR_LOGGING_LEVEL for logging.level.
# \`bursar config validate\` names every mistake with its line; \`bursar config show\` says what is in force, and why.
`;

/** Every key as a comment. A key that comes in without its "# " is legal, and says what would hold without it. */
export function commentedFile(): string {
  return [HEAD, ...within(KEY_NAMES, 0)].join('\n');
}

/** The entries of these keys, which have their first `depth` words in common; deeper groups come last, under their names. */
function within(keys: readonly KeyName[], depth: number): string[] {
  const indent = '  '.repeat(depth);
  const isHere = (key: KeyName) => key.split('.').length === depth + 1;
  const groups = new Map<string, KeyName[]>();
  for (const key of keys.filter((each) => !isHere(each))) {
    const group = key.split('.')[depth] ?? '';
    groups.set(group, [...(groups.get(group) ?? []), key]);
  }
  const own = keys.filter(isHere).map((key) => entry(key, indent));
  const deeper = [...groups].map(([group, below]) => `${indent}${group}:\n${within(below, depth + 1).join('\n')}`);
  return [...own, ...deeper];
}

function entry(key: KeyName, indent: string): string {
  const { meaning, expects, otherwise, secret, reloads } = keyOf(key);
  const lines = [
    meaning,
    `It must be ${expects}.`,
    ...(otherwise === undefined ? [] : [`Without it: ${otherwise}.`]),
    ...(secret ? ['A secret: better env:NAME or file:/path, which names where it is.'] : []),
    ...(reloads ? ['SIGHUP is enough for a change to take effect.'] : []),
  ];
  const text = keyOf(key).default ?? '';
  const name = key.slice(key.lastIndexOf('.') + 1);
  return `${lines
    .flatMap(folded)
    .map((line) => `${indent}## ${line}\n`)
    .join('')}${indent}# ${name}:${text && ` ${text}`}\n`;
}

const folded = (text: string): string[] => text.match(/.{1,110}(?:\s|$)/g)?.map((line) => line.trim()) ?? [text];

export interface Shown {
  key: KeyName;
  /** Null where there is none. */
  value: string | null;
  from: string;
  secret: boolean;
  reloads: boolean;
}

/** Every key as it is in force. Nothing secret is in it. */
export const shownValues = ({ texts, given }: Effective): Shown[] =>
  KEY_NAMES.map((key) => {
    const { secret = false, reloads = false, otherwise } = keyOf(key);
    const text = texts.get(key);
    const said = given.get(key);
    return {
      key,
      value: text === undefined ? null : secret ? withoutSecret(text) : text,
      from: said === undefined ? (text === undefined ? `default: ${otherwise}` : 'default') : originOf(said, secret),
      secret,
      reloads,
    };
  });

/** Of an address all but the password is worth showing. */
const withoutSecret = (text: string): string =>
  /^\w+:\/\//.test(text) && URL.canParse(text) ? withoutPassword(text) : '***';

/** A secret that is somewhere else is said with where. */
const originOf = ({ text, from }: { text: string; from: string }, secret: boolean): string =>
  secret && /^(env|file):/.test(text) ? `${from} (${text})` : from;

/** One row of the table in docs/operations, by its cells. */
export function documentedKey(key: KeyName): string[] {
  const { meaning, expects, otherwise, secret, reloads } = keyOf(key);
  const names = [...bursarNames(key).slice(0, -1), `BURSAR_${variableOf(key)}`];
  return [
    `\`${key}\``,
    names.map((name) => `\`${name}\``).join(', '),
    keyOf(key).default === undefined ? (otherwise ?? '') : `\`${keyOf(key).default}\``,
    [meaning, `It must be ${expects}.`, ...(secret ? ['Secret.'] : []), ...(reloads ? ['Reloads.'] : [])].join(' '),
  ];
}
