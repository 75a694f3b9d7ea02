/** What goes on during a long command, beside its result: one line that is written over on a terminal, a line a step elsewhere. */
import type { Io } from './io';

export interface Step {
  step: string;
  done: number;
  of?: number;
  /** Of what; default: as the step says. */
  unit?: string;
  /** How fast, and how long still. */
  note?: string;
}

const EVERY_MS = 200;
/** In a log, where each line stays. */
const EVERY_MS_IN_A_LOG = 30_000;

export function showProgress({ err, now }: Io): { tell: (step: Step) => void; end: () => void } {
  let [last, shownAt, width] = ['', 0, 0];
  const sentence = ({ step, done, of, unit, note }: Step) =>
    `${step}: ${done.toLocaleString('en')}${of === undefined ? '' : ` of ${of.toLocaleString('en')}`}${unit === undefined ? '' : ` ${unit}`}${note === undefined ? '' : ` (${note})`}`;
  return {
    tell(step) {
      const at = now().getTime();
      if (!err.isTerminal) {
        if (step.step !== last) err.write(`${step.step} …\n`);
        else if (step.note === undefined || at - shownAt < EVERY_MS_IN_A_LOG) return;
        else err.write(`${sentence(step)}\n`);
        [last, shownAt] = [step.step, at];
        return;
      }
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
