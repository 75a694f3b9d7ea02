/**
 * One PostgreSQL for the whole run, with a migrated template database, and one Temporal, started when first asked for.
 *
 * BURSAR_TEST_SERVER names a PostgreSQL that is already there; without it the embedded one is started on a free port, or,
 * with BURSAR_TEST_POSTGRES, the one whose programs are in that folder (such as /usr/lib/postgresql/15/bin).
 * BURSAR_TEST_TEMPORAL names a Temporal (host:port) that is already there (`temporal.ts` in this folder).
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { migrate, requireServer } from '../../migrations/migrate';
import { openEmbeddedPostgres } from '../../platform/embedded/postgres';
import { freePort } from '../../platform/embedded/ports';
import { startService } from '../../platform/embedded/service';
import { connectPostgres } from '../../platform/postgres';
import globalTeardown from './global-teardown';
import { noteServer, scratchFolder, sweepScratch } from './scratch';
import { startTemporalBroker } from './temporal-broker';
import { atTeardown } from './teardown';

export default async function globalSetup(): Promise<void> {
  await sweepScratch();
  const folder = scratchFolder();
  process.env.BURSAR_TEST_SCRATCH = folder;
  try {
    const server = process.env.BURSAR_TEST_SERVER ?? (await startPostgres(folder));
    process.env.BURSAR_TEST_SERVER = server;
    await makeTemplate(server);
    if (!process.env.BURSAR_TEST_TEMPORAL) await startTemporalBroker(folder);
  } catch (error) {
    await globalTeardown(); // jest calls it only after a setup that went well.
    throw error;
  }
}

const programsIn = (folder: string) => ({
  postgres: join(folder, 'postgres'),
  initdb: join(folder, 'initdb'),
  version: folder,
});

async function startPostgres(folder: string): Promise<string> {
  const programs = process.env.BURSAR_TEST_POSTGRES;
  const postgres = await openEmbeddedPostgres({
    home: folder,
    port: await freePort(),
    logFile: join(folder, 'postgres.log'),
    onProgress: () => {},
    fast: true,
    maxConnections: 300,
    ...(programs && { binaries: programsIn(programs) }),
  });
  const service = await startService(postgres.spec, (event) => {
    if (event.type === 'spawned') noteServer(folder, event.identity);
  });
  atTeardown(() => service.stop());
  return postgres.urlOf('postgres');
}

async function makeTemplate(server: string): Promise<void> {
  const template = `template_${randomBytes(6).toString('hex')}`;
  const at = (name: string) => Object.assign(new URL(server), { pathname: `/${name}` }).toString();
  const admin = connectPostgres({ url: at('postgres'), poolSize: 1 });
  // Which one it is, is in no test's name.
  console.log(`\nthe tests run on PostgreSQL ${await requireServer(admin)}`);
  await admin.unsafe(`create database ${template}`);
  const sql = connectPostgres({ url: at(template), poolSize: 1 });
  try {
    await migrate(sql);
  } finally {
    await sql.end({ timeout: 5 });
  }
  process.env.BURSAR_TEST_TEMPLATE = template;
  atTeardown(async () => {
    await admin.unsafe(`drop database if exists ${template} with (force)`);
    await admin.end({ timeout: 5 });
  });
}
