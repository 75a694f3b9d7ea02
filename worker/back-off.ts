/** Waiting, for loops that must neither spin nor oversleep. */

export interface Pause {
  atMost(ms: number): Promise<void>;
  /** Ends the wait that is going on, if there is one. */
  end(): void;
}

export function makePause(): Pause {
  let end = () => {};
  return {
    atMost: (ms) =>
      new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        end = () => {
          clearTimeout(timer);
          resolve();
        };
      }),
    end: () => end(),
  };
}

/** Milliseconds to wait, the first and the longest time. */
export type BackOff = readonly [firstMs: number, longestMs: number];

/** Doubles with every failure, up to the longest; half of it is chance, so that many do not come back at once. */
export const backOffMs = ([firstMs, longestMs]: BackOff, failures: number): number =>
  Math.min(firstMs * 2 ** Math.min(failures, 30), longestMs) * (0.5 + Math.random() / 2);
