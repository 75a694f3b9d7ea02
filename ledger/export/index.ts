/** The way out: everything, of one moment, in files that anything can read. */
import { createHash } from 'node:crypto';
import { createWriteStream, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { schemaVersion } from '../../migrations/migrate';
import { copyOut } from '../../platform/copy-out';
import type { Sql, Tx } from '../../platform/postgres';
import type { Progress } from '../contract/imports';
import { countLines } from '../imports/lines';
import type { ExportTable } from './field';
import { EXPORT_TABLES } from './tables';

export type ExportFormat = 'ndjson' | 'csv';

export interface ExportedFile {
  file: string;
  rows: number;
  bytes: number;
  sha256: string;
}

export interface Manifest {
  format: 'bursar-export';
  format_version: 1;
  schema_version: number;
  exported_at: string;
  /** Of the chain of seals at that moment; null: nothing is sealed yet. */
  head: { txn_no: number; digest: string } | null;
  unsealed: number;
  files: ExportedFile[];
}

/** Writes every file and, last, manifest.json into a folder that is empty. */
export async function exportBooks(
  sql: Sql,
  { folder, format }: { folder: string; format: ExportFormat },
  onProgress: (progress: Progress) => void,
): Promise<Manifest> {
  mkdirSync(folder, { recursive: true });
  return sql.begin('isolation level repeatable read read only', async (tx) => {
    const files: ExportedFile[] = [];
    for (const table of EXPORT_TABLES) files.push(await writeTable(tx, table, { folder, format }, onProgress));
    const manifest: Manifest = {
      format: 'bursar-export',
      format_version: 1,
      schema_version: await schemaVersion(tx),
      ...(await momentOf(tx)),
      files,
    };
    writeFileSync(join(folder, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`);
    return manifest;
  });
}

async function momentOf(tx: Tx): Promise<Pick<Manifest, 'exported_at' | 'head' | 'unsealed'>> {
  const [row] = await tx<{ at: string; txnNo: bigint | null; digest: string | null; unsealed: number }[]>`
    select now() as at, (select max(txn_no) from ledger.seals) as "txnNo",
      (select encode(digest, 'hex') from ledger.seals order by txn_no desc limit 1) as digest,
      (select count(*) from ledger.transactions
       where txn_no > coalesce((select max(txn_no) from ledger.seals), 0))::int as unsealed`;
  if (!row) throw new Error('PostgreSQL has no time');
  const { at, txnNo, digest, unsealed } = row;
  return {
    exported_at: at,
    unsealed,
    head: txnNo === null || digest === null ? null : { txn_no: Number(txnNo), digest },
  };
}

async function writeTable(
  tx: Tx,
  table: ExportTable,
  { folder, format }: { folder: string; format: ExportFormat },
  onProgress: (progress: Progress) => void,
): Promise<ExportedFile> {
  const file = `${table.name}.${format}`;
  const hash = createHash('sha256');
  let [bytes, lines] = [0, 0];
  const measure = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      bytes += chunk.length;
      done(null, chunk);
    },
  });
  const counted = countLines((done) => {
    lines = done;
    onProgress({ step: `writing ${table.name.replace('_', ' ')}`, done });
  });
  const out = createWriteStream(join(folder, file), { flags: 'wx' });
  await pipeline(await copyOut(tx, copyOf(table, format)), counted, measure, out);
  // A field of CSV may have several lines; of JSON it has not.
  const rows = format === 'ndjson' ? lines : await countRows(tx, table);
  return { file, rows, bytes, sha256: hash.digest('hex') };
}

async function countRows(tx: Tx, { from }: ExportTable): Promise<number> {
  const [row] = await tx.unsafe<{ count: number }[]>(
    `select count(*)::int as count from ${from.replace(/ order by .*/, '')}`,
  );
  return row?.count ?? 0;
}

/**
 * NDJSON is CSV of one column with marks that no JSON text contains, for COPY's own text format would double its backslashes.
 */
function copyOf({ fields, from }: ExportTable, format: ExportFormat): string {
  if (format === 'csv') {
    const columns = fields.map(({ name, sql }) => `${sql} as "${name}"`).join(', ');
    return `copy (select ${columns} from ${from}) to stdout with (format csv, header)`;
  }
  // Of json_build_object a function takes a hundred arguments at most, and a table has fewer fields than fifty.
  const pairs = fields.map(({ name, sql }) => `'${name}', ${sql}`).join(', ');
  return `copy (select json_build_object(${pairs}) from ${from}) to stdout with (format csv, quote e'\\x01', delimiter e'\\x02')`;
}
