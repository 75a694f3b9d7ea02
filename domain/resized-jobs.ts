/**
 * The rows of a job that was resized while it ran, as one: Slurm's accounting has one for each size (measured, 22.05). Those of earlier
 * sizes are RESIZING, with an end; those of later ones name when the size began in place of when the job was submitted.
 */
import { given } from './given';
import type { Resources } from './job';
import { eventsOf, type SacctEvent, type SacctRecord } from './sacct';
import { epochMicros, instantOfMicros, MICROS_PER_SECOND, type Instant } from './time';

/** A time in which a job had these resources, and for how much of it it was suspended. */
interface LoggedSize {
  startedAt: Instant;
  endedAt?: Instant;
  resources: Resources;
  suspendedSeconds: number;
}

/** A row, or several that are one run, which had more than one size. */
export type JoinedRecord = SacctRecord & { sizes?: readonly LoggedSize[] };

/** Of records in the order of their submissions. `cluster`: for records that name none. */
export function joinSizes(records: readonly SacctRecord[], cluster: string): JoinedRecord[] {
  const runs: SacctRecord[][] = [];
  const going = new Map<string, SacctRecord[]>();
  for (const record of records) {
    const run = `${record.cluster ?? cluster}/${record.id.jobId}/${record.id.task}/${record.startedAt}`;
    const before = isLaterSize(record) ? going.get(run) : undefined;
    const rows = before && isNext(before.at(-1), record) ? before : [];
    if (rows.length === 0) runs.push(rows);
    rows.push(record);
    if (record.state.isResized) going.set(run, rows);
  }
  return runs.map(joined);
}

const isLaterSize = ({ submittedAt, startedAt, endedAt }: SacctRecord): boolean =>
  startedAt !== undefined &&
  epochMicros(startedAt) < epochMicros(submittedAt) &&
  (endedAt === undefined || epochMicros(submittedAt) <= epochMicros(endedAt));

/** Without the row in between nobody knows what the job had then, and an import charges nothing for it. */
const isNext = (before: SacctRecord | undefined, { submittedAt }: SacctRecord): boolean =>
  before?.state.isResized === true && before.endedAt === submittedAt;

function joined(rows: readonly SacctRecord[]): JoinedRecord {
  const [first, last] = [rows[0] as SacctRecord, rows.at(-1) as SacctRecord];
  if (!first.state.isResized && !isLaterSize(first)) return first;
  const { endedAt: _, exitCode: _code, ...asked } = first;
  const sizes = rows.map(sizeOf).filter(({ startedAt, endedAt }) => startedAt !== endedAt);
  return {
    ...asked,
    ...given({ startedAt: sizeOf(first).startedAt, endedAt: last.endedAt, exitCode: last.exitCode }),
    // Of what it went on as the log says nothing: for the log it ends there.
    state: last.state.isResized ? { phase: 'ended' } : last.state,
    fields: last.fields,
    ...(sizes.length > 1 ? { suspendedSeconds: 0, sizes } : { suspendedSeconds: sizeOf(first).suspendedSeconds }),
  };
}

function sizeOf(record: SacctRecord): LoggedSize {
  const { submittedAt, endedAt, allocated } = record;
  const startedAt = isLaterSize(record) ? submittedAt : (record.startedAt ?? submittedAt);
  const lasted = endedAt === undefined ? 0n : epochMicros(endedAt) - epochMicros(startedAt);
  const suspendedSeconds = Math.min(record.suspendedSeconds, Number(lasted / MICROS_PER_SECOND));
  return { startedAt, resources: allocated, suspendedSeconds, ...given({ endedAt }) };
}

/** What the rows say happened, in order. When a size was suspended they do not say, so it is said of its last seconds. */
export function eventsOfRun(record: JoinedRecord): SacctEvent[] {
  const events = eventsOf(record);
  const [first, ...later] = record.sizes ?? [];
  const last = later.at(-1);
  if (!first || !last) return events;
  const start = events.find(({ type }) => type === 'started');
  const within = [first, ...later].flatMap((size): SacctEvent[] => {
    if (!start) return [];
    const { startedAt, endedAt, resources, suspendedSeconds } = size;
    const told = { ...start, resources };
    const resize = size === first ? [] : [{ ...told, type: 'resized' as const, at: startedAt }];
    if (endedAt === undefined || suspendedSeconds === 0) return resize;
    const since = instantOfMicros(epochMicros(endedAt) - BigInt(suspendedSeconds) * MICROS_PER_SECOND);
    return [...resize, { ...told, type: 'suspended', at: since }, { ...told, type: 'resumed', at: endedAt }];
  });
  return events.flatMap((event) => {
    if (event.type === 'started') return [event, ...within];
    return event.type === 'submitted' ? [event] : [{ ...event, resources: last.resources }];
  });
}
