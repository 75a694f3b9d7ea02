/** A host that users submit from. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { buildFacts } from '../../../platform/build-facts';
import { textOf } from '../files';
import { renderHook, siteScript } from '../hook-files';
import { CLI_CONFIG, onDisk, type Layout } from '../layout';
import { askAs, findLua, tryHook } from '../probe';
import { blockIn, readSlurmConf } from '../slurm-conf';
import { failed, INSTALL, ok, readObject, warning, type Finding, type HookConfig } from './finding';

/** Everything that `sbatch` on this host needs. */
export async function submitHost(layout: Layout): Promise<Finding[]> {
  const settings = readSlurmConf(onDisk(layout, layout.conf));
  const conf = textOf(onDisk(layout, layout.conf)) ?? '';
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
