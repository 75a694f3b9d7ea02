/** A database of its own for every suite: cloned from a migrated template on the server that global-setup started. */
import { randomBytes } from 'node:crypto';
import { connectPostgres, type Sql } from '../../platform/postgres';

export interface TestDatabase extends AsyncDisposable {
  url: string;
  sql: Sql;
  drop(): Promise<void>;
}

const serverUrl = (): string => {
  const url = process.env.BURSAR_TEST_SERVER;
  if (!url) throw new Error('test/helpers/global-setup.ts sets BURSAR_TEST_SERVER; run the tests through jest');
  return url;
};

export const databaseUrl = (name: string): string =>
  Object.assign(new URL(serverUrl()), { pathname: `/${name}` }).toString();

/** Clones the template, or makes one without any schema. Drop it in `afterAll`, or hold it with `await using`. */
export async function freshDatabase(options: { poolSize?: number; empty?: boolean } = {}): Promise<TestDatabase> {
  const name = `t_${randomBytes(8).toString('hex')}`;
  const admin = connectPostgres({ url: databaseUrl('postgres'), poolSize: 1 });
  await admin.unsafe(
    `create database ${name} template ${options.empty ? 'template0' : process.env.BURSAR_TEST_TEMPLATE}`,
  );
  await admin.end();
  const url = databaseUrl(name);
  const sql = connectPostgres({ url, ...options });
  const drop = async () => {
    await sql.end({ timeout: 5 });
    const closing = connectPostgres({ url: databaseUrl('postgres'), poolSize: 1 });
    await closing.unsafe(`drop database if exists ${name} with (force)`);
    await closing.end();
  };
  return { url, sql, drop, [Symbol.asyncDispose]: drop };
}
