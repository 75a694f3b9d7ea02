/** `bursar slurm doctor`: tries each hook against the live service, and says of each thing that is wrong how to mend it. */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { buildFacts } from '../../platform/build-facts';
import { EXIT, Stop } from '../exit';
import type { Session } from '../session';
import { plural } from '../text';
import { ownerOf, textOf } from './files';
import { HOOK_NAMES, renderHook, siteName, siteScript } from './hook-files';
import { CLI_CONFIG, CONFIG, layoutOf, onDisk, type Layout, type PlaceOptions } from './layout';
import { readManifest } from './manifest';
import { blockIn, readSlurmConf, type Setting } from './slurm-conf';
import { askAs, askController, findLua, tryHook, type Tried } from './probe';

export interface DoctorOptions extends PlaceOptions {
  submitHost?: boolean;
  account?: string;
  partition?: string;
}

export interface Finding {
  check: string;
  state: 'ok' | 'warning' | 'failed' | 'unknown';
  detail: string;
  /** What to do. */
  mend?: string;
}

export const FINDING_FIELDS: readonly (keyof Finding)[] = ['check', 'state', 'detail', 'mend'];

const ok = (check: string, detail: string): Finding => ({ check, state: 'ok', detail });
const failed = (check: string, detail: string, mend: string): Finding => ({ check, state: 'failed', detail, mend });
const warning = (check: string, detail: string, mend: string): Finding => ({ check, state: 'warning', detail, mend });
const unknown = (check: string, detail: string, mend: string): Finding => ({ check, state: 'unknown', detail, mend });

const INSTALL = 'Run `bursar slurm install` (again).';

export async function doctor(session: Session, options: DoctorOptions): Promise<void> {
  const layout = layoutOf(options, session.io.env);
  const findings = options.submitHost ? await submitHost(layout) : await controller(session, layout, options);
  const bad = findings.filter(({ state }) => state === 'failed');
  session.answer(
    { ok: bad.length === 0, findings },
    () => {
      session.table(findings, [
        { title: 'CHECK', value: ({ check }) => check },
        {
          title: 'STATE',
          value: ({ state }) => state,
          color: ({ state }) =>
            (({ ok: 'green', warning: 'yellow', failed: 'red', unknown: 'yellow' }) as const)[state],
        },
        { title: 'DETAIL', value: ({ detail }) => detail, shrinksTo: 30 },
      ]);
      const mends = findings.filter(({ mend }) => mend !== undefined);
      if (mends.length > 0) session.heading('What to do');
      for (const { check, mend } of mends) session.say(`  ${check}: ${mend}`);
    },
    FINDING_FIELDS,
    findings,
  );
  if (bad.length > 0)
    throw new Stop(EXIT.failure, `${plural(bad.length, 'thing')} ${bad.length === 1 ? 'is' : 'are'} wrong.`);
}

/** What the hooks and the relay are configured with; only what is looked at here. */
interface HookConfig {
  url?: string;
  relay_url?: string;
  cluster?: string;
  token_file?: string;
  token?: string;
  deadline_ms?: number;
  spool?: string;
  spool_bytes?: number;
  policy_file?: string;
  state_file?: string;
  policy_seconds?: number;
  show?: boolean;
}

