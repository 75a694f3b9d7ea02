import { connectPostgres } from '../../platform/postgres';

export default async function globalTeardown(): Promise<void> {
  const { BURSAR_TEST_SERVER: server, BURSAR_TEST_TEMPLATE: template } = process.env;
  if (!server || !template) return;
  const admin = connectPostgres({
    url: Object.assign(new URL(server), { pathname: '/postgres' }).toString(),
    poolSize: 1,
  });
  await admin.unsafe(`drop database if exists ${template} with (force)`);
  await admin.end();
}
