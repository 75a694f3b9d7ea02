/** bursar ecosystem: what stands beside Bursar is found where contract 14 looks for it, and never waited for too long. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findService, SERVICES } from '../../cli/ecosystem/probe';
import { recommendedMode, reportOn } from '../../cli/ecosystem/report';
import { hangs, says, startAdvisor, type AdvisorServer } from '../helpers/advisor-server';
import { removeScratch, scratchHome } from '../helpers/scratch';
import { runBursar } from './helpers/cli';

let there: AdvisorServer;
let folder: string;
beforeAll(async () => {
  folder = await scratchHome();
});
afterAll(() => removeScratch(folder));
beforeEach(async () => {
  there = await startAdvisor(says({ status: 'healthy', version: '0.4.0', features: ['spot_prices'] }));
});
afterEach(() => there.stop());

/** Where nothing is: no port that somebody else on this machine may be given. */
const nowhere = 'http://127.0.0.1:1';

/** Looks at these three places only, and for a server nowhere. */
const ecosystem = (command: string, places: Partial<Record<'advisor' | 'asbx' | 'asba', string>>, ...more: string[]) =>
  runBursar(
    [
      'ecosystem',
      command,
      ...(['advisor', 'asbx', 'asba'] as const).flatMap((name) => [`--${name}`, places[name] ?? nowhere]),
      ...more,
    ],
    { env: { BURSAR_CONFIG: '/dev/null' }, endpoint: nowhere },
  );

test('discover shows what is there, the mode, and settings that a server takes as they are', async () => {
  const { code, out, err } = await ecosystem('discover', { advisor: there.url, asbx: there.url });
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(out).toMatch(/^SERVICE +ENDPOINT +STATUS +VERSION +CAPABILITIES$/m);
  expect(out).toMatch(
    new RegExp(`^advisor +${there.url} +healthy +0\\.4\\.0 +cost_estimation, performance_analysis, spot_prices$`, 'm'),
  );
  expect(out).toMatch(new RegExp(`^asba +${nowhere} +not found +- +-$`, 'm'));
  expect(out).toMatch(/^Mode: +integrated$/m);

  const { out: yaml } = await ecosystem('config', { advisor: there.url, asbx: there.url });
  expect(out.endsWith(yaml)).toBe(true);
  const file = join(folder, 'suggested.yaml');
  writeFileSync(file, yaml);
  expect(await runBursar(['config', 'validate', file, '--json'])).toMatchObject({
    code: 0,
    json: { ok: true, mistakes: [], warnings: [] },
  });
  expect((await ecosystem('config', { asbx: there.url }, '--json')).json).toEqual({
    integration: { advisor_enabled: false, asbx_enabled: true, asbx_endpoint: there.url, asba_enabled: false },
  });
});

test('discover as JSON has every field of the contract', async () => {
  const { json } = await ecosystem('discover', { asba: there.url }, '--json');
  expect(json).toMatchObject({
    ecosystem_health: 'partial',
    mode: 'enhanced',
    recommended_mode: 'ecosystem',
    services: [
      {
        name: 'advisor',
        version: '',
        endpoint: nowhere,
        available: false,
        capabilities: [],
        health_status: 'not_found',
      },
      { name: 'asbx', available: false },
      {
        name: 'asba',
        version: '0.4.0',
        endpoint: there.url,
        available: true,
        last_check: expect.stringMatching(/Z$/),
        capabilities: ['decision_making', 'resource_allocation', 'burst_optimization'],
        health_status: 'healthy',
      },
    ],
  });
});

test.each([
  [[true, true, true], 'complete', 'complete_ecosystem', 'complete_ecosystem'],
  [[true, true, false], 'good', 'integrated', 'integrated'],
  [[true, false, true], 'good', 'integrated', 'ecosystem'],
  [[true, false, false], 'partial', 'enhanced', 'enhanced'],
  [[false, true, false], 'partial', 'enhanced', 'integrated'],
  [[false, false, false], 'standalone', 'standalone', 'standalone'],
])('advisor, ASBX, ASBA %j: %s, mode %s, recommended %s', (flags, health, mode, recommended) => {
  const services = (['advisor', 'asbx', 'asba'] as const).map((name, index) => ({
    name,
    version: '',
    endpoint: '',
    available: flags[index] ?? false,
    last_check: '',
    capabilities: [],
    health_status: 'healthy' as const,
    response_ms: 0,
  }));
  expect(reportOn(services)).toMatchObject({ health, mode });
  expect(recommendedMode(services)).toBe(recommended);
});

test.each(['/health', '/api/v1/health', '/status', '/version'])(
  'a service that only knows %s is found',
  async (path) => {
    there.respond = (answer, asked) => says({ version: '9' }, asked.url === path ? 200 : 404)(answer, asked);
    const { json } = await ecosystem('health', { advisor: there.url }, '--json');
    expect(json).toMatchObject({ services: [{ available: true, version: '9' }, {}, {}] });
  },
);

