/** What lies on this machine: hooks, slurm.conf, what the relay and its policy file say. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { buildFacts } from '../../../platform/build-facts';
import type { Session } from '../../session';
import { digest, textOf } from '../files';
import { HOOK_NAMES, renderHook, siteName, siteScript } from '../hook-files';
import { onDisk, type Layout } from '../layout';
import { readManifest } from '../manifest';
import { blockIn, type Setting } from '../slurm-conf';
import { failed, INSTALL, ok, readObject, unknown, warning, type Finding, type HookConfig } from './finding';

export function hookFiles(layout: Layout): Finding[] {
  const manifest = readManifest(layout);
  if (manifest === undefined) return [failed('hooks', 'nothing says what was installed', INSTALL)];
  const { version } = buildFacts();
  const findings = HOOK_NAMES.filter((name) => manifest.files[join(layout.slurm, `${name}.lua`)] !== undefined).map(
    (name): Finding => {
      const path = join(layout.slurm, `${name}.lua`);
      const text = textOf(onDisk(layout, path));
      if (text === undefined) return failed(path, 'it is not there', INSTALL);
      const site = siteScript(onDisk(layout, layout.slurm), name);
      if (text !== renderHook(name, layout, site !== undefined)) {
        return warning(
          path,
          `it is not what version ${version} installs`,
          `${INSTALL} What a site adds belongs into ${siteName(name)}.`,
        );
      }
      if (site && statSync(site.path).mtimeMs > statSync(onDisk(layout, path)).mtimeMs) {
        return warning(path, `${siteName(name)} is newer, and Slurm has not read it`, `touch ${path}`);
      }
      return ok(path, site ? `version ${version}, after ${siteName(name)}` : `version ${version}`);
    },
  );
  const others = Object.entries(manifest.files).filter(
    ([file]) => !file.endsWith('.lua') && !file.startsWith(layout.etc),
  );
  for (const [file, written] of others) {
    const text = textOf(onDisk(layout, file));
    if (text === undefined) findings.push(failed(file, 'it is not there', INSTALL));
    else if (digest(text) !== written) findings.push(warning(file, 'it was changed since it was installed', INSTALL));
  }
  return findings;
}

/** What slurm.conf says, and what the controller that runs has read of it. */
export function slurmConf(
  layout: Layout,
  settings: ReadonlyMap<string, Setting>,
  active: ReadonlyMap<string, string> | string,
): Finding[] {
  const path = layout.conf;
  const block = blockIn(textOf(onDisk(layout, path)) ?? '')?.split('\n') ?? [];
  const manifest = readManifest(layout);
  const parts = new Set(manifest?.parts ?? []);
  const wanted: [key: string, word: string][] = [
    ['JobSubmitPlugins', 'lua'],
    ...(parts.has('jobcomp') ? [['JobCompType', 'jobcomp/lua'] as [string, string]] : []),
    ...(parts.has('prolog')
      ? (['Prolog', 'Epilog'] as const).map((name): [string, string] => [
          `${name}Slurmctld`,
          `${layout.library}/${name.toLowerCase()}.sh`,
        ])
      : []),
    ...(parts.has('cli-filter') ? [['CliFilterPlugins', 'lua'] as [string, string]] : []),
  ];
  const has = (value: string | undefined, word: string) =>
    value?.split(',').some((each) => each.trim() === word || each.trim().endsWith(`/${word}`)) ?? false;
  const missing = wanted.filter(
    ([key, word]) =>
      !has(settings.get(key.toLowerCase())?.value, word) &&
      !block.some((line) => line.startsWith(`${key}=`) && has(line.slice(key.length + 1), word)),
  );
  const written =
    missing.length === 0
      ? ok('slurm.conf', `${path} names the hooks`)
      : failed(
          'slurm.conf',
          `${path} does not say ${missing.map(([key, word]) => `${key}=${word}`).join(', ')}`,
          INSTALL,
        );
  if (typeof active === 'string') {
    return [
      written,
      unknown(
        'slurmctld',
        active,
        'Run this where scontrol reaches the controller, or start slurmctld; its log says why it does not run.',
      ),
    ];
  }
  const notRead = wanted.filter(([key, word]) => !has(active.get(key.toLowerCase()), word));
  return [
    written,
    notRead.length === 0
      ? ok('slurmctld', `the controller (${active.get('slurm_version') ?? 'of unknown version'}) runs with the hooks`)
      : failed(
          'slurmctld',
          `the controller that runs has not read ${notRead.map(([key]) => key).join(', ')}`,
          'Restart slurmctld: systemctl restart slurmctld.',
        ),
  ];
}

const RELAY_IS_SILENT_AFTER_S = 60;

export function relay(session: Session, config: HookConfig): Finding[] {
  const start = 'systemctl status bursar-relay, journalctl -u bursar-relay';
  const state = readObject(config.state_file ?? '');
  if (state === undefined)
    return [failed('relay', 'it has never run', `Start it: systemctl enable --now bursar-relay. ${start}`)];
  const number = (name: string) => (typeof state[name] === 'number' ? state[name] : 0);
  const silent = Math.round(session.io.now().getTime() / 1000 - number('at'));
  const findings = [
    silent <= RELAY_IS_SILENT_AFTER_S
      ? ok('relay', `alive (process ${number('pid')})`)
      : failed('relay', `it has said nothing for ${silent} s`, start),
  ];
  const troubles = Array.isArray(state.trouble) ? (state.trouble as { what?: string; why?: string }[]) : [];
  for (const { what, why } of troubles)
    findings.push(
      failed(
        'relay',
        `cannot ${what}: ${why}`,
        'It tries again by itself; `service` and `slurmctld` above say who is away.',
      ),
    );
  const backlog = number('backlog_bytes');
  findings.push(
    backlog < 1_048_576
      ? ok('backlog', backlog === 0 ? 'everything has been sent' : `${backlog} bytes are on their way`)
      : warning(
          'backlog',
          `${backlog} bytes wait to be sent`,
          'They are sent as soon as the service answers; nothing else need be done.',
        ),
  );
  if (number('dropped') > 0) {
    findings.push(
      warning(
        'spool',
        `${number('dropped')} records were dropped because it was full`,
        `The comparison with sacct finds their jobs. Raise spool_bytes; rm ${config.spool}/*.dropped begins the count anew.`,
      ),
    );
  }
  if (number('rejected') > 0) {
    findings.push(
      warning(
        'spool',
        `${number('rejected')} records could not be taken`,
        `${config.spool}/rejected.ndjson has them, with the reasons.`,
      ),
    );
  }
  return findings;
}

export function policyFile(session: Session, config: HookConfig): Finding {
  const policy = readObject(config.policy_file ?? '');
  const mend = 'The relay writes it: is it running?';
  if (policy === undefined)
    return failed(
      'policy file',
      `${config.policy_file} is not there: with the service away every job is refused`,
      mend,
    );
  const fetched = typeof policy.fetched_at === 'number' ? policy.fetched_at : 0;
  const age = Math.max(0, Math.round(session.io.now().getTime() / 1000 - fetched));
  const says = `with the service away: ${String(policy.failure_policy)}`;
  return age <= 10 * (config.policy_seconds ?? 30) + 60
    ? ok('policy file', `${age} s old; ${says}`)
    : warning('policy file', `${age} s old; ${says}`, mend);
}
