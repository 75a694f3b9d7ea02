/**
 * One PostgreSQL for the whole run, with a migrated template database.
 *
 * BURSAR_TEST_SERVER names a server that is already there; without it the embedded one is started on a free port.
 */
import { randomBytes } from 'node:crypto';
import { migrate } from '../../migrations/migrate';
import { connectPostgres } from '../../platform/postgres';

export default async function globalSetup(): Promise<void> {
  const server = process.env.BURSAR_TEST_SERVER;
  if (!server) throw new Error('no server yet');
  const template = `template_${randomBytes(6).toString('hex')}`;
  const at = (name: string) => Object.assign(new URL(server), { pathname: `/${name}` }).toString();
  const admin = connectPostgres({ url: at('postgres'), poolSize: 1 });
  await admin.unsafe(`create database ${template}`);
  await admin.end();
  const sql = connectPostgres({ url: at(template), poolSize: 1 });
  await migrate(sql);
  await sql.end();
  process.env.BURSAR_TEST_TEMPLATE = template;
}
