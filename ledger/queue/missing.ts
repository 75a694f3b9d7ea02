/** The holds that a listing does not show whole: nobody carries them any more, or fewer tasks of an array than were known. */
import type { QueuedJob } from '../../domain/queue';
import type { Instant } from '../../domain/time';
import type { Sql } from '../../platform/postgres';
import { ask } from '../errors';
import type { NumberedCluster } from '../price-book';
import { inParts } from './rows';

/** As ledger.note_listing takes it. */
export interface MissingHold {
  hold_no: string;
  /** 0: no job carries it. */
  tasks_left: number;
}

/** What is shown of the jobs that carry a hold. */
interface Shown {
  count: number;
  tasks: Set<string>;
}

/** What the ledger was told of the tasks of an array. */
interface Told {
  ended: string[];
  isOver: boolean;
  resized: number | null;
}

export async function missingIn(
  sql: Sql,
  cluster: NumberedCluster,
  jobs: readonly QueuedJob[],
  listedAt: Instant,
): Promise<MissingHold[]> {
  const live = await liveByHold(sql, cluster, jobs);
  const open = await ask(
    () => sql<{ holdNo: bigint; tasks: number }[]>`
      select hold_no as "holdNo", tasks from ledger.holds_to_be_seen(${cluster.clusterNo}::int, ${listedAt})`,
  );
  const fewer = open.filter(({ holdNo, tasks }) => tasks > (live.get(holdNo)?.count ?? tasks));
  const told = await toldOf(
    sql,
    fewer.map(({ holdNo }) => holdNo),
  );
  return open.flatMap(({ holdNo, tasks }) => {
    const left = tasksLeft(tasks, live.get(holdNo), told.get(holdNo));
    return left === undefined ? [] : [{ hold_no: holdNo.toString(), tasks_left: left }];
  });
}

/** Undefined: nothing is missing. A task whose end was told is not missing either, while Slurm does not show it any more. */
function tasksLeft(tasks: number, shown: Shown | undefined, told: Told | undefined): number | undefined {
  if (!shown) return 0;
  if (tasks <= shown.count || told?.isOver) return undefined;
  const ended = (told?.ended ?? []).filter((task) => !shown.tasks.has(task)).length;
  const left = shown.count + ended;
  return left < Math.min(tasks, told?.resized ?? tasks) ? left : undefined;
}

async function liveByHold(
  sql: Sql,
  { clusterNo }: NumberedCluster,
  jobs: readonly QueuedJob[],
): Promise<Map<bigint, Shown>> {
  const live = new Map<bigint, Shown>();
  for (const { part, rows } of inParts(jobs.filter(({ phase }) => phase !== 'ended'))) {
    const carried = await ask(
      () => sql<{ i: number; holdNo: bigint }[]>`
        select i, hold_no as "holdNo" from ledger.carried_holds(${clusterNo}::int, ${rows}::text::jsonb)`,
    );
    for (const { i, holdNo } of carried) {
      const job = part[i];
      const shown = live.get(holdNo) ?? { count: 0, tasks: new Set<string>() };
      shown.count += job?.arrayTasks ?? 1;
      if (job && job.task !== '') shown.tasks.add(job.task);
      live.set(holdNo, shown);
    }
  }
  return live;
}

async function toldOf(sql: Sql, holdNos: readonly bigint[]): Promise<Map<bigint, Told>> {
  if (holdNos.length === 0) return new Map();
  const rows = await ask(
    () => sql<(Told & { holdNo: bigint })[]>`
      select hold_no as "holdNo", ended, is_over as "isOver", resized
      from ledger.tasks_told(${holdNos.map(String)}::bigint[])`,
  );
  return new Map(rows.map(({ holdNo, ...told }) => [holdNo, told]));
}
