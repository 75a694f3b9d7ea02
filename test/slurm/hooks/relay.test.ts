/** bursar-relay.py: what is in the spool reaches the service, whatever dies meanwhile, and the policy file is fresh. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, chmodSync, existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../../helpers/eventually';
import { HOOKS, respond, type Asked } from './helpers/hook';
import { openHookHouse } from './helpers/hook-house';

const house = openHookHouse(take);
let relays: ChildProcess[] = [];
beforeEach(() => {
  writeFileSync(join(house.folder, 'key'), 'secret\n');
  seen.clear();
});
afterEach(async () => {
  await Promise.all(relays.map(kill));
  relays = [];
});

/** How often each job was recorded. The service drops duplicates, as the real one does. */
const seen = new Map<number, number>();
const receipt = ({ job_id: job }: { job_id: number }) => {
  seen.set(job, (seen.get(job) ?? 0) + 1);
  return { status: seen.get(job) === 1 ? 'recorded' : 'duplicate' };
};
const POLICY = { cluster: 'eagle', failure_policy: 'open', made_at: 1 };
function take({ path, body }: Asked, response: Parameters<typeof respond>[0]): void {
  if (path.endsWith('/events')) respond(response, 200, { receipts: body.records.map(receipt) });
  else respond(response, 200, path.startsWith('/api/v1/slurm/policy') ? POLICY : { jobs: 1 });
}

const configure = (more: object = {}): string => {
  const file = join(house.folder, 'slurm.json');
  const config = {
    url: house.service.url,
    token_file: join(house.folder, 'key'),
    cluster: 'eagle',
    spool: join(house.folder, 'spool'),
    policy_file: join(house.folder, 'policy.json'),
    slurm_bin: house.folder,
    ...more,
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
};
const RELAY = join(HOOKS, 'bursar-relay.py');
const python = ['-B', RELAY];
function startRelay(more: object = {}): ChildProcess & { said: () => string } {
  const child = spawn('python3', [...python, '--config', configure(more)], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (text) => (said += String(text)));
  relays.push(child);
  return Object.assign(child, { said: () => said });
}
async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}
async function once1(more: object = {}): Promise<{ status: number | null; out: string; err: string }> {
  const child = spawn('python3', [...python, '--config', configure(more), '--once']);
  let [out, err] = ['', ''];
  child.stdout.on('data', (text) => (out += String(text)));
  child.stderr.on('data', (text) => (err += String(text)));
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, out, err };
}
const write = (...lines: string[]) =>
  appendFileSync(join(house.folder, 'spool/jobcomp.ndjson'), lines.map((line) => `\n${line}\n`).join(''));
const line = (job: number, more: object = {}) => JSON.stringify({ source: 'jobcomp', job_id: job, at: 1, ...more });
const state = () => JSON.parse(readFileSync(join(house.folder, 'relay.json'), 'utf8')) as Record<string, unknown>;
const fileOf = (name: string) => readFileSync(join(house.folder, 'spool', name), 'utf8');

test('one round sends what is there in batches, with the key and the cluster, and writes the policy file', async () => {
  write(...Array.from({ length: 1200 }, (_, job) => line(job)));
  const ended = await once1();
  expect(ended).toMatchObject({ status: 0, err: '' });
  const events = house.service.asked.filter(({ path }) => path === '/api/v1/slurm/events');
  expect(events.map(({ body, authorization }) => [body.records.length, body.cluster, authorization])).toEqual([
    [500, 'eagle', 'Bearer secret'],
    [500, 'eagle', 'Bearer secret'],
    [200, 'eagle', 'Bearer secret'],
  ]);
  expect(events[0]?.body.records[0]).toEqual({ source: 'jobcomp', job_id: 0, at: 1 });
  expect(JSON.parse(readFileSync(join(house.folder, 'policy.json'), 'utf8'))).toEqual({
    ...POLICY,
    addresses: ['127.0.0.1'],
    fetched_at: expect.any(Number),
  });
  expect(state()).toMatchObject({ backlog_bytes: 0, dropped: 0, trouble: [] });
  await once1();
  expect([...seen.values()].every((times) => times === 1)).toBe(true);
});

