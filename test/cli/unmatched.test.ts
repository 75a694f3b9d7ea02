/** Reports that wait for a hold, from the command line. */
import { JOB } from '../api/helpers/api';
import { startCli, type TestCli } from './helpers/cli';

let cli: TestCli;
beforeAll(async () => {
  cli = await startCli();
  await cli.api.account('lab', 100);
});
afterAll(() => cli.stop());

const hold = async (): Promise<string> =>
  (await cli.api.post('/api/v1/budget/check', { account: 'lab', ...JOB })).body.transaction_id as string;

test('a cost without a hold is said to wait, is listed, shown, and given to its hold', async () => {
  expect((await cli.works('unmatched', 'list')).out).toBe('No report waits.\n');
  const waits = await cli.works('reconcile', '88123', '--actual-cost', '0.05');
  expect(waits.out).toContain('No hold is known for job 88123 yet');
  expect(waits.out).toContain('bursar unmatched resolve 1');

  expect((await cli.works('unmatched', 'list')).out).toMatch(
    /1 +default\/88123 +reconcile .* 0\.05 +waiting +no hold is known/,
  );
  expect((await cli.works('unmatched', 'show', '1')).out).toMatch(/Why: +no hold is known/);
  expect(await cli.bursar('unmatched', 'resolve', '1')).toMatchObject({
    code: 2,
    err: expect.stringContaining('--transaction'),
  });

  const id = await hold();
  const resolved = await cli.works('unmatched', 'resolve', '1', '--transaction', id, '--reason', 'by its name');
  expect(resolved.out).toMatch(new RegExp(`Resolved\\.[^]*Status: +resolved[^]*Hold: +${id}[^]*Reason: +by its name`));
  expect((await cli.works('hold', 'show', id)).out).toMatch(/Status: +settled/);
  expect((await cli.works('changes', '--subject', 'unmatched')).out).toMatch(
    /resolve_unmatched +1 .*status: waiting -> resolved/,
  );
});

test('or is dismissed with a reason', async () => {
  await cli.works('reconcile', '88124', '--actual-cost', '0.05');
  expect((await cli.bursar('unmatched', 'dismiss', '2')).code).toBe(2);
  expect((await cli.works('unmatched', 'dismiss', '2', '--reason', 'not ours')).out).toMatch(
    /Dismissed\.[^]*Reason: +not ours/,
  );
  expect(await cli.bursar('unmatched', 'dismiss', '2', '--reason', 'not ours')).toMatchObject({
    code: 1,
    err: expect.stringContaining('does not wait any more'),
  });
  const { json } = await cli.works('unmatched', 'list', '--status', 'all', '--json');
  expect(json).toMatchObject([
    { id: 2, status: 'dismissed' },
    { id: 1, status: 'resolved' },
  ]);
  expect((await cli.bursar('unmatched', 'show', '99')).code).toBe(4);
});
