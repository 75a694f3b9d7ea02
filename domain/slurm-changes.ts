/** A Slurm job with the changes of an update: what an update leaves unset stays as it is. */
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
