/** What the hook has let in alone this hour (hooks/slurm/alone.lua), where it keeps jobs out that the amount would let in. */
import { existsSync } from 'node:fs';
import type { Session } from '../../session';
import { ok, readObject, warning, type Finding, type HookConfig } from './finding';

const HOUR_MS = 3_600_000;

/** The hook takes a total that is further ahead of its clock for unknown. */
const HOURS_AHEAD = 2;

/** Nothing where no job was ever let in so. */
export function hourFile(session: Session, config: HookConfig): Finding[] {
  const check = 'hour file';
  const path = config.hour_file ?? `${config.policy_file}.hour`;
  if (!existsSync(path)) return [];
  const total = readObject(path);
  const hour = Math.floor(session.io.now().getTime() / HOUR_MS);
  const isWhole = typeof total?.hour === 'number' && typeof total.micro === 'object' && total.micro !== null;
  const of = isWhole ? Number(total.hour) : undefined;
  const mend = `Look whether this clock is right. \`rm ${path}\` begins the hour anew: the amount may then be let in once more.`;
  const closed = `with the service away no job is let in up to an amount until ${atHour(hour + 1)}`;
  if (of === undefined || of > hour + HOURS_AHEAD) {
    const why = of === undefined ? 'cannot be read' : `counts the hour of ${atHour(of)}, by a clock that was far ahead`;
    return [warning(check, `${path} ${why}: ${closed}`, mend)];
  }
  if (of === hour && Reflect.get(Object(total?.micro), 'unknown') !== undefined) {
    return [warning(check, `what this hour has let in is not known: ${closed}`, mend)];
  }
  if (of > hour) {
    const detail = `${path} counts the hour of ${atHour(of)}, which is to come: until it is over no new amount is let in`;
    return [warning(check, detail, mend)];
  }
  return [ok(check, `counts the hour of ${atHour(of)}`)];
}

function atHour(hour: number): string {
  const date = new Date(hour * HOUR_MS);
  return Number.isNaN(date.getTime()) ? `number ${hour}` : date.toISOString().replace(':00.000Z', 'Z');
}
