/** Runs that another job ends because its QOS is above theirs (preempt/qos), and a run that goes on with fewer nodes. */
import { renderAmount, toMicro } from '../../domain/money';
import { eventually } from '../helpers/eventually';
import { expectTrueBooks, refundedOf, runsCharged } from './books';
import { CPU_SECOND } from './hooks';
import { openHouse, type House } from './house';

jest.setTimeout(600_000);

/** Of lost time this much comes back. */
const LOST_SECONDS = 3;

/** Sleeps long; when it is run again, not. */
const ONCE = '--wrap=[ -n "$SLURM_RESTART_COUNT" ] || sleep 300; sleep 2';

let house: House;
beforeAll(async () => {
  house = await openHouse({
    name: 'qos',
    extraConf: '\nPreemptType=preempt/qos\nPreemptMode=REQUEUE\n',
    hook: { deadline_ms: 5_000, history_seconds: 5 },
  });
  await sacctmgr('add', 'qos', 'spare', 'PreemptMode=requeue');
  await sacctmgr('add', 'qos', 'scrap', 'PreemptMode=cancel');
  await sacctmgr('add', 'qos', 'urgent', 'Preempt=spare,scrap');
  await house.ask('PUT', '/api/v1/clusters/qos', {
    refund_preempted: 'lost_time',
    refund_lost_time_seconds: LOST_SECONDS,
  });
}, 300_000);
afterAll(() => house?.[Symbol.asyncDispose](), 180_000);

const sacctmgr = (...args: string[]) => house.cluster.ask('sacctmgr', ['-iQ', ...args], { user: 'root' });

async function accountOf(qos: string): Promise<string> {
  const account = await house.account();
  await sacctmgr('modify', 'account', 'where', `name=${account}`, 'set', `QosLevel+=${qos}`);
  return account;
}

test('who is preempted by a QOS is charged for what ran, requeued or cancelled, and gets the lost time back', async () => {
  const [spare, scrap, urgent] = [await accountOf('spare'), await accountOf('scrap'), await accountOf('urgent')];
  const whole = (qos: string, account: string, node: string) => ['-A', account, `--qos=${qos}`, '-w', node, '-n', '8'];
  const requeued = await house.cluster.sbatch([...whole('spare', spare, 'c1'), '-t', '5', ONCE]);
  const cancelled = await house.cluster.sbatch([...whole('scrap', scrap, 'c2'), '-t', '5', '--wrap=sleep 300']);
  for (const job of [requeued, cancelled]) await house.cluster.hasRun(job, LOST_SECONDS + 2);
  for (const node of ['c1', 'c2']) {
    await house.cluster.sbatch([...whole('urgent', urgent, node), '-t', '1', '--wrap=sleep 2']);
  }
  await house.cluster.jobIs(cancelled, 'PREEMPTED');
  await house.cluster.jobIs(requeued, 'COMPLETED', 180_000);
  for (const account of [spare, scrap, urgent]) await expectTrueBooks(house, account);
  expect(await runsCharged(house, spare)).toHaveLength(2);
  expect(await runsCharged(house, scrap)).toHaveLength(1);
  const lost = 8n * BigInt(LOST_SECONDS) * CPU_SECOND;
  for (const account of [spare, scrap]) {
    const isBack = async () => (await refundedOf(house, account)) === lost;
    await eventually(`${account} has its lost time back`, isBack, 60_000);
  }
  expect(await refundedOf(house, urgent)).toBe(0n);
});

test('a job that gives a node back while it runs is charged for each size that the accounting has', async () => {
  const account = await house.account();
  const job = await house.cluster.sbatch(['-A', account, '-N', '2', '-n', '8', '-t', '5', '--wrap=sleep 25']);
  await house.cluster.hasRun(job, 4);
  await house.cluster.ask('scontrol', ['update', `JobId=${job}`, 'NumNodes=1'], { user: 'root' });
  await house.cluster.jobIs(job, 'COMPLETED', 60_000);
  const inAccounting = async () => {
    const columns = ['Start', 'End', 'Submit', 'NCPUS', 'State'];
    const found = await house.cluster.sacct(columns, ['-X', '-D', '-j', String(job)]);
    return found.at(-1)?.State === 'COMPLETED' && found;
  };
  const rows = await eventually('accounting has its end', inAccounting, 60_000);
  expect(rows.map(({ State }) => State)).toEqual(['RESIZING', 'COMPLETED']);
  const seconds = (text = '') => Date.parse(`${text}Z`) / 1_000;
  const cost = rows.reduce((sum, { Start, End, Submit, NCPUS = '0' }) => {
    const from = Math.max(seconds(Start), seconds(Submit));
    return sum + BigInt(NCPUS) * BigInt(seconds(End) - from) * CPU_SECOND;
  }, 0n);
  const wanted = renderAmount(toMicro(cost));
  await eventually(
    `it has cost ${wanted}`,
    async () => {
      const [run, ...others] = await runsCharged(house, account);
      return others.length === 0 && run?.micro === cost;
    },
    60_000,
  );
});
