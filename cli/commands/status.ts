import type { Command } from 'commander';
import { given } from '../../domain/given';
import type { Client } from '../client';
import { EXIT, Stop } from '../exit';
import type { Act } from '../session';
import type { Health } from '../wire';

export function defineStatus(parent: Command, act: Act): void {
  parent
    .command('status')
    .summary('Is the server there, and are its parts well?')
    .description('Ask the server how it is: 0 if it is well, 5 if it or its database cannot be reached.')
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar status\n  $ bursar status --endpoint http://budget.example.org:8080 --json\n',
    )
    .action(
      act(async (session) => {
        const health = await readHealth(session.client);
        const healthy = health.status === 'healthy';
        session.answer(health, () => {
          session.line(session.paint(healthy ? 'green' : 'red', `Bursar ${health.version} is ${health.status}.`));
          session.fields([
            ['Address', session.client.endpoint],
            ['Docs', `${session.client.endpoint}/docs`],
            ['Up', health.uptime],
            ...Object.entries(health.services ?? {}).map(([name, state]) => [capital(name), state] as const),
          ]);
        });
        if (!healthy) throw new Stop(EXIT.unreachable, '');
      }),
    );
}

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
