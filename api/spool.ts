/**
 * Cost reports that ASBX has left on the machine of the API and that an epilog names. Whoever may send an epilog chooses the
 * path, so only files below the configured folders are opened, none behind a symbolic link, and nothing of what is in one
 * that is no report is ever repeated.
 */
import { constants } from 'node:fs';
import { open, realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { codeOf } from '../domain/code-of';

/** As for a body of its own. */
const BYTES_MAX = 1_048_576;

export type SpoolReading =
  | { status: 'read'; bytes: Uint8Array }
  /** There is nothing to read, and what to do about it. */
  | { status: 'no_data' | 'failed'; detail: string };

export async function readSpoolFile(path: string, folders: readonly string[]): Promise<SpoolReading> {
  const outside: SpoolReading = {
    status: 'no_data',
    detail:
      folders.length === 0
        ? 'asbx_data_path was not looked at: asbx_integration.spool_directories names no folder'
        : `asbx_data_path was not looked at: it must be a .json file below ${folders.join(' or ')} (asbx_integration.spool_directories)`,
  };
  const wanted = resolve(path);
  // By its name first, so that nobody learns from the answer what is elsewhere.
  if (path !== wanted || !path.endsWith('.json') || !folders.some((folder) => isBelow(wanted, resolve(folder))))
    return outside;
  try {
    const folder = await realpath(dirname(wanted));
    const allowed = await Promise.all(folders.map((each) => realpath(each).catch(() => undefined)));
    const real = join(folder, basename(wanted));
    if (!allowed.some((each) => each !== undefined && isBelow(real, each))) return outside;
    return await readWhole(real);
  } catch (error) {
    return unreadable(error);
  }
}

const isBelow = (path: string, folder: string): boolean =>
  path.startsWith(folder.endsWith(sep) ? folder : folder + sep);

/** Not through a link, and without waiting for the other end of a pipe. */
async function readWhole(path: string): Promise<SpoolReading> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stat = await file.stat();
    if (!stat.isFile()) return { status: 'failed', detail: 'asbx_data_path is no ordinary file' };
    if (stat.size > BYTES_MAX) return { status: 'failed', detail: `asbx_data_path is larger than ${BYTES_MAX} bytes` };
    const { bytesRead, buffer } = await file.read(Buffer.alloc(BYTES_MAX + 1), 0, BYTES_MAX + 1, 0);
    if (bytesRead > BYTES_MAX) return { status: 'failed', detail: `asbx_data_path is larger than ${BYTES_MAX} bytes` };
    return { status: 'read', bytes: buffer.subarray(0, bytesRead) };
  } finally {
    await file.close();
  }
}

function unreadable(error: unknown): SpoolReading {
  const code = codeOf(error);
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return { status: 'no_data', detail: 'there is no file at asbx_data_path on the machine of the API' };
  }
  if (code === 'ELOOP') return { status: 'failed', detail: 'asbx_data_path is a symbolic link, which is not followed' };
  return { status: 'failed', detail: `asbx_data_path cannot be read by the API (${code})` };
}
