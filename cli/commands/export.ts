import { existsSync, readdirSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import type { Command } from 'commander';
import { resolve } from 'node:path';
import { exportBooks, type ExportFormat, type Manifest } from '../../ledger/export';
import { EXIT, Stop } from '../exit';
import { clock } from '../format';
import { URL_OPTION, withDatabase, type Where } from '../own-database';
import { showProgress } from '../progress';
import type { Act, Session } from '../session';

interface Options extends Where {
  format: string;
}

export function defineExport(parent: Command, act: Act): void {
  parent
    .command('export')
    .argument('<folder>', 'new or empty; it gets a file a table, and manifest.json')
    .summary('Write everything that Bursar knows into open files')
    .description(
      'Write everything that Bursar knows, of one moment, into a folder: JSON lines or CSV, a file a table, and manifest.json with counts, checksums and the head of the seals. docs/operations/export.md explains every field. The server may go on; the folder appears under its name only when it is whole.',
    )
    .option('--format <format>', 'ndjson or csv', 'ndjson')
    .option(...URL_OPTION)
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar export /backup/bursar-2026-11\n  $ bursar export books --format csv --database-url postgres://bursar@db.example.org/bursar\n',
    )
    .action(
      act(async (session, folder: string, options: Options) =>
        withDatabase(session, options, (_, { sql }) => run(session, sql, folder, options), { statementTimeoutMs: 0 }),
      ),
    );
}

async function run(
  session: Session,
  sql: Parameters<typeof exportBooks>[0],
  given: string,
  { format }: Options,
): Promise<void> {
  if (!isFormat(format)) throw new Stop(EXIT.usage, `--format takes ndjson or csv, not "${format}".`);
  const folder = resolve(given);
  if (existsSync(folder) && readdirSync(folder).length > 0) {
    throw new Stop(EXIT.usage, `${given} is not empty.`, { hints: ['Name a folder that is not there yet.'] });
  }
  const partial = `${folder}.partial`;
  rmSync(partial, { recursive: true, force: true });
  const progress = showProgress(session.io);
  try {
    const manifest = await exportBooks(sql, { folder: partial, format }, progress.tell);
    if (existsSync(folder)) rmdirSync(folder);
    renameSync(partial, folder);
    progress.end();
    answer(session, folder, manifest);
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    throw error;
  } finally {
    progress.end();
  }
}

const isFormat = (format: string): format is ExportFormat => format === 'ndjson' || format === 'csv';

function answer(session: Session, folder: string, manifest: Manifest): void {
  session.answer({ folder, ...manifest }, () => {
    session.line(session.paint('green', 'Exported.'));
    session.fields([
      ['Folder', folder],
      ['As of', clock(manifest.exported_at, 'UTC') && `${clock(manifest.exported_at, 'UTC')} UTC`],
      ['Schema', `version ${manifest.schema_version}`],
      ['Head of the seals', manifest.head?.digest ?? 'nothing is sealed yet'],
      ['Not sealed yet', `${manifest.unsealed} transactions`],
    ]);
    session.line();
    session.table(manifest.files, [
      { title: 'FILE', value: ({ file }) => file },
      { title: 'ROWS', value: ({ rows }) => String(rows), align: 'right' },
      { title: 'BYTES', value: ({ bytes }) => String(bytes), align: 'right' },
    ]);
  });
}
