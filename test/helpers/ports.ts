/** Ports for what is killed and started again on the port it had. */
import { randomInt } from 'node:crypto';
import { isPortFree } from '../../platform/embedded/ports';

/**
 * Below where systems take ports for connections from: else, while it is dead, its port may be one end of somebody's connection.
 * (Temporal, too, writes its ports into columns that end at 32767.)
 */
const LOWEST = 20_000;
const WORKERS = 8;
const OF_EACH = 1_500;

const given = new Set<number>();

/**
 * A free one, given away once. Each of jest's workers has ports of its own, so that no two of them can choose the same one before
 * either listens on it.
 */
export async function ownPort(): Promise<number> {
  const worker = (Number(process.env.JEST_WORKER_ID ?? 1) - 1) % WORKERS;
  for (;;) {
    const port = LOWEST + worker * OF_EACH + randomInt(OF_EACH);
    if (given.has(port) || !(await isPortFree(port, '0.0.0.0'))) continue;
    given.add(port);
    return port;
  }
}
