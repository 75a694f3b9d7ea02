/** The limits that a scheduler is to have of its own. */
import { z } from 'zod';
import { ClusterName, Money, Unit } from './wire';

export const WallQuery = z.object({
  cluster: ClusterName.optional().describe('Default: the configured default cluster.'),
  unit: Unit.optional().describe("What the weights are to say; default: the unit of the cluster's rates."),
});

export const WallAnswer = z
  .object({
    cluster: z.string().describe('The cluster.'),
    unit: z.string().describe('What the weights say. Accounts of other units get no limit.'),
    scale: z.number().describe("So many units of Slurm's billing for an hour are one of the unit."),
    partitions: z
      .array(
        z.object({
          partition: z.string().describe('Its name.'),
          weights: z.string().describe('As slurm.conf has them: TRESBillingWeights.'),
        }),
      )
      .describe('What each charges in the words of Slurm.'),
    problems: z.array(z.string()).describe("What of the prices Slurm's weights cannot say."),
    accounts: z
      .array(
        z.object({
          account: z.string().describe('The account.'),
          unit: z.string().describe('What amounts are counted in: a currency, or a service unit.'),
          left: Money.describe(
            'For jobs from now on: granted, less settled and in flight, plus its overdraft; or what an account above it leaves, if that is less.',
          ),
          bound_by: z.string().optional().describe('The account whose limit leaves less than its own money does.'),
        }),
      )
      .describe('What each has left.'),
  })
  .meta({ id: 'SlurmWall' });
