/** The page about the export names every field; `BURSAR_WRITE_DOCS=1` writes its tables. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EXPORT_TABLES } from '../../ledger/export/tables';
import { PACKAGE_ROOT } from '../../platform/paths';

const PAGE = join(PACKAGE_ROOT, 'docs/operations/export.md');
const BEGIN = '## Files and fields\n';

const tables = EXPORT_TABLES.map(({ name, about, fields }) => {
  const widths = [0, 1].map((column) =>
    Math.max(
      ...[['field', ''], ...fields.map((f) => [`\`${f.name}\``, f.meaning])].map((row) => (row[column] ?? '').length),
    ),
  );
  const row = (...cells: string[]) => `| ${cells.map((cell, n) => cell.padEnd(widths[n] ?? 0)).join(' | ')} |`;
  return [
    `### ${name}`,
    '',
    about,
    '',
    row('field', ''),
    `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`,
    ...fields.map(({ name: field, meaning }) => row(`\`${field}\``, meaning)),
  ].join('\n');
}).join('\n\n');

test('every file and every field is explained', () => {
  const page = readFileSync(PAGE, 'utf8');
  const written = `${page.split(BEGIN)[0]}${BEGIN}\n${tables}\n`;
  if (process.env.BURSAR_WRITE_DOCS) writeFileSync(PAGE, written);
  expect(readFileSync(PAGE, 'utf8')).toBe(written);
});