test('the first place in the order counts, and the usual places are those of the contract', async () => {
  const second = await startAdvisor(says({ version: '2' }));
  const find = (...endpoints: string[]) => findService('asbx', endpoints, new Date(), new AbortController().signal);
  expect(await find(nowhere, there.url, second.url)).toMatchObject({ endpoint: there.url, version: '0.4.0' });
  expect(await find(second.url, there.url)).toMatchObject({ endpoint: second.url, version: '2' });
  there.respond = says({}, 500);
  expect(await find(there.url, second.url)).toMatchObject({ endpoint: second.url });
  expect(await find(nowhere, there.url)).toMatchObject({ endpoint: there.url, health_status: 'unavailable' });
  await second.stop();
  expect(SERVICES.asba.endpoints).toEqual([
    'http://localhost:8083',
    'http://asba:8083',
    'http://academic-slurm-burst:8083',
  ]);
});

test('health ends with 1 where one that was named is not well, and says which', async () => {
  const broken = await startAdvisor(says({}, 503));
  const { code, out, err } = await ecosystem('health', { advisor: there.url, asbx: broken.url, asba: there.url });
  expect({ code, err }).toEqual({ code: 1, err: `Not well: asbx at ${broken.url}.\n` });
  expect(out).toMatch(new RegExp(`^asbx +${broken.url} +unavailable .*it answered with HTTP 503$`, 'm'));
  await broken.stop();
  const all = { advisor: there.url, asbx: there.url, asba: there.url };
  expect(await ecosystem('health', all)).toMatchObject({ code: 0, err: '' });
});

test('one that hangs or never ends its answer is given up, and nobody else waits for it', async () => {
  there.respond = hangs;
  const soon = AbortSignal.timeout(50);
  expect(await findService('advisor', [there.url], new Date(), soon)).toMatchObject({
    health_status: 'not_found',
    detail: 'no answer in time',
  });
});

test('status counts them, and says how the server sees it', async () => {
  const bursar = await startAdvisor(says({ status: 'healthy', services: {}, operational_mode: 'fallback' }));
  const places = ['--advisor', there.url, '--asbx', nowhere, '--asba', nowhere];
  const { out } = await runBursar(['ecosystem', 'status', ...places], {
    env: { BURSAR_CONFIG: '/dev/null' },
    endpoint: bursar.url,
  });
  expect(out).toMatch(/^Ecosystem: +partial: 1 of 3 \(33 %\)$/m);
  expect(out).toMatch(new RegExp(`^Bursar: +fallback at ${bursar.url}$`, 'm'));
  await bursar.stop();
  const alone = await ecosystem('status', {});
  expect(alone).toMatchObject({ code: 0, out: expect.stringContaining(`not reached at ${nowhere}`) });
});

test('one that nobody here knows is what the server says of it', async () => {
  const services = {
    postgresql: 'healthy',
    advisor: 'healthy',
    asbx: 'unhealthy: no answer in time',
    asba: 'not_configured',
  };
  const bursar = await startAdvisor(says({ status: 'healthy', services, operational_mode: 'enhanced' }));
  const ask = (command: string, ...more: string[]) =>
    runBursar(['ecosystem', command, '--asba', nowhere, ...more], {
      env: { BURSAR_CONFIG: '/dev/null' },
      endpoint: bursar.url,
    });
  const health = await ask('health', '--json');
  expect(health).toMatchObject({
    code: 1,
    json: {
      services: [
        { name: 'advisor', available: true, endpoint: '', detail: 'as the server sees it: healthy' },
        { name: 'asbx', available: false, detail: 'as the server sees it: unhealthy: no answer in time' },
        { name: 'asba', available: false, endpoint: nowhere },
      ],
    },
  });
  expect((await ask('config')).out).toBe(
    'integration:\n  advisor_enabled: true\n  failure_mode: GRACEFUL\n  asbx_enabled: false\n  asba_enabled: false\n',
  );
  expect((await ask('status')).out).toMatch(/^advisor: +healthy +where the server has it$/m);
  await bursar.stop();
});

test('the configuration says where to look, and an option goes before it; nonsense is refused', async () => {
  const env = {
    BURSAR_CONFIG: '/dev/null',
    BURSAR_ADVISOR_URL: there.url,
    BURSAR_INTEGRATION_ASBX_ENDPOINT: there.url,
    BURSAR_INTEGRATION_ASBA_ENDPOINT: nowhere,
  };
  const { json } = await runBursar(['ecosystem', 'health', '--asbx', nowhere, '--json'], { env });
  expect(json).toMatchObject({ services: [{ available: true }, { available: false }, { endpoint: nowhere }] });
  expect(await runBursar(['ecosystem', 'health', '--asbx', 'asbx:8082'], { env })).toMatchObject({
    code: 2,
    err: '--asbx takes an address like http://127.0.0.1:8081, not "asbx:8082".\n',
  });
});
