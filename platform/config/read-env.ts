/** The environment: BURSAR_<KEY> and the older names first, then ASBB_<KEY>. */
import { nearestOf } from '../../domain/nearest';
import { unread } from './asbb-keys';
import { ENVIRONMENT_ONLY, isSection, KEY_NAMES, keyOf, KNOWN, variableOf, type KeyName } from './keys';
import type { Findings, Layer } from './read-file';

export type Environment = Readonly<Record<string, string | undefined>>;

/** The names of a key in the environment, the one that wins first. */
export const bursarNames = (key: KeyName): string[] => [...(keyOf(key).also ?? []), `BURSAR_${variableOf(key)}`];

export function readEnvironment(env: Environment, findings: Findings): { bursar: Layer; asbb: Layer } {
  const [bursar, asbb]: [Layer, Layer] = [new Map(), new Map()];
  for (const key of KEY_NAMES) {
    const set = bursarNames(key).filter((name) => isSet(env[name]));
    put(bursar, key, set[0], env);
    put(
      asbb,
      key,
      [`ASBB_${variableOf(key)}`].find((name) => isSet(env[name])),
      env,
    );
    const [first, second] = set;
    if (second !== undefined && env[second] !== env[first ?? '']) {
      findings.warnings.push(`${first} and ${second} differ; ${first} is used`);
    }
  }
  warnOfOthers(env, findings);
  return { bursar, asbb };
}

function put(layer: Layer, key: KeyName, name: string | undefined, env: Environment): void {
  const text = name === undefined ? undefined : env[name];
  if (name !== undefined && text !== undefined) layer.set(key, { text, from: name, saidAs: name });
}

/** An empty variable is one that is not set. */
export const isSet = (text: string | undefined): text is string => text !== undefined && text !== '';

const OURS = new Set([...Object.keys(ENVIRONMENT_ONLY), ...KEY_NAMES.flatMap(bursarNames)]);
const BY_VARIABLE = new Map(KNOWN.map((path) => [variableOf(path), path]));

/**
 * Kubernetes puts BURSAR_SERVICE_HOST, BURSAR_PORT_8080_TCP and the like beside ours, so an unknown name is a warning and no
 * mistake. Of ASBB's names only those are looked at that begin like a group of keys: the others belong to its command line.
 */
function warnOfOthers(env: Environment, { warnings }: Findings): void {
  for (const [name, text] of Object.entries(env)) {
    const [, product, rest = ''] = /^(BURSAR|ASBB)_(.+)$/.exec(name) ?? [];
    if (product === undefined || !isSet(text) || OURS.has(name)) continue;
    const path = BY_VARIABLE.get(rest);
    const why = path === undefined ? undefined : unread(path);
    if (why !== undefined) warnings.push(`${name}: ${why}`);
    else if (
      path === undefined &&
      (product === 'BURSAR' ? !/^(TEST|SERVICE_(HOST|PORT)|PORT)(_|$)/.test(rest) : isOfGroup(rest))
    ) {
      warnings.push(`${name} is no setting of Bursar (the nearest that is: ${nearestName(name, product)})`);
    }
  }
}

const isOfGroup = (rest: string): boolean =>
  rest.split('_').some((_, index, words) => isSection(words.slice(0, index).join('_').toLowerCase()));

function nearestName(name: string, product: string): string | undefined {
  const names = product === 'BURSAR' ? [...OURS] : KEY_NAMES.map((key) => `ASBB_${variableOf(key)}`);
  return nearestOf(
    name.toUpperCase(),
    names.map((each) => each.toLowerCase()),
  )?.name.toUpperCase();
}
