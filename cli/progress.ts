/** What goes on during a long command, beside its result: one line that is written over on a terminal, a line a step elsewhere. */
import type { Io } from './io';

export interface Step {
  step: string;
  done: number;
  of?: number;
}

const EVERY_MS = 200;

export function showProgress({ err, now }: Io): { tell: (step: Step) => void; end: () => void } {
  let [last, shownAt, width] = ['', 0, 0];
  const sentence = ({ step, done, of }: Step) =>
    `${step}: ${done.toLocaleString('en')}${of === undefined ? '' : ` of ${of.toLocaleString('en')}`}`;
  return {
    tell(step) {
      if (!err.isTerminal) {
        if (step.step !== last) err.write(`${step.step} …\n`);
        last = step.step;
        return;
      }
      const at = now().getTime();
      if (step.step === last && step.done !== step.of && at - shownAt < EVERY_MS) return;
      const line = sentence(step);
      err.write(`\r${line.padEnd(width)}`);
      [last, shownAt, width] = [step.step, at, line.length];
    },
    end() {
      if (width > 0) err.write(`\r${' '.repeat(width)}\r`);
      width = 0;
    },
  };
}
