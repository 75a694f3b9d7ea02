/** Users are told of their refunds, by a real SMTP server: once, whatever fails, and as long as it may yet succeed. */
import { noticeActivities, openMailer } from '../../activities';
import { parseAmount } from '../../domain/money';
import { NOTICES_SCHEDULE } from '../../workflows/contracts/notices';
import { ensureNotices } from '../../worker/schedules';
import { PostOffice } from '../helpers/post-office';
import { CALLER as ADMIN } from '../ledger/jobs-house';
import { freshNamespace, quietRuntime, startCrew, until, type Crew, type Namespace } from './house';
import { CLUSTER, openSite, type Site } from './site';

let site: Site;
let office: PostOffice;
let smtpUrl: string;
beforeAll(async () => {
  quietRuntime();
  site = await openSite();
  office = new PostOffice();
  smtpUrl = await office.open();
  await site.ledger.catalog.putCluster(CLUSTER, { refundNodeFail: 'whole' }, ADMIN);
});
afterEach(() => {
  office.isAway = false;
  office.letters.length = 0;
});
afterAll(async () => {
  await office.close();
  await site[Symbol.asyncDispose]();
});

const mailer = () => openMailer({ smtpUrl, from: 'Bursar <bursar@example.edu>', address: '{user}@example.edu' });
const activities = () => noticeActivities({ refunds: site.ledger.refunds, mailer: mailer() });

/** A job of that user whose node failed after an hour. */
async function failed(user: string): Promise<string> {
  const { holdId } = await site.submit({ user });
  const jobId = user;
  await site.tell(
    { type: 'started', jobId, holdId, at: '2026-03-02T12:00:00Z' },
    { type: 'ended', jobId, at: '2026-03-02T13:00:00Z', startedAt: '2026-03-02T12:00:00Z', endState: 'NODE_FAIL' },
  );
  await site.ledger.jobs.advance(holdId);
  return jobId;
}

const noticeOf = async (jobId: string) => (await site.ledger.refunds.list({ jobId }, { limit: 9 })).rows[0]?.notice;

describe('with a worker at work', () => {
  let namespace: Namespace;
  let crew: Crew;
  beforeAll(async () => {
    namespace = await freshNamespace();
    crew = await startCrew({ namespace, ledger: site.ledger, mailer: mailer() });
  });
  afterAll(async () => {
    await crew.stop();
    await namespace[Symbol.asyncDispose]();
  });

  test('the schedule has each refund told: what, how much, why, by which record', async () => {
    const jobId = await failed('ada');
    await ensureNotices(namespace.temporal.client, true, 1_000);
    await until('the letter has arrived', async () => (await noticeOf(jobId))?.status === 'sent');
    expect(office.letters).toHaveLength(1);
    const [letter] = office.letters;
    expect(letter?.to).toBe('ada@example.edu');
    expect(letter?.text).toMatch(/^Subject: 0.4 USD refunded for job beagle\/ada\r$/m);
    expect(letter?.text).toMatch(/^Why: +Job ada: its node failed, its charge is refunded\r$/m);
    expect(letter?.text).toMatch(/^Record: +ended, 2026-03-02 13:00:00 UTC\r$/m);
    expect(letter?.text).toMatch(/^Message-ID: <txn_\w+@example\.edu>\r$/m);

    await ensureNotices(namespace.temporal.client, false);
    await expect(namespace.temporal.client.schedule.getHandle(NOTICES_SCHEDULE).describe()).rejects.toThrow();
  });
});

test('a letter that the server does not take now is tried again, and is sent once', async () => {
  const jobId = await failed('grace');
  office.isAway = true;
  const { waitingNotices, sendNotice } = activities();
  const [noticeNo = 0] = await waitingNotices();
  await expect(sendNotice(noticeNo)).rejects.toThrow('come back later');
  expect(await noticeOf(jobId)).toMatchObject({ status: 'waiting', lastError: expect.stringContaining('come back') });

  office.isAway = false;
  expect(await sendNotice(noticeNo)).toBe('sent');
  expect(await sendNotice(noticeNo)).toBe('closed');
  expect(office.letters.map(({ to }) => to)).toEqual(['grace@example.edu']);
  expect(await waitingNotices()).toEqual([]);
});

test('letters that cannot be sent do not stand in the way of those behind them', async () => {
  await failed('full');
  await failed('next');
  const { sendNotice } = activities();
  const firstOf = async () => (await site.ledger.refunds.waitingNotices(1, 72))[0] ?? 0;
  office.isAway = true;
  await expect(sendNotice(await firstOf())).rejects.toThrow();
  office.isAway = false;
  expect(await sendNotice(await firstOf())).toBe('sent');
  expect(office.letters).toMatchObject([{ to: 'next@example.edu' }]);
  expect(await sendNotice(await firstOf())).toBe('sent');
});

test('an address that the server refuses for good is given up, and so is a name that none can be made of', async () => {
  const jobs = [await failed('gone'), await failed('no body')];
  const { waitingNotices, sendNotice } = activities();
  for (const noticeNo of await waitingNotices()) expect(await sendNotice(noticeNo)).toBe('given_up');
  expect((await noticeOf(jobs[0] ?? ''))?.lastError).toContain('no such user');
  expect((await noticeOf(jobs[1] ?? ''))?.lastError).toContain('no e-mail address can be made of the user "no body"');
  expect(office.letters).toEqual([]);
});

test('a refund that a person gave is told too; what waited for three days is not told any more', async () => {
  const jobId = await failed('mary');
  await site.database.sql`
    update ledger.notices set created_at = clock_timestamp() - interval '73 hours' where user_name = 'mary'`;
  const { waitingNotices, sendNotice } = activities();
  expect(await waitingNotices()).toEqual([]);
  expect(await noticeOf(jobId)).toMatchObject({ status: 'given_up', lastError: 'it was too old to be sent' });

  const { holdId } = await site.submit({ user: 'joan' });
  await site.tell(
    { type: 'started', jobId: 'joan', holdId, at: '2026-03-02T12:00:00Z' },
    { type: 'ended', jobId: 'joan', at: '2026-03-02T13:00:00Z' },
  );
  await site.ledger.jobs.advance(holdId);
  const { rows } = await site.ledger.movements.list({ jobId: 'joan', kinds: ['charge'] }, { limit: 1 });
  await site.ledger.movements.refund(
    { transactionId: rows[0]?.transactionId ?? '', amount: parseAmount('0.1'), description: 'ticket 88' },
    ADMIN,
  );
  const [noticeNo = 0] = await waitingNotices();
  expect(await sendNotice(noticeNo)).toBe('sent');
  expect(office.letters[0]?.text).toMatch(/^Charged: +0.4 USD, of which 0.1 USD is back\r$/m);
});

test('without an SMTP server nobody is told, and nothing is lost', async () => {
  const jobId = await failed('edith');
  const { waitingNotices } = noticeActivities({ refunds: site.ledger.refunds });
  expect(await waitingNotices()).toEqual([]);
  expect(await noticeOf(jobId)).toMatchObject({ status: 'waiting' });
});
