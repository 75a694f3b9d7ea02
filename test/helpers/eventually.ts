/** Waiting for something to become true, instead of sleeping and hoping. */
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Asks again and again until the answer is neither false, undefined nor an error. Fails with what it last heard. Whoever waits in vain
 * waits long: a busy machine takes many times as long as an idle one, and that is no fault of what is tested.
 */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | false | undefined> | T | false | undefined,
  withinMs = 60_000,
): Promise<T> {
  let last: unknown;
  for (const deadline = Date.now() + withinMs; Date.now() < deadline; await sleep(25)) {
    try {
      const answer = await ask();
      if (answer !== false && answer !== undefined) return answer;
      last = answer;
    } catch (error) {
      last = error;
    }
  }
  throw new Error(`waited ${withinMs} ms in vain: ${what}`, { cause: last });
}
