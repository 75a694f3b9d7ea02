import type { Command } from 'commander';
import { readSettings } from '../../platform/config';
import {
  asServerSees,
  findService,
  SERVICE_NAMES,
  SERVICES,
  type ServiceInfo,
  type ServiceName,
} from '../ecosystem/probe';
import {
  recommendationsFor,
  recommendedMode,
  reportOn,
  suggestedSettings,
  type EcosystemReport,
} from '../ecosystem/report';
import { EXIT, Stop } from '../exit';
import { FIELDS } from '../fields';
import type { Act, Session } from '../session';
import { orMistakes } from '../settings';
import type { Health } from '../wire';
import { readHealth } from './status';

type WhereOptions = Partial<Record<ServiceName, string>>;

const WHERE = `
Each service is looked for where --advisor, --asbx or --asba says, else where the configuration says, else at the usual
places: ports 8081, 8082 and 8083 of this machine and of the hosts advisor, asbx and asba. One that is at none of these is
what the server says of it, where the server is configured for it and can be reached.
`;

export function defineEcosystem(parent: Command, act: Act): void {
  const ecosystem = parent
    .command('ecosystem')
    .summary('The neighbours: advisor, ASBX, ASBA')
    .description(
      'Look for the services that can stand beside Bursar: an advisor that knows what jobs cost, ASBX that reports what they have cost, ASBA that decides where they run. Bursar needs none of them.',
    )
    .addHelpText('after', '\nExamples:\n  $ bursar ecosystem discover\n  $ bursar ecosystem health --json\n');

  const command = (name: string, summary: string, description: string, examples: string) =>
    ecosystem
      .command(name)
      .summary(summary)
      .description(description)
      .option('--advisor <url>', 'where the advisor is')
      .option('--asbx <url>', 'where ASBX is')
      .option('--asba <url>', 'where ASBA is')
      .addHelpText('after', `${WHERE}\nExamples:\n${examples}`);

  command(
    'discover',
    'Look for them, and suggest settings',
    'Look for all of them, at most 30 s, and suggest settings for those that are there.',
    '  $ bursar ecosystem discover\n  $ bursar ecosystem discover --advisor http://advisor.example.org:8081\n',
  ).action(act(async (session, options: WhereOptions) => showDiscovery(session, await look(session, options, 30))));

  command(
    'status',
    'How complete the ecosystem is',
    'Say how many of them are there, at most 10 s, and what the server makes of those that it is configured for.',
    '  $ bursar ecosystem status\n  $ bursar ecosystem status --json\n',
  ).action(
    act(async (session, options: WhereOptions) => {
      const [report, server] = await Promise.all([look(session, options, 10), serverHealth(session)]);
      showStatus(session, report, server);
    }),
  );

  command(
    'config',
    'Settings for what is there, as YAML',
    'Print the settings for those that are there, at most 15 s, as they would stand in the configuration file.',
    '  $ bursar ecosystem config > found.yaml\n  $ bursar ecosystem config --json\n',
  ).action(
    act(async (session, options: WhereOptions) => {
      const settings = suggestedSettings((await look(session, options, 15)).services);
      session.answer(settings, () => session.io.out.write(yamlOf(settings)));
    }),
  );

  command(
    'health',
    'How each of them is',
    'Look at each of them, at most 20 s: 0 if those that are configured, or named here, are well, 1 if one of them is not.',
    '  $ bursar ecosystem health\n  $ bursar ecosystem health --asbx http://asbx.example.org:8082\n',
  ).action(act((session, options: WhereOptions) => showHealth(session, options)));
}

/** Where each of them is said to be, if anybody says so. */
function named(session: Session, options: WhereOptions): WhereOptions {
  const { given, texts } = orMistakes(() => readSettings(session.io.env, session.commandLine()));
  const where: WhereOptions = {};
  for (const name of SERVICE_NAMES) {
    const [key] = SERVICES[name].configuredBy;
    const said = options[name] ?? (given.has(key) ? texts.get(key) : undefined);
    if (said === undefined) continue;
    if (!URL.canParse(said) || !/^https?:$/.test(new URL(said).protocol)) {
      throw new Stop(EXIT.usage, `--${name} takes an address like http://127.0.0.1:8081, not "${said}".`);
    }
    where[name] = said;
  }
  return where;
}

async function look(session: Session, options: WhereOptions, secondsMax: number): Promise<EcosystemReport> {
  const where = named(session, options);
  const signal = AbortSignal.any([AbortSignal.timeout(secondsMax * 1000), session.io.interrupted]);
  const endpointsOf = (name: ServiceName): readonly string[] => {
    const said = where[name];
    return said === undefined ? SERVICES[name].endpoints : [said];
  };
  const [server, ...services] = await Promise.all([
    SERVICE_NAMES.every((name) => where[name] !== undefined) ? undefined : serverHealth(session),
    ...SERVICE_NAMES.map((name) => findService(name, endpointsOf(name), session.io.now(), signal)),
  ]);
  return reportOn(
    services.map((service) => {
      const { name, health_status: state } = service;
      if (where[name] !== undefined || state !== 'not_found') return service;
      return asServerSees(name, server?.services[name], service) ?? service;
    }),
  );
}

