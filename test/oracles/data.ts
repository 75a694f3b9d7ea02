/** Recorded data for the oracles: a folder that is not part of the repository (its README says where each file is from). */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The text of one file. Fails where the data is not there: an oracle that was not asked has not agreed. */
export function readData(name: string): string {
  const folder = process.env.BURSAR_TEST_DATA;
  if (!folder) throw new Error('set BURSAR_TEST_DATA to the folder with the recorded data, e.g. ../shared/data');
  const path = join(folder, name);
  if (!existsSync(path)) throw new Error(`${path} is missing; BURSAR_TEST_DATA names the wrong folder`);
  return readFileSync(path, 'utf8');
}

/** Rows of a simple CSV with a header and no quoted commas. */
export function readCsv(text: string): Record<string, string>[] {
  const [header = '', ...lines] = text.split(/\r?\n/).filter((line) => line !== '');
  const names = header.split(',');
  return lines.map((line) => {
    const values = line.split(',');
    if (values.length !== names.length) throw new Error(`${values.length} instead of ${names.length} values: ${line}`);
    return Object.fromEntries(names.map((name, index) => [name, values[index] ?? '']));
  });
}
