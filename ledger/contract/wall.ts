/** What a scheduler's own limits are to be, so that the money is kept while Bursar is away. */
import type { BillingWeights } from '../../domain/billing-weights';
import type { WallAccount } from '../../domain/slurm-wall';

export interface WallFacts extends BillingWeights {
  cluster: string;
  accounts: WallAccount[];
}

export interface Walls {
  /**
   * The weights that say the cluster's rates, and what each account that is not archived has left for jobs from now on:
   * granted, less settled and in flight, plus the overdraft it may go into, or what an account above it leaves if that is less;
   * nothing where it or one above it is not active. `unit`: what the weights say; default: that of the cluster's rates, else of most accounts. `cluster_not_found`.
   */
  readWall(cluster: string, unit?: string): Promise<WallFacts>;
}