const SHOWN_STATES = { healthy: 'healthy', unavailable: 'unavailable', not_found: 'not found' } as const;
const placeOf = ({ endpoint }: ServiceInfo) => endpoint || 'where the server has it';
const colorOf = ({ health_status: state }: ServiceInfo) =>
  state === 'healthy' ? 'green' : state === 'unavailable' ? 'red' : 'dim';

function showDiscovery(session: Session, report: EcosystemReport): void {
  const { services, health, mode } = report;
  const recommendations = recommendationsFor(services);
  const settings = suggestedSettings(services);
  const body = { services, ecosystem_health: health, mode, recommended_mode: recommendedMode(services) };
  session.answer(
    { ...body, recommendations, suggested_settings: settings },
    () => {
      session.table<ServiceInfo>(services, [
        { title: 'SERVICE', value: ({ name }) => name },
        { title: 'ENDPOINT', value: placeOf, shrinksTo: 16 },
        { title: 'STATUS', value: ({ health_status: state }) => SHOWN_STATES[state], color: colorOf },
        { title: 'VERSION', value: ({ version }) => version || '-' },
        { title: 'CAPABILITIES', value: ({ capabilities }) => capabilities.join(', ') || '-', shrinksTo: 12 },
      ]);
      session.line();
      session.fields([
        ['Ecosystem', `${health} (${report.available} of ${report.total})`],
        ['Mode', mode],
        ['Recommended mode', body.recommended_mode],
      ]);
      session.heading('Recommendations');
      for (const sentence of recommendations) session.say(`  ${sentence}`);
      session.heading('Suggested settings');
      session.io.out.write(yamlOf(settings));
    },
    FIELDS.service,
    services,
  );
}

/** Undefined where no server can be reached: that is said, and no reason to stop. */
const serverHealth = (session: Session): Promise<Health | undefined> =>
  readHealth(session.client, 5_000).catch(() => undefined);

function showStatus(session: Session, report: EcosystemReport, server: Health | undefined): void {
  const { services, available, total, share, health, mode } = report;
  const body = { ecosystem_health: health, mode, available, total, share, services };
  session.answer(
    { ...body, operational_mode: server?.operational_mode ?? null },
    () => {
      session.fields([
        ['Ecosystem', `${health}: ${available} of ${total} (${share} %)`],
        ['Mode', mode],
        ...services.map(
          (service) => [service.name, `${SHOWN_STATES[service.health_status]}  ${placeOf(service)}`] as const,
        ),
        ['Bursar', server ? `${server.operational_mode} at ${session.endpoint}` : `not reached at ${session.endpoint}`],
      ]);
    },
    FIELDS.service,
    services,
  );
}

async function showHealth(session: Session, options: WhereOptions): Promise<void> {
  const expected = named(session, options);
  const { services } = await look(session, options, 20);
  const missing = services.filter(
    ({ name, available, endpoint }) => !available && (expected[name] !== undefined || endpoint === ''),
  );
  session.answer(
    { ok: missing.length === 0, services },
    () => {
      session.table<ServiceInfo>(services, [
        { title: 'SERVICE', value: ({ name }) => name },
        { title: 'ENDPOINT', value: placeOf, shrinksTo: 16 },
        { title: 'HEALTH', value: ({ health_status: state }) => SHOWN_STATES[state], color: colorOf },
        { title: 'MS', value: ({ response_ms: ms }) => String(ms), align: 'right' },
        { title: 'CHECKED (UTC)', value: ({ last_check: at }) => at.slice(0, 19).replace('T', ' '), optional: 1 },
        { title: 'DETAIL', value: ({ detail }) => detail ?? '-', shrinksTo: 8 },
      ]);
    },
    FIELDS.service,
    services,
  );
  if (missing.length > 0) {
    throw new Stop(
      EXIT.failure,
      `Not well: ${missing.map((service) => `${service.name} at ${service.endpoint || session.endpoint}`).join(', ')}.`,
    );
  }
}

/** Two levels of words, which is YAML as it stands: addresses and names need no quotes. */
const yamlOf = (settings: Record<string, Record<string, string | boolean>>): string =>
  Object.entries(settings)
    .map(
      ([group, keys]) =>
        `${group}:\n${Object.entries(keys)
          .map(([key, value]) => `  ${key}: ${value}\n`)
          .join('')}`,
    )
    .join('');
