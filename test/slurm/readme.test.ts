/** The lines of the README that bring a cluster from nothing to a refusal and a settled job, as they stand there. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { renderAmount, toMicro } from '../../domain/money';
import { PACKAGE_ROOT } from '../../platform/paths';
import { eventually } from '../helpers/eventually';
import { BURSAR, upHouse, type UpHouse } from '../helpers/up';
import { startCluster, type SlurmCluster } from './cluster';
import { askOf, bePatient, CPU_SECOND, relayOf } from './hooks';
import { asUser } from './people';

let house: UpHouse;
let cluster: SlurmCluster;
beforeAll(async () => {
  house = await upHouse();
  [, cluster] = await Promise.all([house.start(), startCluster({ name: 'eagle', nodes: ['c1'] })]);
});
afterAll(async () => {
  await cluster.stop();
  await house.close();
});

/** What the README runs, line by line, and what it says that the refused sbatch prints. */
function readmeLines(): { lines: string[]; refusal: string } {
  const section = readFileSync(join(PACKAGE_ROOT, 'README.md'), 'utf8').split('\n## Inside Slurm\n')[1] ?? '';
  const block = (/```sh\n([^]*?)\n```/.exec(section)?.[1] ?? '').split('\n');
  const lines = block.filter((line) => !line.startsWith('# '));
  const said = block.filter((line) => line.startsWith('# ')).map((line) => line.slice(2));
  expect(lines).toHaveLength(12);
  return { lines, refusal: said.join(' ') };
}

/** A line as this machine can run it: the cluster lives in a folder, and nobody is asked for a password. */
function here(line: string): string {
  const year = new Date().getUTCFullYear();
  return (
    line
      .replaceAll('npx bursar ', `${process.execPath} ${BURSAR} `)
      .replace(/slurm (install|doctor)/, `slurm $1 --prefix ${cluster.folder}`)
      .replaceAll('sudo -u alice ', `${asUser('alice', []).join(' ')} `)
      .replaceAll('2026-01-', `${year}-01-`)
      // A job of the last of December ends in the next year.
      .replaceAll('2026-12-', `${year + 1}-12-`)
  );
}

interface Ended {
  code: number;
  out: string;
  err: string;
}

const bash = (script: string, env: NodeJS.ProcessEnv = {}): Promise<Ended> =>
  new Promise((resolve) => {
    const { SLURM_CONF, TZ } = cluster.env;
    const options = { env: { ...house.env, SLURM_CONF, TZ, ...env }, cwd: join(cluster.folder, 'home/alice') };
    // Its input is a socket, so bash may take this for a remote shell, and read what such a one reads.
    execFile('bash', ['--norc', '-euo', 'pipefail', '-c', script], options, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    );
  });
const works = async (script: string, env?: NodeJS.ProcessEnv): Promise<string> => {
  const { code, out, err } = await bash(script, env);
  if (code !== 0) throw new Error(`${script}\n${out}\n${err}`);
  return out;
};

test('the lines take a cluster from nothing to a refused sbatch, in just these words, and to a job that is charged its seconds', async () => {
  const { lines, refusal } = readmeLines();
  const restart = lines.findIndex((line) => line.startsWith('systemctl restart slurmctld'));
  const [doctor = '', denied = '', submitted = '', list = '', show = '', ...rest] = lines.slice(restart + 1).map(here);
  expect({ restart, rest }).toEqual({ restart: 6, rest: [] });

  await works(lines.slice(0, restart).map(here).join('\n'));
  bePatient(cluster.folder);
  // What systemd does: it starts the relay for the installer, and the controller anew for the administrator.
  await cluster.launch('relay', relayOf(cluster.folder), { user: 'slurm' });
  await cluster.kill('slurmctld', 'SIGTERM');
  await cluster.start('slurmctld');
  await eventually('the doctor is content', async () => (await bash(doctor)).code === 0, 90_000);

  const no = await bash(denied);
  expect({ ...no, err: no.err.split('\n')[0] }).toEqual({ code: 1, out: '', err: refusal });

  const job = (await works(`${submitted}\necho $job`)).trim();
  const isSettled = async () => {
    const { state } = await askOf<{ state: string }>(house.api(), 'GET', `/api/v1/jobs/eagle/${job}`);
    return state === 'settled';
  };
  await eventually('the job is settled', isSettled, 120_000);
  await cluster.jobEndedAs(job, 'COMPLETED');
  const [run] = await cluster.sacct(['ElapsedRaw', 'AllocCPUS'], ['-X', '-j', job]);
  expect(run?.AllocCPUS).toBe('4');
  // What the README says that an hour costs.
  const cost = renderAmount(toMicro(BigInt(run?.ElapsedRaw ?? 0) * 4n * CPU_SECOND));
  expect(await works(list)).toMatch(new RegExp(`^eagle/${job} .* proj-a +alice +settled .* ${cost} `, 'm'));
  const story = await works(show, { job });
  expect(story).toContain(`Charged:      ${cost} USD\n`);
  expect(story).toContain('Held:         0.00 USD\n');
});
