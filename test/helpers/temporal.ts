/** The Temporal of this run, with names that no other test uses. */
import { randomBytes } from 'node:crypto';
import { get } from 'node:http';

/** host:port. The first who asks starts it (`temporal-broker.ts`), unless BURSAR_TEST_TEMPORAL names one. */
export async function temporalAddress(): Promise<string> {
  const { BURSAR_TEST_TEMPORAL: address, BURSAR_TEST_TEMPORAL_BROKER: broker } = process.env;
  if (address) return address;
  if (!broker) throw new Error('test/helpers/global-setup.ts starts the broker; run the tests through jest');
  return (process.env.BURSAR_TEST_TEMPORAL = await ask(broker));
}

/** A task queue, workflow id or schedule id that belongs to this test alone. */
export const uniqueName = (purpose: string): string => `${purpose}-${randomBytes(6).toString('hex')}`;

function ask(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get(url, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (body += chunk));
      response.on('end', () => (response.statusCode === 200 ? resolve(body) : reject(new Error(body))));
    }).on('error', reject);
  });
}
