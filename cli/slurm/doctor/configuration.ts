/** slurm.json: is everything there that hooks and relay read, and is it what they take it for? */
import { existsSync, statSync } from 'node:fs';
import { failed, INSTALL, ok, readObject, warning, type Finding, type HookConfig } from './finding';

type Kind = 'text' | 'address' | 'number' | 'count' | 'yes or no';

const SORTS: Record<Kind, { is: (value: unknown) => boolean; name: string }> = {
  text: { is: (value) => typeof value === 'string' && value !== '', name: 'a text' },
  address: {
    is: (value) => typeof value === 'string' && /^https?:\/\//.test(value) && URL.canParse(value),
    name: 'an address (http://…)',
  },
  number: { is: (value) => typeof value === 'number' && value > 0, name: 'a number above 0' },
  count: {
    is: (value) => typeof value === 'number' && Number.isInteger(value) && value >= 0,
    name: 'a whole number, or 0 for none',
  },
  'yes or no': { is: (value) => typeof value === 'boolean', name: 'true or false' },
};

const KINDS: Record<keyof HookConfig, Kind> = {
  url: 'address',
  relay_url: 'address',
  cluster: 'text',
  token_file: 'text',
  token: 'text',
  deadline_ms: 'number',
  spares: 'count',
  spool: 'text',
  spool_bytes: 'number',
  policy_file: 'text',
  hour_file: 'text',
  state_file: 'text',
  policy_seconds: 'count',
  queue_seconds: 'count',
  history_seconds: 'count',
  show: 'yes or no',
};

const NEEDED = ['url', 'cluster', 'token_file', 'spool', 'policy_file', 'state_file'] as const;

/** Beyond this a user at his terminal, and everybody behind him in the controller, notices. */
const DEADLINE_IS_LONG_MS = 5_000;

/** Undefined where nothing that follows from it could be looked at. */
export function readConfiguration(place: string): { finding: Finding; config?: HookConfig } {
  const check = 'configuration';
  if (!existsSync(place)) return { finding: failed(check, `${place} is not there`, INSTALL) };
  const found = readObject(place);
  if (found === undefined) {
    return {
      finding: failed(check, `${place} is no JSON object`, `Mend it, or take it away. ${INSTALL}`),
    };
  }
  const missing = NEEDED.filter((name) => found[name] === undefined);
  const wrong = Object.entries(KINDS).filter(
    ([name, kind]) => found[name] !== undefined && !SORTS[kind].is(found[name]),
  );
  if (missing.length > 0 || wrong.length > 0) {
    const said = [
      ...(missing.length > 0 ? [`lacks ${missing.join(', ')}`] : []),
      ...wrong.map(([name, kind]) => `has ${JSON.stringify(found[name])} for ${name}, which is ${SORTS[kind].name}`),
    ];
    const mend = `${wrong.length > 0 ? `Correct ${place}; installing leaves what a site has set there. ` : ''}${INSTALL}`;
    return { finding: failed(check, `${place} ${said.join('; ')}`, mend) };
  }
  const config: HookConfig = found;
  const waits = config.deadline_ms ?? 500;
  if ((statSync(place).mode & 0o007) !== 0) {
    return { config, finding: warning(check, `${place} can be read by everybody`, `chmod o= ${place}`) };
  }
  if (waits > DEADLINE_IS_LONG_MS) {
    const detail = `with ${config.url} away a submission waits for ${waits} ms, and the controller holds its locks`;
    return { config, finding: warning(check, detail, `Lower deadline_ms in ${place}; 500 is usual.`) };
  }
  const detail = `${place}: cluster ${config.cluster}, asks ${config.url} for at most ${waits} ms`;
  return { config, finding: ok(check, detail) };
}
