/** /health says how the services beside Bursar are, and in which mode that leaves it, without waiting for any of them. */
import { readConfig } from '../../platform/config';
import { hangs, says, startAdvisor, type AdvisorServer } from '../helpers/advisor-server';
import { eventually } from '../helpers/eventually';
import { JOB, startApi, type TestApi } from './helpers/api';

let advisor: AdvisorServer;
let asbx: AdvisorServer;
let api: TestApi | undefined;
beforeEach(async () => {
  advisor = await startAdvisor(says({ status: 'healthy' }));
  asbx = await startAdvisor(says({ status: 'healthy' }));
});
afterEach(async () => {
  await api?.stop();
  api = undefined;
  await advisor.stop();
  await asbx.stop();
});

async function start(keys: Record<string, string> = {}): Promise<TestApi> {
  const { integration } = readConfig(
    [],
    {
      BURSAR_ADVISOR_URL: advisor.url,
      BURSAR_INTEGRATION_ASBX_ENABLED: 'true',
      BURSAR_INTEGRATION_ASBX_ENDPOINT: `${asbx.url}/asbx`,
      BURSAR_INTEGRATION_ASBX_API_KEY: 'k-asbx',
      BURSAR_INTEGRATION_HEALTH_CHECK_INTERVAL: '1s',
      BURSAR_INTEGRATION_RETRY_ATTEMPTS: '2',
      BURSAR_ADVISOR_RETRY_ATTEMPTS: '0',
      ...keys,
    },
    { file: '/dev/null' },
  );
  api = await startApi({ integration });
  return api;
}

const health = async () => {
  const { status, body } = await (api as TestApi).get('/health');
  return { status, mode: body.operational_mode, advisor: body.services.advisor, asbx: body.services.asbx };
};

test('what is configured is looked at, with its key; what is not is said so', async () => {
  const { neighbours } = await start();
  expect(await health()).toEqual({ status: 200, mode: 'integrated', advisor: 'unknown', asbx: 'unknown' });
  await neighbours?.look();
  expect(await health()).toEqual({ status: 200, mode: 'integrated', advisor: 'healthy', asbx: 'healthy' });
  expect((await api?.get('/health'))?.body.services.asba).toBe('not_configured');
  expect(asbx.asked[0]).toMatchObject({
    method: 'GET',
    url: '/asbx/health',
    headers: { authorization: 'Bearer k-asbx' },
  });
});

test('one bad look is forgiven, a second in a row is not; one good look and it is well', async () => {
  const { neighbours } = await start();
  await neighbours?.look();
  asbx.respond = says({}, 503);
  await neighbours?.look();
  expect(await health()).toMatchObject({ mode: 'integrated', asbx: 'healthy' });
  await neighbours?.look();
  expect(await health()).toMatchObject({ status: 200, mode: 'fallback', asbx: 'unhealthy: it answered with HTTP 503' });
  asbx.respond = says({});
  await neighbours?.look();
  expect(await health()).toMatchObject({ mode: 'integrated', asbx: 'healthy' });
});

test('one that was never well is not well at the first look, and nobody waits longer than its timeout', async () => {
  asbx.respond = hangs;
  const { neighbours } = await start({ BURSAR_INTEGRATION_ASBX_TIMEOUT: '30ms' });
  await neighbours?.look();
  expect(await health()).toMatchObject({ mode: 'fallback', advisor: 'healthy', asbx: 'unhealthy: no answer in time' });
});

test('an advisor that is left alone makes it fallback, however well it says it is', async () => {
  const { neighbours } = await start();
  await neighbours?.look();
  const account = await (api as TestApi).account('a');
  for (let nodes = 1; nodes <= 5; nodes++) await api?.post('/api/v1/budget/check', { account, ...JOB, nodes });
  expect(await health()).toMatchObject({ mode: 'fallback', advisor: 'healthy' });
});

test('they are looked at by themselves, again and again, until the process ends', async () => {
  const { neighbours } = await start();
  neighbours?.start();
  await eventually('it was looked at twice', () => asbx.asked.length >= 2);
  expect(await health()).toMatchObject({ mode: 'integrated' });
  neighbours?.stop();
});
