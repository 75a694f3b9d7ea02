/** cli_filter.lua: a price beside the submission, never in its way. */
import { respond } from './helpers/hook';
import { openHookHouse, quickest } from './helpers/hook-house';

const house = openHookHouse({ message: 'This job costs up to 14 USD, and fits.', cost: 14, unit: 'USD', fits: true });

const start = (more: object = {}): void =>
  house.start('cli_filter.lua', {
    ...{ url: house.service.url, token: 'estimates', cluster: 'eagle', show: true, deadline_ms: 5_000 },
    ...more,
  });
const filter = (options: object) => house.call({ call: 'filter', job: options });

test('the price is printed, asked for as the controller would see the job', async () => {
  start();
  expect(
    await filter({
      type: 'sbatch',
      account: 'lab',
      partition: 'gpu',
      time: '1-02:30:10',
      nodes: '2-4',
      ntasks: '8',
      'cpus-per-task': '2',
      mem: '4G',
      'gpus-per-node': 'a100:2',
      array: '1-10',
    }),
  ).toMatchObject({ code: 0, told: 'sbatch: This job costs up to 14 USD, and fits.\n' });
  expect(house.service.asked).toEqual([
    {
      path: '/api/v1/slurm/estimates',
      authorization: 'Bearer estimates',
      body: {
        cluster: 'eagle',
        job: {
          user: 'rkaur',
          account: 'lab',
          partition: 'gpu',
          time_limit: 1591,
          min_nodes: 2,
          max_nodes: 4,
          num_tasks: 8,
          cpus_per_task: 2,
          min_mem_per_node: 4096,
          tres_per_node: 'gres:gpu:a100:2',
          array: '1-10',
        },
      },
    },
  ]);
});

test('a time that nobody said is not sent', async () => {
  start();
  await filter({ time: '2982616-04:14:00' });
  expect(house.service.asked[0]?.body.job).toEqual({ user: 'rkaur' });
});

test('nothing is asked where the site does not want it', async () => {
  start({ show: false });
  expect(await filter({ account: 'lab' })).toMatchObject({ code: 0, told: '' });
  start();
  expect(await filter({ account: 'lab', quiet: '1' })).toMatchObject({ code: 0, told: '' });
  expect(house.service.asked).toEqual([]);
});

test.each([
  ['hangs', () => undefined],
  ['fails', (_asked: unknown, response: Parameters<typeof respond>[0]) => respond(response, 500, {})],
  ['makes no sense', (_asked: unknown, response: Parameters<typeof respond>[0]) => void response.end('<html>')],
])('a service that %s: nothing is printed or refused, within 300 ms', async (_how, answer) => {
  start({ deadline_ms: undefined });
  house.service.answer = answer;
  const came = await quickest(() => filter({ account: 'lab' }));
  expect(came).toMatchObject({ code: 0, logged: '', told: '' });
  expect(came.ms).toBeLessThan(450);
});
