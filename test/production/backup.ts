/** Physical backups of a PostgreSQL that goes on working meanwhile, by its low-level interface, as pg_basebackup makes them. */
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connectPostgres } from '../../platform/postgres';

/** What belongs to the running server, and the log, which is taken when all of it is there. */
const LEFT_OUT = new Set(['postmaster.pid', 'postmaster.opts', 'pg_wal']);

export async function backUp(data: string, url: string, into: string): Promise<void> {
  const { uid, gid } = statSync(data);
  mkdirSync(into, { mode: 0o700 });
  chownSync(into, uid, gid);
  const sql = connectPostgres({ url, poolSize: 1, statementTimeoutMs: 60_000 });
  try {
    await sql`select pg_backup_start('production test', true)`;
    for (const name of readdirSync(data)) if (!LEFT_OUT.has(name)) copy(join(data, name), into);
    const [stopped] = await sql<{ labelfile: string }[]>`select labelfile from pg_backup_stop(false)`;
    writeFileSync(join(into, 'backup_label'), stopped?.labelfile ?? '');
    chownSync(join(into, 'backup_label'), uid, gid);
    chmodSync(join(into, 'backup_label'), 0o600);
    copy(join(data, 'pg_wal'), into);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/** In place of a server's data; the server is down. */
export function restore(backup: string, data: string): void {
  rmSync(data, { recursive: true });
  copy(backup, data);
}

/** With owners and modes. A file that goes while it is copied is in the log. */
function copy(from: string, into: string): void {
  const { status, stderr } = spawnSync('cp', ['-a', from, into], { encoding: 'utf8' });
  const complaints = stderr.split('\n').filter((line) => line !== '' && !line.includes('No such file'));
  if (status !== 0 && complaints.length > 0) throw new Error(complaints.join('\n'));
}
