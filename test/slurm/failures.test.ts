/** What breaks while jobs come and go. After each the house is whole again, and its books are compared with what Slurm knows. */
import { readFileSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../helpers/eventually';
import { expectTrueBooks, openHolds, runsCharged } from './books';
import { reconfigure } from './hooks';
import { openHouse, UNSEEN_WITHIN_MS, type House } from './house';
import { idsOf } from './people';

jest.setTimeout(600_000);

let house: House;
/** Who asked while Bursar hung; it answers when they have gone, and what it held for them goes back in the end. */
let waitedFor: string;
beforeAll(async () => {
  house = await openHouse({ name: 'failures', hook: { deadline_ms: 5_000 } });
}, 300_000);
afterAll(() => house?.[Symbol.asyncDispose](), 180_000);

const submitted = async (account: string, ...args: string[]) =>
  house.cluster.sbatch(['-A', account, '-t', '5', ...args]);

/** The failure policy, once the hooks have it. */
async function policyIs(policy: Record<string, unknown>): Promise<void> {
  await house.ask('PUT', `/api/v1/clusters/${house.cluster.name}`, policy);
  const known = () =>
    JSON.parse(readFileSync(join(house.cluster.folder, 'var/lib/bursar/policy.json'), 'utf8')) as typeof policy;
  await eventually('the hooks know', () => known().failure_policy === policy.failure_policy, 60_000);
}

/** Hooks that have asked in vain ask nobody for ten seconds; under `closed` they let nobody in meanwhile. Returns the account of who tried. */
async function hooksAskAgain(): Promise<string> {
  const account = await house.account();
  await eventually(
    'the hooks ask again',
    async () => (await house.cluster.run('sbatch', ['-A', account, '--wrap=true'])).code === 0,
    60_000,
  );
  return account;
}

test('while Bursar hangs nobody waits longer than the deadline, and the controller answers others', async () => {
  const account = (waitedFor = await house.account());
  const deadlineIs = (ms: number) => reconfigure(house.cluster.folder, 'slurm.json', { deadline_ms: ms });
  deadlineIs(500);
  await house.bursar.signal('api', 'SIGSTOP');
  try {
    const asked = [1, 2, 3].map(() => house.cluster.run('sbatch', ['-A', account, '--wrap=true']));
    const looked = [1, 2, 3].map(() => house.cluster.run('squeue', []));
    for (const { code } of await Promise.all(looked)) expect(code).toBe(0);
    const waits = (await Promise.all(asked)).map(({ code, tookMs }) => ({ code, tookMs }));
    // Two ask and wait 500 ms each, one behind the other; then the breaker is open. The rest is a busy machine's; whoever waits for
    // a controller that does not come back is told so after ten seconds.
    for (const { code, tookMs } of waits) expect([code, tookMs < 6_000]).toEqual([1, true]);
    const { tookMs } = await house.cluster.run('squeue', []);
    expect(tookMs).toBeLessThan(3_000);
  } finally {
    deadlineIs(5_000);
    await house.bursar.signal('api', 'SIGCONT');
  }
  const other = await hooksAskAgain();
  // One that it answered too late has left a hold behind.
  await expectTrueBooks(house, other, { withinMs: UNSEEN_WITHIN_MS });
});

test('Bursar is killed, closed: sbatch says so; jobs that end meanwhile are charged when it is back', async () => {
  const account = await house.account();
  const job = await submitted(account);
  await house.cluster.jobIs(job, 'RUNNING');
  await house.bursar.signal('api', 'SIGKILL');
  await house.bursar.stop('api');
  await house.bursar.stop('worker');
  const { code, stderr } = await house.cluster.run('sbatch', ['-A', account, '--wrap=true']);
  expect(code).not.toBe(0);
  expect(stderr).toMatch(/Bursar|budget/);
  await house.cluster.ask('scancel', [String(job)]);
  await house.cluster.jobIs(job, 'CANCELLED');
  await house.bursar.start('worker');
  await house.bursar.start('api');
  await expectTrueBooks(house, account);
  expect(await runsCharged(house, account)).toHaveLength(1);
  await hooksAskAgain();
});

test('Bursar is away, open: jobs are let in with a stamp, and get their holds late; those that ended by then are charged', async () => {
  const account = await house.account();
  await policyIs({ failure_policy: 'open' });
  await house.bursar.stop('api');
  const short = await submitted(account, '--wrap=sleep 2');
  const long = await submitted(account);
  expect((await house.cluster.jobIs(short, ['RUNNING', 'COMPLETED'])).AdminComment).toMatch(/\bbursar:[0-9a-f]{32}\b/);
  await house.cluster.jobIs(short, 'COMPLETED');
  await house.bursar.start('api');
  await eventually(
    'the job that runs has its hold',
    async () => {
      const holds = await openHolds(house, account);
      return holds.some(({ jobs }) => jobs.includes(String(long)));
    },
    // The relay, which has asked in vain, may not come back for half a minute.
    90_000,
  );
  await house.cluster.ask('scancel', [String(long)]);
  await house.cluster.jobIs(long, 'CANCELLED');
  await expectTrueBooks(house, account);
  expect(await runsCharged(house, account)).toHaveLength(2);
  await policyIs({ failure_policy: 'closed' });
  await hooksAskAgain();
});

/** The spool on a disk of its own, of so many pages of 4 KiB, until it is let go. */
async function smallDisk(pages: number): Promise<AsyncDisposable & { isFull(): boolean }> {
  const folder = join(house.cluster.folder, 'var/spool/bursar');
  const { uid, gid } = idsOf('slurm');
  await house.killRelay();
  const options = `size=${pages * 4}k,mode=700,uid=${uid},gid=${gid}`;
  await house.cluster.ask('mount', ['-t', 'tmpfs', '-o', options, 'spool', folder], { user: 'root' });
  await house.startRelay();
  return {
    isFull: () => statfsSync(folder).bfree === 0,
    [Symbol.asyncDispose]: async () => {
      await house.killRelay();
      await house.cluster.ask('umount', [folder], { user: 'root' });
      await house.startRelay();
    },
  };
}

test('the disk of the spool fills up while Bursar is away: jobs come, run and end, and before there is room again all of them are charged', async () => {
  const account = await house.account();
  await policyIs({ failure_policy: 'open' });
  await using disk = await smallDisk(6);
  const array = await submitted(account, '--hold', '--array=1-16', '--wrap=sleep 3');
  await house.bursar.stop('api');
  await house.cluster.ask('scontrol', ['release', String(array)], { user: 'root' });
  await eventually('nothing more can be written', () => disk.isFull(), 60_000);
  const alone = await submitted(account, '--wrap=sleep 1');
  await house.cluster.jobIs(alone, 'COMPLETED');
  const waiting = () => house.cluster.ask('squeue', ['-h', '-j', String(array)]).catch(() => '');
  await eventually('the array is over', async () => (await waiting()) === '', 120_000);
  expect(house.cluster.log('slurmctld', { match: /bursar: a record is lost/ })).toContain('No space left on device');
  await house.bursar.start('api');
  await expectTrueBooks(house, account, { withinMs: 150_000 });
  expect(await runsCharged(house, account)).toHaveLength(17);
  await policyIs({ failure_policy: 'closed' });
  await hooksAskAgain();
});

test('the relay is killed in the middle: what it had sent it sends again, and it counts once', async () => {
  const account = await house.account();
  await Promise.all([1, 2, 3, 4].map((seconds) => submitted(account, `--wrap=sleep ${seconds}`)));
  // Two of them may be charged at once: what counts is that one is still to come.
  let charged = 0;
  while (charged < 4) {
    const before = charged;
    await house.killRelay();
    await house.startRelay();
    await eventually(
      'another one has been charged',
      async () => (charged = (await runsCharged(house, account)).length) > before,
      60_000,
    );
  }
  await expectTrueBooks(house, account);
  expect(await runsCharged(house, account)).toHaveLength(4);
});

test('slurmd is killed: what Slurm runs again has its whole hold while it waits; of what it does not the rest goes back', async () => {
  const [account, other] = [await house.account(), await house.account()];
  const once = '--wrap=[ -n "$SLURM_RESTART_COUNT" ] || sleep 300; sleep 2';
  const again = await submitted(account, '-w', 'c2', '-n', '2', '--requeue', once);
  const over = await submitted(other, '-w', 'c2', '--no-requeue', '--wrap=sleep 300');
  const whole = [{ held: 72_000n }];
  expect(await openHolds(house, account)).toMatchObject(whole);
  await house.cluster.jobIs(again, 'RUNNING');
  await house.cluster.jobIs(over, 'RUNNING');
  await house.cluster.kill('c2');
  try {
    await house.cluster.jobIs(over, 'NODE_FAIL', 150_000);
    await house.cluster.jobIs(again, 'PENDING');
    await eventually('its first run is charged', async () => (await runsCharged(house, account)).length === 1, 60_000);
    await expectTrueBooks(house, other);
    // By now the queue was looked at, more than once; it waits under its next submit time.
    const named = { jobs: [String(again), String(again)] };
    const isSeen = async () => {
      const [hold] = await openHolds(house, account);
      return hold?.jobs.length === 2 && hold.held === whole[0]?.held;
    };
    await eventually('it is seen again, and its hold is whole', isSeen, 60_000);
    expect(await openHolds(house, account)).toMatchObject([{ ...whole[0], ...named }]);
  } finally {
    await house.cluster.start('c2');
  }
  await house.cluster.jobIs(again, 'COMPLETED', 180_000);
  await expectTrueBooks(house, account);
  expect(await runsCharged(house, account)).toHaveLength(2);
  expect(await runsCharged(house, other)).toHaveLength(1);
});

test('slurmctld is killed and has forgotten its newest jobs: their numbers come back, their holds do not stay', async () => {
  const account = await house.account();
  const known = await submitted(account, '-w', 'c2', '--wrap=sleep 20');
  await house.cluster.jobIs(known, 'RUNNING');
  const lose = () => submitted(account, '-w', 'c2');
  const lost = [await lose(), await lose(), await lose()];
  await house.cluster.kill('slurmctld');
  await house.cluster.start('slurmctld');
  // Elsewhere: a node that still runs the lost one takes no other of its number.
  const begin = () => submitted(account, '-w', 'c1', '--wrap=sleep 1');
  const again = [await begin(), await begin()];
  await house.cluster.jobIs(known, ['COMPLETED', 'NODE_FAIL'], 240_000);
  await eventually(
    'they are over',
    async () => {
      const states = await Promise.all(again.map(async (id) => (await house.cluster.job(id))?.JobState));
      return states.every((state) => state === 'COMPLETED');
    },
    120_000,
  );
  process.stderr.write(
    `slurmctld was killed with ${lost.join(', ')} just submitted; after it came ${again.join(', ')}\n`,
  );
  await house.cluster.drain();
  await expectTrueBooks(house, account, { withinMs: UNSEEN_WITHIN_MS, asSacctSays: false });
  const charged = new Set((await runsCharged(house, account)).map(({ job }) => job));
  expect([...charged]).toEqual(expect.arrayContaining(again.map(String)));
});

test('what Bursar held for those who had stopped waiting goes back', async () => {
  await expectTrueBooks(house, waitedFor, { withinMs: UNSEEN_WITHIN_MS });
  expect(await runsCharged(house, waitedFor)).toEqual([]);
});