test('killed again and again at any moment, a relay loses nothing and skips nothing', async () => {
  const JOBS = 4000;
  // Long lines, so that files are turned as well.
  for (let job = 0; job < JOBS; job += 1) write(line(job, { work_dir: 'x'.repeat(600) }));
  let written = JOBS;
  for (let life = 0; life < 12; life += 1) {
    const before = house.service.asked.length;
    const relay = startRelay({ queue_seconds: 0, history_seconds: 0 });
    // Killed while it is being answered, after the answer, or before the offset is kept: whatever the moment is.
    const patience = 1 + (life % 3);
    const hasSome = () => house.service.asked.length >= before + patience || seen.size === written;
    await eventually('some batches', hasSome, 60_000);
    write(line((written += 1) - 1));
    await kill(relay);
  }
  startRelay({ queue_seconds: 0, history_seconds: 0 });
  await eventually('everything is there', () => seen.size === written, 60_000);
  expect([...seen.keys()].toSorted((a, b) => a - b)).toEqual(Array.from({ length: written }, (_, job) => job));
  await eventually('the file is done with', () => !existsSync(join(house.folder, 'spool/jobcomp.sending')), 60_000);
}, 400_000);

test('while the service is away the spool is kept, said once, and sent when it is back', async () => {
  house.service.answer = (_asked, response) => respond(response, 503, { detail: 'restarting' });
  write(line(1));
  const relay = startRelay({ queue_seconds: 0, history_seconds: 0 });
  await eventually(
    'the trouble is known',
    () => existsSync(join(house.folder, 'relay.json')) && (state().trouble as unknown[]).length === 2,
    60_000,
  );
  expect(state().backlog_bytes).toBeGreaterThan(0);
  house.service.answer = take;
  await eventually('it is sent', () => seen.get(1) === 1, 60_000);
  await eventually('it says so', () => relay.said().includes('works again: send the spool'), 60_000);
  expect(relay.said().match(/cannot: send the spool/g)).toHaveLength(1);
});

