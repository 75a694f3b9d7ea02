/** `bursar slurm uninstall`: takes back what was written, and nothing that somebody has changed since. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, renameSync, rmdirSync, rmSync, utimesSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { EXIT, Stop } from '../exit';
import type { Session } from '../session';
import { digest, orSay, standing, textOf, writeWhole } from './files';
import { revokeKeys } from './keys';
import { layoutOf, MANIFEST, onDisk, RELAY_MODULES, UNIT, type Layout, type PlaceOptions } from './layout';
import { readManifest, type Manifest } from './manifest';
import { askController } from './probe';
import { diffOf, PARTS, readSlurmConf, wantedLines, withBlock } from './slurm-conf';

export interface UninstallOptions extends PlaceOptions {
  dryRun?: boolean;
  force?: boolean;
}

export async function uninstall(session: Session, options: UninstallOptions): Promise<void> {
  const layout = layoutOf(options, session.io.env);
  const manifest = readManifest(layout);
  if (manifest === undefined) {
    throw new Stop(
      EXIT.failure,
      `${join(layout.etc, MANIFEST)} is not there: nothing is installed, or not with these folders.`,
    );
  }
  const running = await hooksThatRun(session, layout, manifest);
  // A controller that has lost their configuration takes no job, and their records.
  const isFirstHalf = running.length > 0 && !options.force;
  const waiting = isFirstHalf ? 0 : waitingIn(layout);
  if (waiting > 0 && !options.force && !options.dryRun) {
    throw new Stop(EXIT.failure, `${waiting} bytes in ${layout.spool} have not reached the service.`, {
      hints: [
        'Let the relay send them first, or lose them with --force; a comparison with sacct would find the jobs again.',
      ],
    });
  }

  const conf = textOf(onDisk(layout, manifest.slurm_conf)) ?? '';
  const after = withBlock(conf, []);
  const diff = diffOf(manifest.slurm_conf, conf, after);
  if (isFirstHalf) {
    takeOutOfConf(session, layout, manifest, { after, diff, running, dryRun: options.dryRun === true });
    return;
  }
  const { removed, kept } = sortFiles(layout, manifest);
  const backups = backupsOf(layout, manifest);
  const body = {
    cluster: manifest.cluster,
    removed,
    kept,
    backups,
    moved_back: manifest.moved,
    slurm_conf_diff: diff,
    keys: manifest.keys,
  };
  const tell = (verb: string) => {
    for (const file of removed) session.line(`${verb}  ${file}`);
    for (const file of kept)
      session.line(session.paint('yellow', `kept     ${file}: it was changed since it was installed`));
    for (const file of backups) session.line(`kept     ${file}: slurm.conf as it was before an installation`);
    for (const { from, to } of manifest.moved) session.line(`renamed  ${to} -> ${from}`);
    session.lines(diff);
  };
  if (options.dryRun) {
    session.answer({ dry_run: true, ...body }, () => tell('would go'));
    return;
  }

  // First what names the hooks: a controller that starts in between must not miss a script.
  if (diff.length > 0) writeConf(layout, manifest, after);
  stopRelay(layout);
  for (const file of removed) orSay(file, () => rmSync(onDisk(layout, file)));
  for (const { from, to } of manifest.moved) {
    if (existsSync(onDisk(layout, to)) && !existsSync(onDisk(layout, from))) {
      orSay(from, () => renameSync(onDisk(layout, to), onDisk(layout, from)));
      // Slurm reads a script again that is newer than what it has read, and this one is as old as the site's last change.
      const now = session.io.now();
      utimesSync(onDisk(layout, from), now, now);
    }
  }
  clearState(layout, options.force === true);
  const lost = await revokeKeys(session, manifest.keys);
  for (const folder of foldersOf(layout, manifest)) removeIfEmpty(onDisk(layout, folder));
  session.answer({ ...body, keys_left: lost }, () => {
    tell('removed ');
    session.line(session.paint('green', 'Uninstalled.'));
    if (running.length > 0 || diff.length > 0) {
      session.say(
        'Restart slurmctld now (systemctl restart slurmctld): while it runs with the hooks that it has read it refuses every submission, and loses what it would tell of starts and ends.',
      );
    }
    for (const { name } of lost) session.say(`Key ${name} could not be revoked: \`bursar key revoke ${name}\`.`);
  });
}

/**
 * Lines of the controller that runs which only we have put into slurm.conf. None where nobody can be asked: it is not running, or
 * this is not its machine.
 */
async function hooksThatRun(session: Session, layout: Layout, manifest: Manifest): Promise<string[]> {
  if (layout.root !== '') return [];
  const active = await askController(layout, session);
  if (typeof active === 'string') return [];
  const settings = readSlurmConf(onDisk(layout, manifest.slurm_conf));
  const parts = new Set(PARTS.filter((part) => manifest.parts.includes(part)));
  return wantedLines(layout.library, parts)
    .filter(({ key, part, suffices }) => {
      const own = settings.get(key.toLowerCase())?.value;
      // Read by the commands of users, from slurm.conf itself.
      if (part === 'cli-filter' || (own !== undefined && suffices(own))) return false;
      return suffices(active.get(key.toLowerCase()) ?? '');
    })
    .map(({ key }) => key);
}

