/** Which submissions the site lets run without asking, and by what. */
import type { Submission } from '../../domain/slurm-submission';
import type { Cluster } from '../contract';

export interface Exemption {
  code: 'exempt_user' | 'exempt_partition' | 'exempt_without_account';
  reason: string;
}

/** Undefined: it is asked about like any other. Of several partitions Slurm may choose any, so all of them must be exempt. */
export function exemptionOf(
  cluster: Cluster,
  { user, account, partitions }: Pick<Submission, 'user' | 'account' | 'partitions'>,
): Exemption | undefined {
  const { name } = cluster;
  if (user !== undefined && cluster.exemptUsers.includes(user)) {
    return { code: 'exempt_user', reason: `User ${user} is exempt on ${name}: nothing is held or charged.` };
  }
  const asked = partitionsOf(cluster, partitions);
  const isExempt = (partition: string) => cluster.partitions.some((known) => known.name === partition && known.exempt);
  if (asked.length > 0 && asked.every(isExempt)) {
    const which = asked.length === 1 ? `Partition ${asked[0]} is` : `Partitions ${asked.join(', ')} are`;
    return { code: 'exempt_partition', reason: `${which} exempt on ${name}: nothing is held or charged.` };
  }
  if (account === undefined && cluster.withoutAccount === 'exempt') {
    return {
      code: 'exempt_without_account',
      reason: `The job names no account, and such jobs are exempt on ${name}: nothing is held or charged.`,
    };
  }
  return undefined;
}

/** All that exemptionOf asks of a cluster: while it stays the same, so do the answers. */
export const exemptionsOf = ({ exemptUsers, partitions, withoutAccount, defaultPartition }: Cluster) => ({
  users: [...exemptUsers].sort(),
  partitions: partitions.flatMap(({ name, exempt }) => (exempt ? [name] : [])).sort(),
  withoutAccount,
  defaultPartition,
});

/** Those that were named, else the cluster's default. */
export const partitionsOf = ({ defaultPartition }: Cluster, named: readonly string[]): readonly string[] =>
  named.length > 0 || defaultPartition === undefined ? named : [defaultPartition];
