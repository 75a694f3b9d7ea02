/** `bursar slurm install`: writes what the plan says, makes the keys, and says what is left to do by hand. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, chmodSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buildFacts } from '../../platform/build-facts';
import { codeOf } from '../../domain/code-of';
import { EXIT, Stop } from '../exit';
import type { Session } from '../session';
import { plural } from '../text';
import { digest, orSay, own, standing, textOf, writeWhole } from './files';
import { keysToMake, keysToRevoke, makeKeys, policyPath, revokeKeys, type HeldKey } from './keys';
import { CLI_CONFIG, HOOK_KEY, layoutOf, MANIFEST, onDisk, RELAY, UNIT, type Layout } from './layout';
import { readManifest, type Manifest } from './manifest';
import { planInstallation, type InstallOptions, type Plan, type PlannedFile } from './plan';
import { diffOf } from './slurm-conf';

interface Change {
  path: string;
  change: 'new' | 'changed' | 'same' | 'removed';
  mode: string;
  owner: string;
}

export async function install(session: Session, options: InstallOptions): Promise<void> {
  const layout = layoutOf(options, session.io.env);
  const before = readManifest(layout);
  const plan = await planInstallation(layout, session.endpoint, options, before);
  if (plan.conflicts.length > 0) refuse(plan);
  const changes = changesOf(plan, before);
  const diff = diffOf(plan.slurmConf.path, plan.slurmConf.before, plan.slurmConf.after);
  const body = {
    cluster: plan.cluster,
    service: session.endpoint,
    hook_url: plan.url,
    slurm_user: plan.slurmUser.user,
    moved: plan.moves,
    slurm_conf_diff: diff,
  };

  if (options.dryRun) {
    const inTheWay = await whyNot(session, plan);
    session.answer({ dry_run: true, ...body, files: changes, keys: keysToMake(plan) }, () => {
      session.say(`Would install for cluster ${plan.cluster}, asking ${plan.url}. Nothing is written.`);
      tellChanges(session, plan, changes, diff);
      for (const key of keysToMake(plan))
        session.line(`key      ${key.name} (${key.scope}), unless the one there still works`);
      for (const key of keysToRevoke(plan, before)) session.line(`revoked  ${key.name}`);
    });
    if (inTheWay) throw inTheWay;
    return;
  }

  // Before anything is made: the cluster is known, and the service is one that knows hooks.
  const policy = await session.client.get<object>(policyPath(plan));
  const { keys, cliFile } = await makeKeys(session, plan);
  const manifest = apply(
    plan,
    before,
    [...keys.map(({ made }) => made).filter((made) => made !== undefined)],
    cliFile,
    keys,
  );
  writePolicy(session, plan, policy);
  const backup = writeSlurmConf(plan, session.io.now());
  writeManifest(plan, manifest);
  const revoked = keysToRevoke(plan, before);
  const lost = await revokeKeys(session, revoked);
  const hasStarted = startRelay(layout);
  const next = nextSteps(plan, diff, hasStarted);
  session.answer({ ...body, files: changes, backup: backup ?? null, keys: manifest.keys, next }, () => {
    const written = changes.filter(({ change }) => change !== 'same').length;
    tellChanges(
      session,
      plan,
      changes.filter(({ change }) => change !== 'same'),
      diff,
    );
    session.line(
      session.paint(
        'green',
        written === 0 && diff.length === 0
          ? 'Installed already; nothing has changed.'
          : `Installed: ${plural(written, 'file')} written.`,
      ),
    );
    for (const key of revoked)
      session.line(
        lost.includes(key)
          ? `Key ${key.name} could not be revoked: \`bursar key revoke ${key.name}\`.`
          : `revoked  ${key.name}`,
      );
    if (backup !== undefined) session.line(`The slurm.conf of before is ${backup}.`);
    session.heading('What is left to do');
    for (const step of next) session.say(`  ${step}`);
  });
}

/** What would end an installation before anything is written: a cluster that Bursar does not know, or no answer. */
async function whyNot(session: Session, plan: Plan): Promise<Stop | undefined> {
  try {
    await session.client.get(policyPath(plan));
    return undefined;
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    return error;
  }
}

