/** One answer for every key: flag before BURSAR_* before ASBB_* before the file before the default. */
import { readFileSync } from 'node:fs';
import { checkBudgets } from './budgets';
import { checkExposure } from './exposure';
import { isKey, KEY_NAMES, KEYS, keyOf, listen, HOST, PORT, WHERE_TO_LISTEN, type KeyName, type Values } from './keys';
import { checkNotifications } from './notification-keys';
import { isSet, readEnvironment, type Environment } from './read-env';
import { checkSlurm } from './slurm-keys';
import { findFile, readFile, type Findings, type Given, type Layer, type Places } from './read-file';

export interface Sources {
  env: Environment;
  places: Places;
  /** Values that were given on the command line, with the name of the option. */
  flags?: Partial<Record<KeyName, { text: string; option: string }>> | undefined;
  /** The file, in place of a search. */
  file?: string | undefined;
}

export interface Effective {
  values: Values;
  /** Where each value comes from: `default`, or the place of what was given. */
  given: Layer;
  /** The text behind each value, references followed. Secrets are in it. */
  texts: ReadonlyMap<KeyName, string>;
  file?: string;
}

export function readEffective({ env, places, flags = {}, file: named }: Sources, findings: Findings): Effective {
  const { bursar, asbb } = readEnvironment(env, findings);
  const chosen = named ?? (isSet(env.BURSAR_CONFIG) ? env.BURSAR_CONFIG : undefined);
  const file = chosen ?? findFile(places);
  const layers = [flagLayer(flags), bursar, asbb, file === undefined ? new Map() : readFile(file, findings)];

  const given: Layer = new Map();
  for (const key of KEY_NAMES) {
    const first = layers.map((layer) => layer.get(key)).find((each) => each !== undefined);
    if (first !== undefined) given.set(key, first);
  }
  listenWhere(env, given, findings);

  const texts = new Map<KeyName, string>();
  const values: Record<string, unknown> = {};
  for (const key of KEY_NAMES) {
    const said = given.get(key);
    const text = said === undefined ? keyOf(key).default : followed(key, said, env, findings);
    if (text === undefined) continue;
    texts.set(key, text);
    const result = keyOf(key).schema.safeParse(text);
    if (result.success) values[key] = result.data;
    else findings.mistakes.push(cannotBe(said?.saidAs ?? key, shownIn(key, text), keyOf(key).expects));
  }
  // Every key with a default has a value by now, or a mistake was found and nobody looks at the values.
  checkExposure(values, findings);
  checkSlurm(values, findings);
  checkBudgets(values, findings);
  checkNotifications(given, values, findings);
  return { values: values as Values, given, texts, ...(file !== undefined && { file }) };
}

const flagLayer = (flags: NonNullable<Sources['flags']>): Layer =>
  new Map(
    Object.entries(flags).flatMap(([key, flag]): [KeyName, Given][] =>
      isKey(key) && flag !== undefined ? [[key, { text: flag.text, from: flag.option, saidAs: flag.option }]] : [],
    ),
  );

/** BURSAR_HOST and BURSAR_PORT are older than `listen_addr`, and replace a part of it. */
function listenWhere(env: Environment, given: Layer, findings: Findings): void {
  const { BURSAR_HOST: host, BURSAR_PORT: port } = env;
  const hostIsGood = !isSet(host) || HOST.safeParse(host).success;
  const portIsGood = !isSet(port) || PORT.safeParse(port).success;
  const cannot = (name: string, text: string | undefined, expects: string) =>
    findings.mistakes.push(cannotBe(name, JSON.stringify(text), expects));
  if (!hostIsGood) cannot('BURSAR_HOST', host, WHERE_TO_LISTEN);
  if (!portIsGood) cannot('BURSAR_PORT', port, 'a port number, 0 to 65535 (0 takes any free one)');
  if (hostIsGood && portIsGood && (isSet(host) || isSet(port))) {
    const said = given.get('service.listen_addr');
    const below = listen.safeParse(said?.text ?? KEYS['service.listen_addr'].default);
    if (!below.success) return; // Its own mistake is told by whoever reads it.
    const names = [...(isSet(host) ? ['BURSAR_HOST'] : []), ...(isSet(port) ? ['BURSAR_PORT'] : [])].join(', ');
    const whole = addressOf({
      host: isSet(host) ? host : below.data.host,
      port: Number(isSet(port) ? port : below.data.port),
    });
    given.set('service.listen_addr', { text: whole, from: names, saidAs: names });
  }
}

const addressOf = ({ host, port }: { host: string; port: number }): string =>
  `${host.includes(':') ? `[${host}]` : host}:${port}`;

/** A secret may be somewhere else, and be only named here. */
function followed(key: KeyName, { text, saidAs }: Given, env: Environment, findings: Findings): string | undefined {
  const [, kind, where = ''] = (keyOf(key).secret ? /^(env|file):(.*)$/s.exec(text) : undefined) ?? [];
  if (kind === undefined) return text;
  const found = kind === 'env' ? env[where] : contentOf(where);
  if (isSet(found)) return found;
  const why = kind === 'env' ? 'is not set' : 'cannot be read, or is empty';
  findings.mistakes.push(`${saidAs} refers to ${kind}:${where}, which ${why}`);
  return undefined;
}

function contentOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  } catch {
    return undefined;
  }
}

const cannotBe = (what: string, shown: string, expects: string): string =>
  `${what} cannot be ${shown}: it must be ${expects}`;

/** What is secret, or looks as if it had a password in it, is not repeated. */
const shownIn = (key: KeyName, text: string): string =>
  keyOf(key).secret || /:\/\/[^/]*@/.test(text) ? 'what it is now' : JSON.stringify(text.slice(0, 200));