test('on a full disk everything is sent all the same, what was sent makes room, and accounting is looked at', async () => {
  // The disk takes neither a mark nor what is to be put aside.
  for (const name of ['jobcomp.offset.half', 'rejected.ndjson'])
    symlinkSync('/dev/full', join(house.folder, 'spool', name));
  writeFileSync(join(house.folder, 'sacct'), '#!/bin/sh\necho 1\n');
  chmodSync(join(house.folder, 'sacct'), 0o755);
  const sacct = { arguments: [], header: false };
  house.service.answer = (asked, response) =>
    asked.path.startsWith('/api/v1/slurm/policy')
      ? respond(response, 200, { ...POLICY, sacct })
      : take(asked, response);
  write(line(1), '{"source":"jobc', line(2));
  const relay = startRelay({ queue_seconds: 0, history_seconds: 1 });
  const histories = () => house.service.asked.filter(({ path }) => path.endsWith('/history')).length;
  await eventually('accounting is told', () => histories() >= 2, 60_000);
  await eventually('there is room again', () => !existsSync(join(house.folder, 'spool/jobcomp.sending')), 60_000);
  write(line(3));
  await eventually('what comes next is sent', () => seen.has(3), 60_000);
  expect([...seen]).toEqual([1, 2, 3].map((job) => [job, 1]));
  expect(relay.said()).toContain('cannot: keep how far jobcomp was sent reason="[Errno 28] No space left on device"');
  expect(relay.said()).toMatch(/put aside .*cannot be read.* line="?.*jobc/);
});

test('what can never be taken is put aside with the reason, and takes nothing with it', async () => {
  write(line(1), '{"source":"jobc', line(2), line(3), line(4));
  house.service.answer = (asked, response) => {
    if (!asked.path.endsWith('/events')) return take(asked, response);
    const jobs = (asked.body.records as { job_id: number }[]).map(({ job_id: job }) => job);
    // The third makes the whole request unreadable; the second is refused by itself.
    if (jobs.includes(3)) return respond(response, 400, { detail: 'no such thing' });
    return respond(response, 200, {
      receipts: jobs.map((job) => (job === 2 ? { status: 'rejected', detail: 'no end' } : receipt({ job_id: job }))),
    });
  };
  expect(await once1()).toMatchObject({ status: 0 });
  expect([...seen.keys()]).toEqual([1, 4]);
  const aside = fileOf('rejected.ndjson')
    .trim()
    .split('\n')
    .map((each) => JSON.parse(each) as { reason: string; line: string });
  expect(aside.map(({ reason }) => reason)).toEqual(['the line cannot be read', 'no end', 'HTTP 400: no such thing']);
  expect(JSON.parse(aside[1]?.line ?? '')).toMatchObject({ job_id: 2 });
  expect(state()).toMatchObject({ rejected: 3, backlog_bytes: 0 });
});

test('an answer that has not one receipt for each record is no answer', async () => {
  write(line(1));
  house.service.answer = (asked, response) =>
    respond(response, 200, asked.path.endsWith('/events') ? { receipts: [] } : POLICY);
  expect(await once1()).toMatchObject({ status: 1, out: expect.stringContaining('not one receipt for each') });
  house.service.answer = take;
  expect(await once1()).toMatchObject({ status: 0 });
  expect(seen.get(1)).toBe(1);
});

test('the end of a line that is still to come is waited for', async () => {
  const half = line(7);
  write(line(6));
  appendFileSync(join(house.folder, 'spool/jobcomp.ndjson'), `\n${half.slice(0, 10)}`);
  await once1();
  expect([...seen.keys()]).toEqual([6]);
  appendFileSync(join(house.folder, 'spool/jobcomp.ndjson'), `${half.slice(10)}\n`);
  await once1();
  expect([...seen.keys()]).toEqual([6, 7]);
  expect(existsSync(join(house.folder, 'spool/rejected.ndjson'))).toBe(false);
});

test('squeue is asked before the spool is sent and told after it; sacct too; each only if policy says how', async () => {
  for (const name of ['squeue', 'sacct']) {
    writeFileSync(join(house.folder, name), `#!/bin/sh\necho "HEAD"; echo "${name} $*$WANTED"\n`);
    chmodSync(join(house.folder, name), 0o755);
  }
  write(line(1));
  house.service.answer = (asked, response) =>
    asked.path.startsWith('/api/v1/slurm/policy')
      ? respond(response, 200, {
          ...POLICY,
          squeue: { arguments: ['-h', '-O', 'JobID:20'], environment: { WANTED: ' so' } },
          sacct: { arguments: ['-P', '-X'] },
        })
      : take(asked, response);
  expect(await once1()).toMatchObject({ status: 0 });
  expect(house.service.asked.map(({ path }) => path.replace('/api/v1/slurm/', ''))).toEqual([
    'policy?cluster=eagle',
    'events',
    'queue',
    'history',
  ]);
  expect(house.service.asked[2]?.body).toEqual({
    cluster: 'eagle',
    taken_at: expect.any(Number),
    sent_at: expect.any(Number),
    squeue: 'HEAD\nsqueue -h -O JobID:20 so\n',
  });
  expect(house.service.asked[3]?.body.sacct).toMatch(/^HEAD\nsacct -P -X -S now-9\d{4}seconds -E now\n$/);
});

test('a controller that does not answer stops neither spool nor policy, and no empty queue is told', async () => {
  writeFileSync(join(house.folder, 'squeue'), '#!/bin/sh\necho "Unable to contact slurm controller" >&2; exit 1\n');
  chmodSync(join(house.folder, 'squeue'), 0o755);
  write(line(1));
  house.service.answer = (asked, response) =>
    asked.path.startsWith('/api/v1/slurm/policy')
      ? respond(response, 200, { ...POLICY, squeue: { arguments: [] } })
      : take(asked, response);
  expect(await once1()).toMatchObject({ status: 1, out: expect.stringContaining('Unable to contact') });
  expect(seen.get(1)).toBe(1);
  expect(house.service.asked.filter(({ path }) => path.endsWith('/queue'))).toEqual([]);
});

test('SIGTERM ends it cleanly, and there is one relay a spool', async () => {
  const relay = startRelay({ queue_seconds: 0, history_seconds: 0 });
  await eventually('it runs', () => relay.said().includes('began'), 60_000);
  const second = spawnSync('python3', [...python, '--config', join(house.folder, 'slurm.json'), '--once'], {
    encoding: 'utf8',
  });
  expect(second).toMatchObject({ status: 1, stderr: expect.stringContaining('another relay') });
  // With all that it said: that may come after its exit.
  const gone = once(relay, 'close');
  relay.kill('SIGTERM');
  expect(await gone).toEqual([0, null]);
  expect(relay.said()).toMatch(/ended\n$/);
  expect(readdirSync(join(house.folder, 'spool')).filter((name) => name.endsWith('.half'))).toEqual([]);
});

test('a configuration that cannot be used is said in one line', () => {
  const file = configure({ token_file: 7, policy_seconds: 'often' });
  const ended = spawnSync('python3', [...python, '--config', file, '--once'], { encoding: 'utf8' });
  expect(ended).toMatchObject({
    status: 1,
    stderr: `bursar-relay: ${file}: token_file is missing; policy_seconds must be a number of seconds\n`,
  });
});
