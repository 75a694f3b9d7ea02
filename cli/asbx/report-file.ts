/** A report of ASBX on disk: read whole, or not at all. Its numbers stay as they are written; the API reads them. */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { codeOf } from '../../domain/code-of';

/** As much as the API takes. */
const BYTES_MAX = 1_000_000;

export type ReportFile =
  | { status: 'whole'; json: string; jobId: string }
  /** It may be being written. `signature` stays the same while nobody does. */
  | { status: 'unreadable'; reason: string; signature: string; ageMs: number }
  /** It will never be a report. */
  | { status: 'hopeless'; reason: string }
  | { status: 'gone' };

export async function readReportFile(path: string): Promise<ReportFile> {
  let file;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return { status: 'gone' };
    if (codeOf(error) === 'ELOOP')
      return { status: 'hopeless', reason: 'it is a symbolic link, which is not followed' };
    throw error;
  }
  try {
    const before = await file.stat();
    if (!before.isFile()) return { status: 'hopeless', reason: 'it is no ordinary file' };
    if (before.size > BYTES_MAX) return { status: 'hopeless', reason: `it is larger than ${BYTES_MAX} bytes` };
    const bytes = await file.readFile();
    const after = await file.stat();
    const signature = `${after.ino} ${after.size} ${after.mtimeMs}`;
    const unreadable = (reason: string): ReportFile => ({
      status: 'unreadable',
      reason,
      signature,
      ageMs: Date.now() - after.mtimeMs,
    });
    if (before.size !== after.size || before.mtimeMs !== after.mtimeMs) return unreadable('it is being written');
    return readText(bytes, unreadable);
  } finally {
    await file.close();
  }
}

function readText(bytes: Uint8Array, unreadable: (reason: string) => ReportFile): ReportFile {
  let json: string;
  let content: unknown;
  try {
    // Takes a byte order mark away.
    json = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return unreadable('it is not UTF-8');
  }
  try {
    content = JSON.parse(json);
  } catch (error) {
    return unreadable(
      json.trim() === '' ? 'it is empty' : `it is no JSON: ${error instanceof Error ? error.message : ''}`,
    );
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    return { status: 'hopeless', reason: 'it is JSON, but no report: that would be an object' };
  }
  const isRequest = Object.hasOwn(content, 'job_cost_data');
  const report: unknown = isRequest ? Reflect.get(content, 'job_cost_data') : content;
  const wordOf = (name: string): unknown =>
    typeof report === 'object' && report !== null ? Reflect.get(report, name) : undefined;
  const named = [wordOf('slurm_job_id'), wordOf('job_id')].find((name) => name !== undefined && name !== '');
  return {
    status: 'whole',
    json: isRequest ? json : `{"job_cost_data":${json}}`,
    jobId: typeof named === 'string' || typeof named === 'number' ? String(named) : '?',
  };
}
