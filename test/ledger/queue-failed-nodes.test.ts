/** Jobs whose node failed: whether they run again nobody says, but the queue shows it. */
import { clock } from './jobs-house';
import { house, ledger, list, listAgain, row, running, submit } from './queue-house';

/** The epilog has seen an end, and the record of job completion says whose: nobody says whether the job runs again. */
const failed = async (key: string, ...order: ('epilog' | 'record')[]) => {
  const said = { submittedAt: clock(0), holdKey: key };
  for (const who of order) {
    await (who === 'epilog'
      ? house.say({ type: 'ended', ...said, at: clock(20, 1), atArrival: true, endState: 'COMPLETED' })
      : house.say({ type: 'node_failed', ...said, at: clock(20), startedAt: clock(1), endState: 'NODE_FAIL' }));
  }
};
const again = (key: string) => row({ stamp: key, submittedAt: clock(20) });

test('a job whose node failed and is not run again gives its hold back by the first look that shows how it ended', async () => {
  const { key, holdId } = await submit();
  await list([running({ stamp: key })]);
  await failed(key, 'record', 'epilog');
  await ledger.jobs.advance(holdId);
  expect(await house.money(holdId)).toMatchObject({ status: 'open', held: '4.8' });
  const end = running({ stamp: key, phase: 'ended', endState: 'NODE_FAIL', endedAt: clock(20) });
  expect(await list([end])).toMatchObject({ recorded: 1 });
  await ledger.jobs.advance(holdId);
  expect(await house.money(holdId)).toMatchObject({ status: 'settled', held: '0' });
  expect(await list([end])).toMatchObject({ recorded: 0 });
});

test('a job whose node failed and is not run again gives its hold back although no look has shown its end', async () => {
  const { key, holdId } = await submit();
  await list([running({ stamp: key })]);
  await failed(key, 'record', 'epilog');
  await ledger.jobs.advance(holdId);
  await listAgain([]);
  await ledger.jobs.advance(holdId);
  expect(await house.money(holdId)).toMatchObject({ status: 'settled', held: '0' });
});

test('a job whose node failed has its hold again where it was closed before anybody said that the job waits once more', async () => {
  const { key, holdId } = await submit();
  await list([running({ stamp: key })]);
  await failed(key, 'epilog');
  await ledger.jobs.advance(holdId);
  expect(await house.money(holdId)).toMatchObject({ status: 'settled' });
  await failed(key, 'record');
  await ledger.jobs.advance(holdId);
  expect(await house.money(holdId)).toMatchObject({ status: 'settled' });
  await list([again(key)]);
  await ledger.jobs.advance(holdId);
  expect(await ledger.holds.read(holdId)).toMatchObject({ status: 'open', held: 4_800_000n, late: true });
  expect(await listAgain([again(key)])).toMatchObject({ givenBack: 0 });
  const run = { submittedAt: clock(20), startedAt: clock(25) };
  await house.say({ type: 'ended', ...run, at: clock(85), endState: 'COMPLETED' });
  await ledger.jobs.advance(holdId);
  expect(await house.money(holdId)).toMatchObject({ status: 'settled', held: '0', charged: '1.316667' });
});

test('a job whose node failed has again what the account still has, where others have taken the money meanwhile', async () => {
  const { key, holdId } = await submit();
  await list([running({ stamp: key })]);
  await failed(key, 'epilog');
  await ledger.jobs.advance(holdId);
  await house.hold({ arrayTasks: 208 });
  await list([again(key)]);
  await failed(key, 'record');
  expect(await ledger.jobs.advance(holdId)).toMatchObject({
    held: '1.283333',
    shortfall: { code: 'insufficient_budget', requested: '4.8' },
  });
});

test('a job whose node failed does not get back what a person gave away', async () => {
  const { key, holdId } = await submit();
  await list([running({ stamp: key })]);
  await failed(key, 'record');
  await ledger.jobs.advance(holdId);
  await ledger.holds.release(holdId, 'not needed', { principal: 'admin' });
  await list([again(key)]);
  await ledger.jobs.advance(holdId);
  expect(await house.money(holdId)).toMatchObject({ status: 'settled', held: '0' });
});
