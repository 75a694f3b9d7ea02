/** `bursar import sacct --charge`: what runs get back because of how the log says that they ended. */
import { renderAmount } from '../../domain/money';
import { CALLER, openJobsHouse } from '../ledger/jobs-house';
import { HEADER, openSacctFolder, row, used, type Row } from './helpers/sacct-log';

const { importing } = openSacctFolder();

test('--charge gives back what the policy says for how a run ended, once, with the row as evidence and without a letter', async () => {
  await using house = await openJobsHouse();
  const { ledger } = house;
  const uid = (id: string, own: string) => `${row({ id, state: 'CANCELLED by 4711' })}|${own}`;
  const plain = (changes: Row) => `${row(changes)}|1000`;
  const rows = [
    `${HEADER}|UID`,
    plain({ id: '1', state: 'NODE_FAIL' }),
    plain({ id: '2', state: 'PREEMPTED' }),
    plain({ id: '3', state: 'BOOT_FAIL' }),
    plain({ id: '4', state: 'CANCELLED by 0' }),
    uid('5', '4711'),
    uid('6', '1000'),
    uid('7', ''),
    plain({ id: '8', state: 'FAILED' }),
  ];
  const text = `${rows.join('\n')}\n`;
  const charging = async (...args: string[]) => (await importing(house, text, '--charge', '--json', ...args)).json;
  const list = async () => (await ledger.refunds.list({}, { limit: 100 })).rows;
  const refundsOf = async () =>
    (await list()).map(({ jobId, reason, amount }) => [jobId, reason, renderAmount(amount)]);
  expect(await charging('--apply')).toMatchObject({ late_charges: { runs: 8, refunds: { runs: 0, totals: [] } } });

  const policy = { refundNodeFail: 'whole', refundPreempted: 'lost_time', refundAdminCancel: 'whole' } as const;
  await ledger.catalog.putCluster('hpc', { timeZone: 'UTC', ...policy, refundLostTimeSeconds: 900 }, CALLER);
  // The policy counts for what is charged already, as it does when news come of a job that is over.
  expect(await charging('--apply')).toMatchObject({
    late_charges: { runs: 0, refunds: { runs: 4, totals: [{ unit: 'USD', amount: '6.5' }] } },
  });
  const given = [
    ['6', 'admin_cancel', '2'],
    ['4', 'admin_cancel', '2'],
    ['2', 'preempted', '0.5'],
    ['1', 'node_fail', '2'],
  ];
  expect(await refundsOf()).toEqual(given);
  expect((await list())[0]).toMatchObject({
    user: 'rkaur',
    description: 'Job 6: an administrator cancelled it, its charge is refunded',
    evidence: { type: 'accounting', at: '2026-03-02T13:00:00Z', record: { cancelledBy: '4711', uid: 1000 } },
  });
  expect((await list()).every(({ notice }) => notice === undefined)).toBe(true);
  expect(await charging('--apply')).toMatchObject({ rows_done_before: 8, late_charges: { refunds: { runs: 0 } } });
  // Another log with the same rows.
  const other = `${[...rows, plain({ id: '9', state: 'NODE_FAIL' })].join('\n')}\n`;
  const dry = await importing(house, other, '--charge');
  expect(dry.out).toMatch(/To be given back: +2.00 USD, to 1 run for how they ended/);
  expect((await importing(house, other, '--charge', '--apply')).out).toMatch(/Given back: +2.00 USD, to 1 run /);
  expect(await refundsOf()).toEqual([['9', 'node_fail', '2'], ...given]);
  expect((await used(house))[3]).toBe('9.5');
  expect(await ledger.audit.run()).toMatchObject({ ok: true, findings: [] });
});
