/** Refunds on the command line, from the policy of a cluster to the list. */
import { startCli, type TestCli } from './helpers/cli';

let cli: TestCli;
beforeAll(async () => {
  cli = await startCli();
  await cli.api.account('lab', 100);
});
afterAll(() => cli.stop());

test('an administrator’s cancel is given back by the policy, shown with the job, and listed with its record', async () => {
  const set = await cli.works(
    ...['cluster', 'set', 'default', '--refund-admin-cancel', 'whole'],
    ...['--refund-preempted', 'lost_time', '--refund-lost-time', '00:30:00'],
  );
  expect(set.out).toMatch(/Refunds: +preempted: lost time \(at most 00:30:00\); cancelled by an administrator: all/);
  expect((await cli.works('refunds', 'list')).out).toBe('No refunds found.\n');

  const check = ['--account', 'lab', '--partition', 'cpu', '--cpus', '10', '--time', '60', '--user', 'rkaur'];
  const { json } = await cli.works('check', ...check, '--hold', '--json');
  const { transaction_id: hold } = json as { transaction_id: string };
  const at = (hour: number) => ['--at', `2026-03-02T0${hour}:00:00Z`];
  await cli.works('job', 'event', 'default/900', 'started', ...at(1), '--hold', hold, '--tres', 'cpu=10,node=1');
  const mistaken = await cli.bursar('job', 'event', 'default/900', 'ended', '--uid', 'alice');
  expect(mistaken.err).toContain('events.0.uid: must be a whole number');
  await cli.works('job', 'event', 'default/900', 'ended', ...at(2), '--end-state', 'CANCELLED by 0', '--uid', '1000');
  await cli.api.ledger.jobs.advance(hold);

  const story = (await cli.works('job', 'show', 'default/900')).out;
  expect(story).toContain('CANCELLED, by uid 0');
  expect(story).toMatch(/refunded +1\.00 +txn_\w+ Job 900: an administrator cancelled it, its charge is refunded/);
  expect((await cli.works('refunds', 'list', '--account', 'lab', '--reason', 'admin_cancel')).out).toMatch(
    /rkaur +default\/900 +admin cancel +1\.00 +1\.00 +not yet/,
  );
  expect((await cli.works('refunds', 'list', '--user', 'rkaur', '--json')).json).toMatchObject([
    {
      reason: 'admin_cancel',
      policy: 'whole',
      amount: 1,
      refunded: 1,
      unit: 'USD',
      evidence: { type: 'ended', at: '2026-03-02T02:00:00Z', record: { cancelledBy: '0', uid: 1000 } },
      notice: { status: 'waiting' },
    },
  ]);
  expect((await cli.works('refunds', 'list', '--reason', 'manual')).out).toBe('No refunds found.\n');
  expect(await cli.bursar('refunds', 'list', '--account', 'nobody')).toMatchObject({ code: 4 });
});
