/**
 * A folder in which ASBX leaves its reports. Each is sent to the API and then moved: to done/ once the service has it, to
 * failed/ with a file that says why where it never can have it. In this order, so that a watcher that is killed between the
 * two sends it again, which changes nothing; and so may several watchers of one folder.
 */
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from '../../domain/code-of';
import type { Client } from '../client';
import { EXIT, Stop } from '../exit';
import type { AsbxReconciliation } from '../wire';
import { readReportFile } from './report-file';

/** As ASBX's exporter calls them, and as its own reports are called (contract 8.4, 8.5). Other files are not ours. */
const REPORT_NAME = /^(?:job-.{1,128}-asbb-reconciliation|job_.{1,128}_cost)\.json$/;

/** Who writes a file without renaming it has this long to go on. */
const SETTLED_MS = 10_000;

export type Told =
  | { what: 'done'; file: string; jobId: string; answer: AsbxReconciliation }
  | { what: 'failed'; file: string; reason: string }
  /** Left where it is: it is not whole yet, or the service cannot take it now. */
  | { what: 'kept'; file: string; reason: string };

export interface Round {
  told: Told[];
  /** Why the service takes nothing at present. */
  unavailable?: Stop;
}

export class Spool {
  /** Files that could not be read, by when they were first seen as they are. */
  private readonly unread = new Map<string, { signature: string; sinceMs: number }>();

  constructor(
    private readonly folder: string,
    private readonly client: Pick<Client, 'call'>,
  ) {}

  /** Everything that is there now. `ENOENT` where there is no such folder. */
  async work(isEnding: () => boolean = () => false): Promise<Round> {
    const names = (await readdir(this.folder)).filter((name) => REPORT_NAME.test(name)).toSorted();
    for (const known of this.unread.keys()) if (!names.includes(known)) this.unread.delete(known);
    const round: Round = { told: [] };
    for (const file of names) {
      if (isEnding()) break;
      try {
        const each = await this.deliver(file);
        if (each) round.told.push(each);
      } catch (error) {
        if (!(error instanceof Stop)) throw error;
        round.told.push({ what: 'kept', file, reason: error.message });
        round.unavailable = error;
        // Where nobody answers, nobody will for the next one; what one file runs into, another may not.
        if (error.exitCode === EXIT.unreachable) break;
      }
    }
    return round;
  }

  private async deliver(file: string): Promise<Told | undefined> {
    const report = await this.read(file);
    switch (report.status) {
      case 'gone':
        return undefined;
      case 'hopeless':
        return this.fail(file, report.reason);
      case 'unreadable':
        return this.wait(file, report);
      case 'whole': {
        this.unread.delete(file);
        try {
          const answer = await sendReport(this.client, report.json);
          await this.move(file, await this.placeIn('done', file));
          return { what: 'done', file, jobId: report.jobId, answer };
        } catch (error) {
          if (error instanceof Stop && isRefusal(error)) return this.fail(file, reasonOf(error));
          throw error;
        }
      }
    }
  }

  private async read(file: string): ReturnType<typeof readReportFile> {
    try {
      return await readReportFile(join(this.folder, file));
    } catch (error) {
      // Its permissions may be about to be set; nobody but a person can say that they will not.
      return {
        status: 'unreadable',
        reason: `it cannot be read (${codeOf(error)})`,
        signature: codeOf(error),
        ageMs: 0,
      };
    }
  }

  /** Half-written files become whole; what has stayed as it is for long enough never will. */
  private async wait(
    file: string,
    { reason, signature, ageMs }: { reason: string; signature: string; ageMs: number },
  ): Promise<Told | undefined> {
    const known = this.unread.get(file);
    const sinceMs = known?.signature === signature ? known.sinceMs : performance.now();
    this.unread.set(file, { signature, sinceMs });
    const isForbidden = signature === 'EACCES' || signature === 'EPERM';
    const unchangedMs = Math.max(ageMs, performance.now() - sinceMs);
    if (unchangedMs < SETTLED_MS || isForbidden) return { what: 'kept', file, reason };
    return this.fail(file, reason);
  }

  /** The reason first: whoever finds a file there finds why. */
  private async fail(file: string, reason: string): Promise<Told | undefined> {
    const place = await this.placeIn('failed', file);
    await writeFile(`${place}.reason.txt`, `${reason}\n\nOnce it is mended: bursar asbx import ${place}\n`);
    if (await this.move(file, place)) return { what: 'failed', file, reason };
    if (!(await exists(place))) await rm(`${place}.reason.txt`, { force: true });
    return undefined;
  }

  /** One of the same name that is there already stays. */
  private async placeIn(below: 'done' | 'failed', file: string): Promise<string> {
    const folder = join(this.folder, below);
    await mkdir(folder, { recursive: true });
    let place = join(folder, file);
    for (let number = 1; await exists(place); number += 1) place = join(folder, `${file}.${number}`);
    return place;
  }

  /** False where another watcher was faster. */
  private async move(file: string, place: string): Promise<boolean> {
    try {
      await rename(join(this.folder, file), place);
      return true;
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return false;
      throw error;
    }
  }
}

/** The same report again is answered as the first time, so this may be repeated. */
export async function sendReport(client: Pick<Client, 'call'>, json: string): Promise<AsbxReconciliation> {
  return (await client.call<AsbxReconciliation>('POST', '/api/v1/asbx/reconcile', { json })).body;
}

/** What is wrong with the caller and not with what he sends. */
const OF_THE_CALLER = ['unauthenticated', 'forbidden', 'foreign_origin', 'route_not_found', 'method_not_allowed'];
/** Refused once and for ever. */
const isRefusal = (stop: Stop): boolean => {
  const code = codeOf(stop.problem);
  const ofTheFile = [EXIT.usage, EXIT.notFound, EXIT.denied].some((exit) => exit === stop.exitCode);
  if (code === '' || OF_THE_CALLER.includes(code)) return false;
  return ofTheFile || code === 'already_reconciled';
};

const reasonOf = (stop: Stop): string =>
  [stop.message, ...(codeOf(stop.problem) === 'malformed_request' ? stop.hints : [])].join('\n');

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
