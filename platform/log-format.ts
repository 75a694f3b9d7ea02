/** The log for eyes: one line an event, the fields behind it in `name=value`. Whoever reads it by machine takes JSON. */
import type { DestinationStream } from 'pino';

/** Fields that stand at the head of the line, or in every line alike. */
const HEAD = new Set(['time', 'level', 'service', 'msg', 'version', 'pid', 'err']);

/** Writes the JSON lines that it is given as lines for eyes. */
export function consoleLines(to: DestinationStream): DestinationStream {
  return {
    ...(hasFlush(to) && { flush: (done?: () => void) => to.flush(done) }),
    write: (line) => to.write(`${consoleLine(line)}\n`),
  };
}

const hasFlush = (to: DestinationStream): to is DestinationStream & { flush(done?: () => void): void } =>
  'flush' in to && typeof to.flush === 'function';

function consoleLine(json: string): string {
  const event = JSON.parse(json) as Record<string, unknown>;
  const { time, level, service, msg, err } = event;
  const fields = Object.entries(event)
    .filter(([name]) => !HEAD.has(name))
    .map(([name, value]) => ` ${name}=${plain(value)}`);
  const line = `${String(time)} ${String(level).toUpperCase().padEnd(5)} ${String(service)}: ${String(msg)}${fields.join('')}`;
  return line + stackOf(err);
}

/** As it is where it is one word, else quoted. */
const plain = (value: unknown): string =>
  typeof value === 'string' && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);

function stackOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return '';
  const stack: unknown = Reflect.get(error, 'stack');
  return typeof stack === 'string' ? `\n  ${stack.replaceAll('\n', '\n  ')}` : '';
}