function refuse({ conflicts }: Plan): never {
  throw new Stop(
    EXIT.failure,
    `${plural(conflicts.length, 'line')} of slurm.conf ${conflicts.length === 1 ? 'is' : 'are'} in the way. Nothing was written.`,
    {
      hints: conflicts.map(({ key, value, file, line, advice }) => `${file}:${line}: ${key}=${value}: ${advice}.`),
      problem: { code: 'slurm_conf_conflict', conflicts },
    },
  );
}

function changesOf(plan: Plan, before: Manifest | undefined): Change[] {
  const changes = plan.files.map(({ path: file, text, mode, owner }): Change => {
    const there = textOf(onDisk(plan.layout, file));
    const isMoved = plan.moves.some(({ from }) => from === file);
    const change = there === undefined || isMoved ? 'new' : there === text ? 'same' : 'changed';
    return { path: file, change, mode: mode.toString(8).padStart(4, '0'), owner: owner.name };
  });
  return [
    ...changes,
    ...leftOver(plan, before).map((file): Change => ({ path: file, change: 'removed', mode: '', owner: '' })),
  ];
}

/** Files of an earlier installation that had more parts. */
function leftOver(plan: Plan, before: Manifest | undefined): string[] {
  const wanted = new Set([
    ...plan.files.map(({ path: file }) => file),
    join(plan.layout.etc, HOOK_KEY),
    ...(plan.parts.has('cli-filter') ? [join(plan.layout.etc, CLI_CONFIG)] : []),
  ]);
  return Object.keys(before?.files ?? {}).filter((file) => !wanted.has(file) && existsSync(onDisk(plan.layout, file)));
}

function tellChanges(session: Session, plan: Plan, changes: readonly Change[], diff: readonly string[]): void {
  for (const { from, to } of plan.moves) session.line(`renamed  ${from} -> ${to} (the site's own; it is asked first)`);
  for (const { path: file, change, mode, owner } of changes)
    session.line(`${change.padEnd(7)}  ${file}  ${mode} ${owner}`.trimEnd());
  for (const line of diff) {
    session.line(
      line.startsWith('+') ? session.paint('green', line) : line.startsWith('-') ? session.paint('red', line) : line,
    );
  }
}

/** Hooks last, for Slurm reads them as soon as they change, and they need what is before them. */
function apply(
  plan: Plan,
  before: Manifest | undefined,
  made: Manifest['keys'],
  cliFile: PlannedFile | undefined,
  keys: readonly HeldKey[],
): Manifest {
  const { layout, slurmUser } = plan;
  const folders = [...(before?.folders ?? [])];
  for (const { path: folder, mode, owner } of plan.folders) {
    const place = onDisk(layout, folder);
    if (existsSync(place)) continue;
    folders.push(...missingTo(layout, folder));
    orSay(folder, () => {
      mkdirSync(place, { recursive: true });
      chmodSync(place, mode);
      own(place, owner);
    });
  }
  const shared = { uid: 0, gid: slurmUser.gid, name: '' };
  const hookKey: PlannedFile = {
    path: join(layout.etc, HOOK_KEY),
    text: `${keys[0]?.token ?? ''}\n`,
    mode: 0o640,
    owner: shared,
  };
  const files = [hookKey, ...(cliFile ? [cliFile] : []), ...plan.files];
  for (const { from, to } of plan.moves) orSay(to, () => renameSync(onDisk(layout, from), onDisk(layout, to)));
  for (const { path: file, text, mode, owner } of files) {
    const place = onDisk(layout, file);
    // Rewritten only where it differs: a script that changes is read again by the controller.
    if (textOf(place) !== text || standing(place).mode !== mode) writeWhole(place, text, mode, owner);
  }
  for (const file of leftOver(plan, before)) {
    if (digest(textOf(onDisk(layout, file)) ?? '') === before?.files[file]) rmSync(onDisk(layout, file));
  }
  return {
    version: buildFacts().version,
    cluster: plan.cluster,
    service: plan.url,
    parts: [...plan.parts],
    files: Object.fromEntries(files.map(({ path: file, text }) => [file, digest(text)])),
    folders: [...new Set(folders)],
    moved: [...(before?.moved ?? []), ...plan.moves],
    keys: [...(before?.keys ?? []).filter((key) => !keysToRevoke(plan, before).includes(key)), ...made],
    asked: plan.asked,
    slurm_conf: plan.slurmConf.path,
  };
}

