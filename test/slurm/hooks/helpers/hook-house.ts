/** What the suite of a hook works in: a service that answers, and for each test a folder of its own and the hook in it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { removeScratch, scratchFolder } from '../../../helpers/scratch';
import { startHook, startService, type Came, type Hook, type Service } from './hook';

export const YES = { accept: true, message: '', mode: 'enforce' };
export const REFUSED = 2050;
export const JOB = { user_name: 'rkaur', user_id: 1000, account: 'lab', partition: 'gpu', time_limit: 60, min_cpus: 4 };

export interface HookHouse {
  readonly service: Service;
  /** Of this test; its spool is there. */
  readonly folder: string;
  /** Starts a hook in the place of the one that runs; it is stopped with the test. */
  start(name: string, config: object, script?: string): void;
  call(call: object): Promise<Came>;
}

/** Call it where a suite begins. At the start of each test the service has been asked nothing, and answers so. */
export function openHookHouse(answer: Service['answer'] = {}): HookHouse {
  let [scratch, folder, made] = ['', '', 0];
  let service: Service | undefined;
  let hook: Hook | undefined;
  const there = <T>(part: T | undefined): T => {
    if (part === undefined) throw new Error('a hook house is open while a test runs, its hook once it is started');
    return part;
  };
  beforeAll(async () => {
    scratch = scratchFolder();
    service = await startService();
  });
  beforeEach(() => {
    folder = join(scratch, String((made += 1)));
    mkdirSync(join(folder, 'spool'), { recursive: true });
    Object.assign(there(service), { asked: [], connections: [], answer });
  });
  afterEach(() => {
    hook?.stop();
    hook = undefined;
  });
  afterAll(async () => {
    await service?.stop();
    await removeScratch(scratch);
  });
  return {
    get service() {
      return there(service);
    },
    get folder() {
      return folder;
    },
    start(name, config, script) {
      hook?.stop();
      hook = startHook(name, folder, config, script);
    },
    call: (call) => there(hook).call(call),
  };
}

/** The quickest of three calls: what else the machine has to do is not the hook's fault. */
export async function quickest(call: () => Promise<Came>): Promise<Came> {
  const came = [await call(), await call(), await call()];
  return came.reduce((best, each) => (each.ms < best.ms ? each : best));
}

/** The house of job_submit.lua. */
export function openSubmitHouse() {
  const house = openHookHouse(YES);
  const configOf = (more: object) => ({
    url: house.service.url,
    token: 'secret',
    cluster: 'eagle',
    // Where it matters how long a hook waits, the test says so.
    deadline_ms: 5_000,
    spool: join(house.folder, 'spool'),
    policy_file: join(house.folder, 'policy.json'),
    ...more,
  });
  return Object.assign(house, {
    startHook: (more: object = {}) => house.start('job_submit.lua', configOf(more)),
    /** The hook reads its configuration for each submission. */
    change: (more: object) => writeFileSync(join(house.folder, 'slurm.json'), JSON.stringify(configOf(more))),
    submit: (job: object = {}, more: object = {}) => house.call({ call: 'submit', job: { ...JOB, ...job }, ...more }),
  });
}
