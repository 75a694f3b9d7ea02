/** A Slurm job and the changes of an update: what an update leaves unset stays as it is. */
import { isSet, numberOf, textOf, type RawFacts } from './slurm-submission';

/** Ways of saying the same thing, of which the last word must be the only one. */
const SAME: readonly (readonly string[])[] = [
  ['tres_per_node', 'gres'],
  ['min_mem_per_node', 'min_mem_per_cpu', 'pn_min_memory'],
  ['array', 'array_inx'],
  ['account', 'default_account'],
];

export function mergeChanges(facts: RawFacts, changes: RawFacts): RawFacts {
  const said = Object.fromEntries(Object.entries(changes).filter(([, value]) => isSet(value)));
  const merged: Record<string, unknown> = { ...facts };
  for (const names of SAME) {
    if (names.some((name) => name in said)) for (const name of names) delete merged[name];
  }
  Object.assign(merged, said);
  // One number of nodes is both ends of the range.
  if (numberOf(said.min_nodes) !== undefined && !('max_nodes' in said)) merged.max_nodes = said.min_nodes;
  // The job's own account goes on where an update names no other.
  if (textOf(merged.account) === undefined && textOf(facts.account) !== undefined) merged.account = facts.account;
  return merged;
}

/** What no version of Slurm changes in a job that has started (_update_job in job_mgr.c, 22.05 to 26.05), and how people call it. */
const FIXED_AT_START: Readonly<Record<string, string>> = {
  account: 'the account',
  partition: 'the partition',
  num_tasks: 'the number of tasks',
  ntasks_per_node: 'the tasks per node',
  cpus_per_task: 'the CPUs per task',
  min_cpus: 'the number of CPUs',
  gres: 'the GRES',
  tres_per_job: 'the TRES',
  tres_per_node: 'the TRES',
  tres_per_socket: 'the TRES',
  tres_per_task: 'the TRES',
};

/** slurm.h's JOB_PENDING; the flags of a state are above its first byte. */
const PENDING = 0;

/**
 * Of a job that does not wait any more: what the update would change in it that Slurm does not. Undefined where there is nothing,
 * or where the hook does not say how the job is.
 */
export function whatStaysAsItRuns(facts: RawFacts, changes: RawFacts): string | undefined {
  const state = numberOf(facts.job_state);
  if (state === undefined || (state & 0xff) === PENDING) return undefined;
  const differs = (name: string) => isSet(changes[name]) && textOf(changes[name]) !== textOf(facts[name]);
  const [fixed] = Object.keys(FIXED_AT_START).filter(differs);
  return fixed === undefined ? undefined : FIXED_AT_START[fixed];
}