function readObject(path: string): Record<string, unknown> | undefined {
  const text = textOf(path);
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

async function controller(session: Session, layout: Layout, options: DoctorOptions): Promise<Finding[]> {
  const place = onDisk(layout, join(layout.etc, CONFIG));
  const config: HookConfig | undefined = readObject(place);
  if (config === undefined) {
    const why = existsSync(place) ? 'is no JSON object, or not to be read by you' : 'is not there';
    return [
      failed('configuration', `${place} ${why}`, existsSync(place) ? 'Run this as root; mend the file.' : INSTALL),
    ];
  }
  const settings = readSlurmConf(onDisk(layout, join(layout.slurm, 'slurm.conf')));
  const active = await askController(layout, session);
  return [
    configuration(place, config),
    ...hookFiles(layout),
    ...slurmConf(layout, settings, active),
    ...(await service(session, config)),
    ...(await hooks(layout, config, options)),
    ...spool(layout, config, settings),
    ...relay(session, config),
    policyFile(session, config),
    ...(existsSync(onDisk(layout, join(layout.slurm, 'cli_filter.lua'))) ? await submitHost(layout) : []),
  ];
}

function configuration(place: string, config: HookConfig): Finding {
  const missing = (['url', 'cluster', 'token_file', 'spool', 'policy_file'] as const).filter(
    (name) => config[name] === undefined,
  );
  if (missing.length > 0) return failed('configuration', `${place} lacks ${missing.join(', ')}`, INSTALL);
  if ((statSync(place).mode & 0o007) !== 0) {
    return warning('configuration', `${place} can be read by everybody`, `chmod o= ${place}`);
  }
  return ok(
    'configuration',
    `${place}: cluster ${config.cluster}, asks ${config.url} for at most ${config.deadline_ms ?? 500} ms`,
  );
}

function hookFiles(layout: Layout): Finding[] {
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
  const gone = Object.keys(manifest.files).filter((file) => !existsSync(onDisk(layout, file)));
  return [
    ...findings,
    ...gone.filter((file) => !file.endsWith('.lua')).map((file) => failed(file, 'it is not there', INSTALL)),
  ];
}

/** What slurm.conf says, and what the controller that runs has read of it. */
function slurmConf(
  layout: Layout,
  settings: ReadonlyMap<string, Setting>,
  active: ReadonlyMap<string, string> | string,
): Finding[] {
  const path = join(layout.slurm, 'slurm.conf');
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

const CLOCKS_MAY_DIFFER_S = 2;

/** By the hook's own address and key, as the hook would. */
async function service(session: Session, config: HookConfig): Promise<Finding[]> {
  const token = textOf(config.token_file ?? '')?.trim();
  if (!token)
    return [
      failed('hook key', `${config.token_file} is not there, or not to be read by you`, `Run this as root. ${INSTALL}`),
    ];
  const cluster = encodeURIComponent(config.cluster ?? '');
  const began = performance.now();
  const policy = await askAs(session, config.url ?? '', token, 'GET', `/api/v1/slurm/policy?cluster=${cluster}`);
  const tookMs = Math.round(performance.now() - began);
  if (policy.status === undefined) {
    return [
      failed(
        'service',
        `${config.url} does not answer: ${policy.detail}`,
        'Is the API running, and may this machine reach it? Until it answers, the failure policy of the cluster applies.',
      ),
    ];
  }
  if (policy.status !== 200) {
    const mend =
      policy.status === 401 || policy.status === 403
        ? `Take ${config.token_file} away and install again: that makes a new key.`
        : 'Is the service of the same version? `bursar status` tells.';
    return [failed('hook key', `the service answered ${policy.status}: ${policy.detail}`, mend)];
  }
  const deadline = config.deadline_ms ?? 500;
  const findings = [
    tookMs * 2 < deadline
      ? ok('service', `${config.url} answers within ${tookMs} ms`)
      : warning(
          'service',
          `${config.url} takes ${tookMs} ms to answer, and a submission waits for ${deadline} ms at most`,
          'Bring the API nearer, or raise deadline_ms: the controller waits with its locks held.',
        ),
  ];
  const admin = await askAs(session, config.url ?? '', token, 'GET', '/api/v1/keys');
  findings.push(
    admin.status === 200
      ? warning(
          'hook key',
          'it may do everything (or the API asks for no key at all)',
          '`bursar key create NAME --scope admin` makes the API ask; the hook needs a key of the scope hook.',
        )
      : ok('hook key', `good for cluster ${config.cluster}, and for nothing else`),
  );
  if (policy.date !== undefined) {
    const apart = Math.abs(policy.date - session.io.now().getTime()) / 1000;
    findings.push(
      apart <= CLOCKS_MAY_DIFFER_S
        ? ok('clock', 'this machine and the service agree')
        : warning(
            'clock',
            `this machine and the service are ${Math.round(apart)} s apart`,
            'Let both follow one time server (chrony, ntp): runs are told apart by their times.',
          ),
    );
  }
  return findings;
}

/** Each hook is run once, as Slurm would run it. */
async function hooks(layout: Layout, config: HookConfig, options: DoctorOptions): Promise<Finding[]> {
  const lua = findLua();
  if (lua === undefined) {
    return [
      unknown(
        'lua',
        'there is no Lua with socket and cjson to try the hooks with',
        'apt-get install lua5.1 lua-socket lua-cjson (or dnf install lua-socket lua-cjson): slurmctld needs the two libraries as well.',
      ),
    ];
  }
  const findings = [ok('lua', `${lua} has socket and cjson`)];
  const submit = await tryHook(lua, layout, 'job_submit', 'submit', [
    ...(options.account === undefined
      ? ['user_name=root', 'user_id=0']
      : ['user_name=bursar-doctor', 'user_id=65533', `account=${options.account}`]),
    ...(options.partition === undefined ? [] : [`partition=${options.partition}`]),
    'time_limit=1',
    'min_nodes=1',
    'min_cpus=1',
    'num_tasks=1',
  ]);
  findings.push(submission(submit));
  if (submit.comment !== undefined) findings.push(...(await giveBack(config, submit.comment)));
  if (existsSync(onDisk(layout, join(layout.slurm, 'jobcomp.lua')))) {
    const record = await tryHook(lua, layout, 'jobcomp', 'record', ['job_id=0']);
    findings.push(
      record.code === 0 && !record.logged.includes('lost')
        ? ok('jobcomp hook', 'writes its line')
        : failed('jobcomp hook', record.logged || record.failure || 'it failed', INSTALL),
    );
  }
  return findings;
}

function submission(tried: Tried): Finding {
  const check = 'submission hook';
  if (tried.failure !== undefined) return failed(check, tried.failure, INSTALL);
  if (/service away/.test(tried.logged)) {
    return failed(check, `the service was not reached: ${tried.logged.split('\n').at(-1)}`, 'See `service` above.');
  }
  if (!/\bbursar:[0-9a-f]{32}$/.test(tried.comment ?? '')) return failed(check, 'the job was not stamped', INSTALL);
  return ok(
    check,
    tried.code === 0 ? `answered yes within ${tried.ms} ms` : `answered within ${tried.ms} ms: ${tried.told}`,
  );
}

/** The hold of the try, if there was one. */
async function giveBack(config: HookConfig, comment: string): Promise<Finding[]> {
  const token = textOf(config.token_file ?? '')?.trim() ?? '';
  const key = /bursar:([0-9a-f]{32})/.exec(comment)?.[1];
  const body = { cluster: config.cluster, keys: [key], reason: 'tried by bursar slurm doctor' };
  const answer = await askAs(undefined, config.url ?? '', token, 'POST', '/api/v1/slurm/withdrawals', body);
  if (answer.status === 200) return [];
  return [
    warning(
      'submission hook',
      `its hold was not given back: ${answer.detail}`,
      'The sweep gives it back, since no job follows it.',
    ),
  ];
}

function spool(layout: Layout, config: HookConfig, settings: ReadonlyMap<string, Setting>): Finding[] {
  const folder = config.spool ?? layout.spool;
  const user = settings.get('slurmuser')?.value ?? 'root';
  const findings = [folder, join(config.policy_file ?? '', '..')].map((each): Finding => {
    if (!existsSync(each)) return failed('spool', `${each} is not there`, INSTALL);
    const { uid, mode } = statSync(each);
    const owner = ownerOf(user);
    return owner.uid === 0 || (uid === owner.uid && (mode & 0o200) !== 0)
      ? ok('spool', `${each} is ${user}'s`)
      : failed(
          'spool',
          `${each} cannot be written by ${user}`,
          `chown ${owner.user}:${owner.group} ${each} && chmod 0750 ${each}`,
        );
  });
  return findings;
}

const RELAY_IS_SILENT_AFTER_S = 60;

function relay(session: Session, config: HookConfig): Finding[] {
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

function policyFile(session: Session, config: HookConfig): Finding {
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

/** Everything that `sbatch` on this host needs. */
async function submitHost(layout: Layout): Promise<Finding[]> {
  const settings = readSlurmConf(onDisk(layout, join(layout.slurm, 'slurm.conf')));
  const conf = textOf(onDisk(layout, join(layout.slurm, 'slurm.conf'))) ?? '';
  const isAsked =
    /^CliFilterPlugins=.*lua/m.test(blockIn(conf) ?? '') ||
    (settings.get('clifilterplugins')?.value.includes('lua') ?? false);
  const script = join(layout.slurm, 'cli_filter.lua');
  const text = textOf(onDisk(layout, script));
  const where = `Copy ${script} and ${join(layout.etc, CLI_CONFIG)} from the controller, where \`bursar slurm install --cli-filter\` wrote them.`;
  if (text === undefined) {
    return [
      isAsked
        ? failed('cli_filter', `${script} is not there, and slurm.conf asks for it: sbatch refuses every job`, where)
        : ok('cli_filter', 'not used here'),
    ];
  }
  const findings: Finding[] = [];
  const config: HookConfig | undefined = readObject(onDisk(layout, join(layout.etc, CLI_CONFIG)));
  if (config?.token === undefined) {
    return [failed('cli_filter', `${join(layout.etc, CLI_CONFIG)} is not there, or has no key`, where)];
  }
  if ((statSync(onDisk(layout, join(layout.etc, CLI_CONFIG))).mode & 0o004) === 0) {
    findings.push(
      failed(
        'cli_filter',
        `${join(layout.etc, CLI_CONFIG)} cannot be read by users`,
        `chmod 0644 ${join(layout.etc, CLI_CONFIG)}`,
      ),
    );
  }
  if (text !== renderHook('cli_filter', layout, siteScript(onDisk(layout, layout.slurm), 'cli_filter') !== undefined)) {
    findings.push(warning('cli_filter', `${script} is not what version ${buildFacts().version} installs`, where));
  }
  findings.push(await estimateKey(config));
  const lua = findLua();
  if (lua === undefined) {
    findings.push(
      warning(
        'lua',
        'there is no Lua with socket and cjson here',
        'Without lua-socket and lua-cjson no price is printed; jobs are submitted all the same.',
      ),
    );
    return findings;
  }
  const tried = await tryHook(lua, layout, 'cli_filter', 'estimate', ['type=sbatch', 'time=1', 'ntasks=1']);
  if (tried.failure !== undefined || tried.code !== 0)
    findings.push(failed('cli_filter', tried.failure ?? 'it refuses jobs', INSTALL));
  else if (tried.told !== '') findings.push(ok('cli_filter', `says within ${tried.ms} ms: ${tried.told.trim()}`));
  else if (config.show !== true) findings.push(ok('cli_filter', 'prints nothing, as `show` says'));
  else
    findings.push(
      warning(
        'cli_filter',
        `printed no price (${tried.ms} ms)`,
        `Does ${config.url} answer from here within ${config.deadline_ms ?? 300} ms? Jobs are submitted all the same.`,
      ),
    );
  return findings;
}

async function estimateKey({ url = '', token = '', cluster = '' }: HookConfig): Promise<Finding> {
  const check = 'estimate key';
  const mend =
    'Make one of the scope estimate, `bursar key create NAME --scope estimate`, put it there, and revoke the other.';
  // A hook may read the first, an admin the second, an estimate key neither.
  const answers = [
    await askAs(undefined, url, token, 'GET', `/api/v1/slurm/policy?cluster=${encodeURIComponent(cluster)}`),
    await askAs(undefined, url, token, 'GET', '/api/v1/accounts'),
  ];
  if (answers.some(({ status }) => status === 200)) {
    return failed(check, 'it may do more than ask for prices, and every user can read it', mend);
  }
  const [{ status, detail } = { status: undefined, detail: '' }] = answers;
  if (status === undefined)
    return warning(check, `not tried: ${url} does not answer`, 'Is the API running, and may this machine reach it?');
  return status === 401 ? failed(check, detail, mend) : ok(check, 'may ask for prices, and for nothing else');
}
