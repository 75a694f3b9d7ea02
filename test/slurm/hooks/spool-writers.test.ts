/** What jobcomp.lua, prolog.sh and epilog.sh leave in the spool, and that nothing of theirs stops a job. */
import { execFileSync, spawnSync } from 'node:child_process';
import { appendFileSync, copyFileSync, existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { HOOKS, spooled } from './helpers/hook';
import { openHookHouse } from './helpers/hook-house';

const house = openHookHouse();

const RUN = {
  job_id: 65_534,
  array_task_id: 4_294_967_294,
  job_state: 0x400,
  submit_time: 1_767_000_000,
  start_time: 1_767_000_010,
  end_time: 1_767_000_060,
  restart_cnt: 0,
  tres_alloc_str: '1=4,2=1000,4=1',
  tres_fmt_alloc_str: 'cpu=4,mem=1000M,node=1',
  admin_comment: 'bursar:0123456789abcdef',
  account: 'lab',
  name: 'a "name"\nof two lines',
};

test('every run that ends is one line, with what Slurm said of it', async () => {
  house.start('jobcomp.lua', { spool: join(house.folder, 'spool') });
  expect(await house.call({ call: 'record', job: { ...RUN } })).toMatchObject({ code: 0, logged: '' });
  // What a full disk or a kill cut off is a line of its own, and takes no other with it.
  appendFileSync(join(house.folder, 'spool/jobcomp.ndjson'), '{"source":"jobc');
  await house.call({ call: 'record', job: { ...RUN, job_id: 7 } });
  const { array_task_id: _none, ...said } = RUN;
  const [first, cutOff, second] = readFileSync(join(house.folder, 'spool/jobcomp.ndjson'), 'utf8')
    .split('\n')
    .filter((line) => line !== '');
  expect(JSON.parse(first as string)).toEqual({ ...said, source: 'jobcomp', at: expect.any(Number) });
  expect(cutOff).toBe('{"source":"jobc');
  expect(JSON.parse(second as string)).toMatchObject({ job_id: 7 });
});

test('beyond its bound the spool drops, counts and says so, and the controller goes on', async () => {
  house.start('jobcomp.lua', { spool: join(house.folder, 'spool'), spool_bytes: 8000 });
  const came = [];
  for (let job = 1; job <= 6; job += 1) came.push(await house.call({ call: 'record', job: { ...RUN, job_id: job } }));
  expect(came.map(({ code }) => code)).toEqual([0, 0, 0, 0, 0, 0]);
  expect(came.filter(({ logged }) => logged !== '')).toEqual([
    expect.objectContaining({ logged: expect.stringContaining('a record is lost (1 so far)') }),
  ]);
  const kept = spooled(house.folder, 'jobcomp').length;
  expect(kept).toBeGreaterThan(0);
  expect(readFileSync(join(house.folder, 'spool/jobcomp.ndjson.dropped'), 'utf8')).toHaveLength(6 - kept);
});

test('on a full disk a record is lost, counted and said to be so, and nothing else happens', async () => {
  symlinkSync('/dev/full', join(house.folder, 'spool/jobcomp.ndjson'));
  symlinkSync('/dev/full', join(house.folder, 'spool/prolog.ndjson'));
  house.start('jobcomp.lua', { spool: join(house.folder, 'spool') });
  expect(await house.call({ call: 'record', job: RUN })).toMatchObject({
    code: 0,
    logged: expect.stringMatching(/a record is lost .*No space left/),
  });
  expect(run('prolog.sh', { SLURM_JOB_ID: '7' })).toMatchObject({ status: 0, stdout: '', stderr: '' });
  for (const name of ['jobcomp', 'prolog'])
    expect(readFileSync(join(house.folder, `spool/${name}.ndjson.dropped`), 'utf8')).toBe('.');
});

test('without a configuration nothing is raised', async () => {
  house.start('jobcomp.lua', {});
  writeFileSync(join(house.folder, 'slurm.json'), 'not json');
  expect(await house.call({ call: 'record', job: RUN })).toMatchObject({
    code: 0,
    logged: expect.stringContaining('lost'),
  });
});

const run = (name: string, env: Record<string, string>) => {
  const script = join(house.folder, name);
  copyFileSync(join(HOOKS, 'prolog.sh'), script);
  return spawnSync('sh', [script], {
    env: { PATH: '/usr/bin:/bin', BURSAR_SPOOL: join(house.folder, 'spool'), ...env },
    encoding: 'utf8',
  });
};

test('prolog and epilog write the environment that Slurm gave them, whatever is in it', () => {
  const ugly = 'a "b" \\ c\n\td é';
  expect(run('prolog.sh', { SLURM_JOB_ID: '7', SLURM_JOB_NAME: ugly, SECRET: 'x' })).toMatchObject({
    status: 0,
    stdout: '',
    stderr: '',
  });
  run('epilog.sh', { SLURM_JOB_ID: '7', SLURM_JOB_EXIT_CODE: '256', SLURM_JOB_NODELIST: 'n'.repeat(5000) });
  const at = expect.any(Number);
  expect(spooled(house.folder, 'prolog')).toEqual([
    { source: 'prolog', at, env: { SLURM_JOB_ID: '7', SLURM_JOB_NAME: 'a "b" \\ c  d é' } },
  ]);
  expect(spooled(house.folder, 'epilog')).toEqual([
    {
      source: 'epilog',
      at,
      env: { SLURM_JOB_ID: '7', SLURM_JOB_EXIT_CODE: '256', SLURM_JOB_NODELIST: 'n'.repeat(500) },
    },
  ]);
});

test('a prolog ends with 0 in a few milliseconds, also where nothing can be written', () => {
  expect(run('prolog.sh', { SLURM_JOB_ID: '7', BURSAR_SPOOL: '/nowhere' })).toMatchObject({ status: 0, stderr: '' });
  run('prolog.sh', { SLURM_JOB_ID: '7' });
  expect(run('prolog.sh', { SLURM_JOB_ID: '8', BURSAR_SPOOL_BYTES: '1' })).toMatchObject({ status: 0 });
  expect(spooled(house.folder, 'prolog')).toHaveLength(1);
  expect(readFileSync(join(house.folder, 'spool/prolog.ndjson.dropped'), 'utf8')).toBe('.');
  expect(existsSync(join(house.folder, 'spool/epilog.ndjson'))).toBe(false);
  // What it takes beside a shell that starts as many programs and does nothing; by itself it takes five milliseconds.
  const env = { PATH: '/usr/bin:/bin', BURSAR_SPOOL: join(house.folder, 'spool') };
  const tookMs = (...args: string[]) => {
    const began = performance.now();
    execFileSync('sh', args, { env });
    return performance.now() - began;
  };
  const more = Array.from({ length: 25 }, () => {
    const idle = tookMs('-c', 'for i in 1 2 3; do /bin/true; done');
    return tookMs(join(house.folder, 'prolog.sh')) - idle;
  });
  expect(Math.min(...more)).toBeLessThan(50);
});