interface FirstHalf {
  after: string;
  diff: string[];
  running: readonly string[];
  dryRun: boolean;
}

/** Hooks, relay and keys stay as they are until slurmctld has been restarted without them. */
function takeOutOfConf(
  session: Session,
  layout: Layout,
  manifest: Manifest,
  { after, diff, running, dryRun }: FirstHalf,
): void {
  const again =
    'Restart slurmctld (systemctl restart slurmctld), then run `bursar slurm uninstall` again. Until then the hooks go on as before.';
  const why = `slurmctld runs with the hooks (${running.join(', ')}), and without their files it would refuse every submission`;
  if (diff.length === 0 && !dryRun) {
    throw new Stop(EXIT.failure, `Nothing was removed: ${why}.`, {
      hints: [again, '--force removes them all the same.'],
    });
  }
  if (!dryRun) writeConf(layout, manifest, after);
  const body = { cluster: manifest.cluster, removed: [], restart_first: true, slurm_conf_diff: diff };
  session.answer(dryRun ? { dry_run: true, ...body } : body, () => {
    session.lines(diff);
    session.line(
      session.paint(
        'yellow',
        `${dryRun ? 'Only slurm.conf would be changed' : 'Only slurm.conf was changed'}: ${why}.`,
      ),
    );
    session.say(again);
  });
}

function writeConf(layout: Layout, manifest: Manifest, text: string): void {
  const { mode, owner } = standing(onDisk(layout, manifest.slurm_conf));
  writeWhole(onDisk(layout, manifest.slurm_conf), text, mode, owner);
}

/** Those that installations have made; they are for people, and stay. */
function backupsOf(layout: Layout, { slurm_conf: conf }: Manifest): string[] {
  return readdirSync(onDisk(layout, dirname(conf)))
    .filter((name) => name.startsWith(`${basename(conf)}.bursar-`))
    .toSorted()
    .map((name) => join(dirname(conf), name));
}

/** Records that the relay has not sent; what was put aside was told of. */
function waitingIn(layout: Layout): number {
  const folder = onDisk(layout, layout.spool);
  if (!existsSync(folder)) return 0;
  const state = textOf(onDisk(layout, join(layout.state, 'relay.json')));
  const backlog = state === undefined ? undefined : Reflect.get(JSON.parse(state) as object, 'backlog_bytes');
  if (typeof backlog === 'number') return backlog;
  return readdirSync(folder)
    .filter((name) => /\.(ndjson|sending)$/.test(name) && name !== 'rejected.ndjson')
    .reduce((sum, name) => sum + Buffer.byteLength(textOf(join(folder, name)) ?? ''), 0);
}

function sortFiles(layout: Layout, { files }: Manifest): { removed: string[]; kept: string[] } {
  const there = Object.keys(files).filter((file) => existsSync(onDisk(layout, file)));
  const isAsWritten = (file: string) => digest(textOf(onDisk(layout, file)) ?? '') === files[file];
  return { removed: there.filter(isAsWritten), kept: there.filter((file) => !isAsWritten(file)) };
}

function clearState(layout: Layout, force: boolean): void {
  const state = onDisk(layout, layout.state);
  for (const name of ['policy.json', 'policy.json.hour', 'relay.json']) rmSync(join(state, name), { force: true });
  const spool = onDisk(layout, layout.spool);
  for (const name of existsSync(spool) ? readdirSync(spool) : []) {
    const isOurs = /^(submit|prolog|epilog|jobcomp)\.(ndjson|sending|offset|ndjson\.dropped)$|^\.relay\.lock$/.test(
      name,
    );
    // What was put aside is for people; it goes only if they say so.
    if (isOurs || (force && name.startsWith('rejected.ndjson'))) rmSync(join(spool, name));
  }
  rmSync(onDisk(layout, join(layout.etc, MANIFEST)));
}

/** Bursar's own, and those around them that were made for them: the inner ones first. */
function foldersOf(layout: Layout, { folders = [] }: Manifest): string[] {
  const own = [
    layout.spool,
    layout.state,
    join(layout.library, RELAY_MODULES),
    layout.library,
    dirname(layout.library),
    layout.etc,
  ];
  return [...new Set([...own, ...folders])].toSorted((one, other) => other.length - one.length);
}

function removeIfEmpty(folder: string): void {
  if (existsSync(folder) && readdirSync(folder).length === 0) rmdirSync(folder);
}

function stopRelay(layout: Layout): void {
  if (layout.root !== '' || layout.units !== '/etc/systemd/system' || !existsSync('/run/systemd/system')) return;
  try {
    execFileSync('systemctl', ['disable', '--now', UNIT], { stdio: 'ignore' });
  } catch {
    // It was not running, or systemd does not know it: what follows removes it anyway.
  }
}
