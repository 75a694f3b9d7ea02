/** A process whose database has not been migrated yet takes no requests, and says what to run. */
import { migrationFiles } from '../../migrations/migrate';
import { startApi, type TestApi } from './helpers/api';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

test('behind its program: not ready and not healthy, with the command that helps; and ready once it has run', async () => {
  const newest = migrationFiles().at(-1)?.name ?? '';
  const [row] = await api.sql<{ name: string; hash: string }[]>`
    delete from migrations.applied where name = ${newest} returning name, hash`;
  const ready = await api.get('/readyz');
  expect(ready).toMatchObject({ status: 503, body: { status: 'unavailable' } });
  expect(ready.body.detail).toContain('run "bursar database migrate"');
  const health = await api.get('/health');
  expect(health).toMatchObject({ status: 503, body: { status: 'unhealthy' } });
  expect(health.body.services.database).toContain('run "bursar database migrate"');
  expect((await api.get('/livez')).status).toBe(200);

  await api.sql`insert into migrations.applied (name, hash) values (${row?.name ?? ''}, ${row?.hash ?? ''})`;
  expect((await api.get('/readyz')).status).toBe(200);
});
