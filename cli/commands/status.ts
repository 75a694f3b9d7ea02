import type { Command } from 'commander';
import { given } from '../../domain/given';
import { path, type Client } from '../client';
import { EXIT, Stop } from '../exit';
import { FIELDS } from '../fields';
import type { Act, Session } from '../session';
import { standingAccount } from '../standing';
import type { Account, Health } from '../wire';

export function defineStatus(parent: Command, act: Act): void {
  parent
    .command('status')
    .summary('Is the server there, and are its parts well?')
    .description(
      'Ask the server how it is: 0 if it is well, 5 if it or its database cannot be reached. With an account it also says what that has left.',
    )
    .option('--account <account>', 'what has this account left? (BURSAR_ACCOUNT)')
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar status\n  $ BURSAR_ACCOUNT=climate bursar status             at login\n  $ bursar status --endpoint http://budget.example.org:8080 --json\n',
    )
    .action(
      act(async (session, options: { account?: string }) => {
        const name = standingAccount(session, options.account);
        const [health, account] = await Promise.all([readHealth(session.client), name && readAccount(session, name)]);
        const healthy = health.status === 'healthy';
        const answer = account ? { ...health, account } : health;
        session.answer(
          answer,
          () => {
            session.line(session.paint(healthy ? 'green' : 'red', `Bursar ${health.version} is ${health.status}.`));
            session.fields([
              ['Address', session.client.endpoint],
              ['Docs', `${session.client.endpoint}/docs`],
              ['Up', health.uptime],
              ...Object.entries(health.services ?? {}).map(([part, state]) => [capital(part), state] as const),
              [
                'Account',
                account ? describeAccount(session, account) : name && `${name}: the server tells nothing of it`,
              ],
            ]);
          },
          account
            ? [...FIELDS.health, 'account.slurm_account', 'account.budget_available', 'account.unit']
            : FIELDS.health,
        );
        if (!healthy) throw new Stop(EXIT.unreachable, '');
      }),
    );
}

/** Undefined where the server has none of this name, or tells nobody without a key: how it is, it still says. */
async function readAccount({ client }: Session, name: string): Promise<Account | undefined> {
  try {
    return await client.get<Account>(path`/api/v1/accounts/${name}`);
  } catch (error) {
    if (error instanceof Stop) return undefined;
    throw error;
  }
}

const describeAccount = (session: Session, { slurm_account: name, ...account }: Account): string =>
  `${name} has ${session.amount(account.budget_available, account.unit)} of ${session.amount(account.budget_limit, account.unit)} left`;

const capital = (word: string) => word.charAt(0).toUpperCase() + word.slice(1);

/** A server that is not well answers 503 with the same body. */
export async function readHealth(client: Client, timeoutMs?: number): Promise<Health> {
  try {
    return (await client.call<Health>('GET', '/health', given({ timeoutMs }))).body;
  } catch (error) {
    if (error instanceof Stop && isHealth(error.problem)) return error.problem;
    throw error;
  }
}

const isHealth = (body: unknown): body is Health =>
  typeof body === 'object' && body !== null && 'status' in body && 'services' in body;
