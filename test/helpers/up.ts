/** `bursar up` as a process of its own, in a home of its own: the whole product as `npm start` runs it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../platform/paths';
import { findRunningStack } from '../../platform/supervisor';
import { ensureBuilt } from './built';
import { eventually } from './eventually';
import { noteServer, removeScratch, scratchHome } from './scratch';

export const BURSAR = join(PACKAGE_ROOT, 'bin/bursar.js');

export interface UpHouse {
  home: string;
  /** Ours, without the settings that would lead elsewhere. */
  env: NodeJS.ProcessEnv;
  /** Starts it, and waits until everything runs. */
  start(): Promise<Up>;
  /** What runs there, as it says itself; noted down, to be ended should this process not do it. */
  running(): ReturnType<typeof findRunningStack>;
  /** The address of the API. */
  api(): string;
  /** Ends what runs and removes the home. */
  close(): Promise<void>;
}

export interface Up {
  child: ChildProcess;
  /** All that it has printed. */
  said(): string;
}

export async function upHouse(): Promise<UpHouse> {
  ensureBuilt();
  const home = await scratchHome();
  const env = { ...process.env, BURSAR_HOME: home, BURSAR_PORT: '0' };
  for (const name of ['BURSAR_URL', 'ASBB_URL', 'DATABASE_URL', 'TEMPORAL_ADDRESS']) Reflect.deleteProperty(env, name);
  let last: ChildProcess | undefined;

  const running = () => {
    const stack = findRunningStack(home);
    for (const identity of Object.values(stack?.services ?? {})) noteServer(home, identity);
    return stack;
  };
  return {
    home,
    env,
    running,
    api: () => running()?.addresses?.api ?? '',
    async start() {
      let said = '';
      const child = (last = spawn(process.execPath, [BURSAR, 'up'], { env, stdio: ['ignore', 'pipe', 'pipe'] }));
      for (const stream of [child.stdout, child.stderr]) {
        stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
      }
      const isUp = () => {
        if (child.exitCode !== null) throw new Error(said);
        return said.includes('Ctrl-C stops it');
      };
      await eventually('everything is up', isUp, 120_000).catch((error: unknown) => {
        throw new Error(said, { cause: error });
      });
      return { child, said: () => said };
    },
    async close() {
      if (last && last.exitCode === null) {
        const exited = new Promise((resolve) => last?.once('close', resolve));
        last.kill('SIGINT');
        await exited;
      }
      await removeScratch(home);
    },
  };
}
