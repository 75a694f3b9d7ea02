import { mkdirSync, chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive } from '../../platform/embedded/processes';
import {
  launchService,
  startService,
  trimLog,
  type Service,
  type ServiceEvent,
  type ServiceSpec,
} from '../../platform/embedded/service';
import { openSupervisor, type SupervisorEvent } from '../../platform/supervisor';
import { eventually } from '../helpers/eventually';
import { removeScratch, scratchFolder } from '../helpers/scratch';

let folder: string;
let events: ServiceEvent[];
let running: Service[];
beforeEach(() => {
  folder = scratchFolder();
  events = [];
  running = [];
});
afterEach(async () => {
  for (const service of running) await service.stop();
  await removeScratch(folder);
});

/** A shell script as a service; it is ready when it says so. */
function script(text: string, overrides: Partial<ServiceSpec> = {}): ServiceSpec {
  const path = join(folder, 'service.sh');
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
  return {
    name: 'script',
    logFile: join(folder, 'script.log'),
    launch: () => Promise.resolve({ command: path, args: [] }),
    isReady: (output) => Promise.resolve(output().includes('ready')),
    readyWithinMs: 10_000,
    attempts: 3,
    stopSteps: [['SIGTERM', 2_000]],
    ...overrides,
  };
}

const note = (event: ServiceEvent) => void events.push(event);
const keep = (service: Service): Service => {
  running.push(service);
  return service;
};
const deaths = () => events.filter((event) => event.type === 'died');

test('one that dies is started again, later each time, until it is stopped', async () => {
  // It dies of having been seen ready, so that no life is too short to be one.
  const seen = join(folder, 'seen');
  const spec = script(`echo ready; until [ -e ${seen} ]; do sleep 0.02; done; rm ${seen}; exit 7`);
  const isReady: ServiceSpec['isReady'] = async (output) => {
    const ready = await spec.isReady(output);
    if (ready) writeFileSync(seen, '');
    return ready;
  };
  const service = keep(await startService({ ...spec, isReady }, note));
  await eventually('it died three times', () => deaths().length >= 3);
  expect(deaths().slice(0, 3)).toEqual([
    { type: 'died', how: 'ended with code 7', againInMs: 250 },
    { type: 'died', how: 'ended with code 7', againInMs: 500 },
    { type: 'died', how: 'ended with code 7', againInMs: 1_000 },
  ]);
  expect(events.some(({ type }) => type === 'recovered')).toBe(true);
  await service.stop();
  expect(service).toMatchObject({ isUp: false, identity: undefined });
});

test('one that never comes up fails with the end of its log', async () => {
  const failure = await startService(script('echo "port 8080 is taken" >&2; exit 1'), note).catch(
    (error: unknown) => error,
  );
  expect(String(failure)).toMatch(/script ended with code 1\. The end of .*script\.log:\n(port 8080 is taken\n?)+/);
  expect(deaths()).toHaveLength(2); // The third is the failure itself.
});

test('a program that is not there is told like any other death', async () => {
  const spec = script('', { launch: () => Promise.resolve({ command: '/nowhere/program', args: [] }), attempts: 1 });
  await expect(startService(spec, note)).rejects.toThrow(/could not be started .*ENOENT/);
});

test('one that lives but never gets ready is ended', async () => {
  const spec = script('sleep 60', { readyWithinMs: 100, attempts: 1 });
  await expect(startService(spec, note)).rejects.toThrow('was ended by SIGTERM');
});

test('one that does not heed SIGTERM is killed', async () => {
  const service = keep(
    await startService(
      script("trap '' TERM; echo ready; while :; do sleep 0.05; done", { stopSteps: [['SIGTERM', 100]] }),
      note,
    ),
  );
  const identity = service.identity;
  await service.stop();
  expect(identity && isAlive(identity)).toBe(false);
});

test('stopping while it is still being prepared starts nothing', async () => {
  let prepared = () => {};
  const spec = script('echo ready; sleep 60');
  const service = launchService(
    {
      ...spec,
      launch: () =>
        new Promise((resolve) => (prepared = () => resolve({ command: join(folder, 'service.sh'), args: [] }))),
    },
    note,
  );
  const failed = service.ready.catch((error: unknown) => String(error));
  const stopped = service.stop();
  prepared();
  await stopped;
  expect(await failed).toContain('was stopped before it was ready');
  expect(events).toEqual([]);
});

test('a log that has grown too large is put aside, and its writer goes on in the empty one', async () => {
  const service = keep(await startService(script('echo ready; while :; do echo tick; sleep 0.05; done'), note));
  const log = join(folder, 'script.log');
  writeFileSync(log, 'x'.repeat(17 * 1024 * 1024), { flag: 'a' });
  trimLog(log);
  expect(readFileSync(`${log}.1`).length).toBeGreaterThan(17 * 1024 * 1024 - 1);
  await eventually('it writes on', () => /^(tick\n)+$/.test(readFileSync(log, 'utf8')));
  await service.stop();
});

test('a log that cannot be copied aside, as on a full disk, is cut all the same', () => {
  const log = join(folder, 'big.log');
  writeFileSync(log, 'x'.repeat(17 * 1024 * 1024));
  mkdirSync(`${log}.1`);
  trimLog(log);
  expect(readFileSync(log).length).toBe(0);
});

test('a supervisor that cannot write down what it started keeps it alive all the same', async () => {
  const told: SupervisorEvent[] = [];
  const supervisor = await openSupervisor(folder, (event) => told.push(event));
  try {
    const service = await supervisor.start(script('echo ready; exec sleep 60'));
    mkdirSync(join(folder, 'stack.json.new'));
    const first = service.identity?.pid ?? 0;
    process.kill(first, 'SIGKILL');
    await eventually('it is there again', () => told.some(({ type }) => type === 'recovered'));
    expect(service.identity?.pid).not.toBe(first);
  } finally {
    await supervisor.stop();
  }
});