/** The folder and those around it that are not there, the outer ones first. */
const missingTo = (layout: Layout, folder: string): string[] =>
  existsSync(onDisk(layout, folder)) || folder === dirname(folder)
    ? []
    : [...missingTo(layout, dirname(folder)), folder];

/** From here on the hook knows what to do should the service go away, also before the relay's first round. */
function writePolicy(session: Session, { layout, slurmUser, addresses }: Plan, policy: object): void {
  const fetched = Math.floor(session.io.now().getTime() / 1000);
  const text = JSON.stringify({ ...policy, addresses, fetched_at: fetched });
  writeWhole(onDisk(layout, join(layout.state, 'policy.json')), text, 0o640, slurmUser);
}

function writeSlurmConf({ layout, slurmConf }: Plan, now: Date): string | undefined {
  const { path: file, before, after } = slurmConf;
  if (before === after) return undefined;
  const place = onDisk(layout, file);
  const backup = `${file}.bursar-${now.toISOString().slice(0, 19).replaceAll(':', '')}Z`;
  const { mode, owner } = standing(place);
  writeWhole(onDisk(layout, backup), before, mode, owner);
  writeWhole(place, after, mode, owner);
  return backup;
}

const writeManifest = ({ layout }: Plan, manifest: Manifest): void =>
  writeWhole(onDisk(layout, join(layout.etc, MANIFEST)), `${JSON.stringify(manifest, null, 2)}\n`, 0o644, {
    uid: 0,
    gid: 0,
  });

/** Only where this machine's own systemd would find the unit. */
function startRelay(layout: Layout): boolean {
  if (layout.root !== '' || layout.units !== '/etc/systemd/system' || !existsSync('/run/systemd/system')) return false;
  try {
    execFileSync('systemctl', ['daemon-reload'], { stdio: 'ignore' });
    execFileSync('systemctl', ['enable', UNIT], { stdio: 'ignore' });
    execFileSync('systemctl', ['restart', UNIT], { stdio: 'ignore' });
    return true;
  } catch (error) {
    if (codeOf(error) === '' && !(error instanceof Error)) throw error;
    return false;
  }
}

function nextSteps(plan: Plan, diff: readonly string[], hasStarted: boolean): string[] {
  const { layout } = plan;
  return [
    ...(hasStarted
      ? []
      : [
          `Start the relay: systemctl enable --now ${UNIT}, or ${join(layout.library, RELAY)} --config ${join(layout.etc, 'slurm.json')} as ${plan.slurmUser.user} under whatever keeps services alive.`,
        ]),
    ...(diff.length > 0
      ? ['Restart slurmctld (systemctl restart slurmctld): it reads plugins when it starts. Jobs go on.']
      : []),
    ...(plan.parts.has('cli-filter')
      ? [
          `Before the submit hosts see the new slurm.conf, bring ${join(layout.slurm, 'cli_filter.lua')} and ${join(layout.etc, CLI_CONFIG)} to each of them: without the script sbatch refuses every job. Then run \`bursar slurm doctor --submit-host\` there.`,
        ]
      : []),
    'Check it: bursar slurm doctor.',
  ];
}
