/** The service as the hooks meet it: by their address and key, and by running each of them once. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { buildFacts } from '../../../platform/build-facts';
import type { Session } from '../../session';
import { textOf } from '../files';
import { onDisk, type Layout } from '../layout';
import { askAs, findLua, tryHook, tryScript, type Tried } from '../probe';
import { failed, INSTALL, ok, unknown, warning, type Finding, type HookConfig } from './finding';

const CLOCKS_MAY_DIFFER_S = 2;

/** By the hook's own address and key, as the hook would. */
export async function service(session: Session, config: HookConfig): Promise<Finding[]> {
  const token = textOf(config.token_file ?? '')?.trim();
  if (!token)
    return [
      failed('hook key', `${config.token_file} is not there, or not to be read by you`, `Run this as root. ${INSTALL}`),
    ];
  const cluster = encodeURIComponent(config.cluster ?? '');
  const read = () => askAs(session, config.url ?? '', token, 'GET', `/api/v1/slurm/policy?cluster=${cluster}`);
  const policy = await read();
  // The first has had to find its way.
  const tookMs =
    policy.status === undefined ? 0 : Math.min(policy.tookMs, (await read()).tookMs, (await read()).tookMs);
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
  findings.push(await version(session, config));
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

async function version(session: Session, { url = '' }: HookConfig): Promise<Finding> {
  const ours = buildFacts().version;
  const theirs = (await askAs(session, url, '', 'GET', '/version')).version;
  if (theirs === ours) return ok('version', `service and hooks are ${ours}`);
  return theirs === undefined
    ? unknown('version', 'the service does not say which it is', '`bursar status` tells.')
    : warning(
        'version',
        `the service is ${theirs}, this package is ${ours}`,
        'They understand one another; bring the service to the newer one first, then run `bursar slurm install`.',
      );
}

/** Each hook is run once, as Slurm would run it. */
export async function hooks(
  layout: Layout,
  config: HookConfig,
  options: { account?: string; partition?: string },
): Promise<Finding[]> {
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

export async function scripts(layout: Layout): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const name of ['prolog', 'epilog'] as const) {
    if (!existsSync(onDisk(layout, join(layout.library, `${name}.sh`)))) continue;
    const { failure } = await tryScript(layout, name);
    findings.push(failure === undefined ? ok(name, 'writes its line') : failed(name, failure, INSTALL));
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
      'A look at the queue gives it back, since no job follows it.',
    ),
  ];
}
