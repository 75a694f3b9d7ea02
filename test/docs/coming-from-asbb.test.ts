/** The ten lines of the README that take a site over from ASBB, as they stand there, against a database that ASBB left. */
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../platform/paths';
import { openAsbb } from '../helpers/asbb-database';
import { upHouse, type UpHouse } from '../helpers/up';

let house: UpHouse;
beforeAll(async () => {
  house = await upHouse();
  await house.start();
});
afterAll(() => house.close());

/** The lines below the first one, which starts what runs here already. */
function readmeScript(replacements: Readonly<Record<string, string>>): string {
  const section = readFileSync(join(PACKAGE_ROOT, 'README.md'), 'utf8').split('\n## Coming from ASBB\n')[1] ?? '';
  const [start, ...lines] = (/```sh\n([^]*?)\n```/.exec(section)?.[1] ?? '').split('\n');
  expect(start).toMatch(/^npm ci && npm start /);
  expect(lines).toHaveLength(9);
  let script = lines.join('\n');
  for (const [written, here] of Object.entries(replacements)) {
    expect(script).toContain(written);
    script = script.replaceAll(written, here);
  }
  return script;
}

const bash = (script: string): Promise<{ code: number; out: string; err: string }> =>
  new Promise((resolve) => {
    execFile(
      'bash',
      ['--norc', '-euo', 'pipefail', '-c', script],
      { env: house.env, cwd: house.home },
      (error, out, err) => resolve({ code: error === null ? 0 : 1, out, err }),
    );
  });

test('the ten lines take a site over: its balances, its ids, its commands and the costs that ASBX leaves', async () => {
  await using asbb = await openAsbb();
  await asbb.account('climate-ml', { limit: '1000.00' });
  const recently = (hours: number) => new Date(Date.now() - hours * 3_600_000).toISOString();
  await asbb.job('climate-ml', { jobId: '88122', held: '49.80', at: recently(40), cost: '37.25', refund: '12.55' });
  const { hold } = await asbb.job('climate-ml', { jobId: '88123', held: '20.00', at: recently(2) });
  const spool = join(house.home, 'costs');
  mkdirSync(spool);
  const report = { job_id: '88124', account: 'climate-ml', actual_cost: 1.5, success: true, export_time: recently(1) };
  writeFileSync(join(spool, 'job-88124-asbb-reconciliation.json'), JSON.stringify(report));

  const { code, out, err } = await bash(
    readmeScript({
      'postgres://asbb@db.example.org/asbb': asbb.url,
      'http://localhost:8080': house.api(),
      '/var/spool/asbb/costs': spool,
      'npx ': `npx --prefix ${PACKAGE_ROOT} `,
    }),
  );

  if (code !== 0) throw new Error(`${out}\n${err}`);
  // `account list` by ASBB's columns: limit, used, held (the job that still runs), available.
  expect(out).toMatch(/climate-ml +The climate-ml lab +\$1000\.00 +\$37\.25 +\$20\.00 +\$942\.75 +active/);
  expect(out).toContain(hold);
  expect(readdirSync(join(spool, 'done'))).toEqual(['job-88124-asbb-reconciliation.json']);
  // What a script noted before the move still settles its job.
  const settled = await bash(
    `npx --prefix ${PACKAGE_ROOT} asbb reconcile 88123 --transaction ${hold} --actual-cost 12.5 --endpoint ${house.api()}`,
  );
  expect(settled).toMatchObject({ code: 0 });
  const balance = await fetch(`${house.api()}/api/v1/accounts/climate-ml`);
  expect(await balance.json()).toMatchObject({ budget_used: 49.75, budget_held: 0, budget_available: 950.25 });
});
