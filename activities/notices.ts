/**
 * E-mail to users. A message that was sent is closed in the ledger and not sent again; one of which only the note was lost has
 * the same Message-ID when it is sent a second time.
 */
import { createTransport } from 'nodemailer';
import { addressOfUser, renderNotice } from '../domain/refund-notice';
import type { Refunds } from '../ledger/contract';
import type { NoticeOutcome } from '../workflows/contracts/notices';

/** As many as one round sends; there is another in a minute. */
const NOTICES_AT_ONCE = 50;

/** What nobody took for three days is no news any more. */
const HOURS_MAX = 72;

export interface MailSettings {
  smtpUrl: string;
  from: string;
  /** An address with {user} in it. */
  address: string;
}

export interface Mail {
  to: string;
  subject: string;
  text: string;
  messageId: string;
}

export interface Mailer {
  /** Of the address that a user's e-mail goes to; undefined where the name cannot stand in one. */
  addressOf(user: string, account: string): string | undefined;
  send(mail: Mail): Promise<void>;
}

/** The server will never take this message for this address. */
export class AddressRefused extends Error {
  override name = 'AddressRefused';
}

/** A connection a message: there are few of them, and none is left open to a server that goes away. */
export function openMailer({ smtpUrl, from, address }: MailSettings): Mailer {
  const domain = /@([^>]+)/.exec(from)?.[1] ?? 'bursar';
  const transport = createTransport({
    url: smtpUrl,
    connectionTimeout: 5_000,
    greetingTimeout: 5_000,
    socketTimeout: 10_000,
  });
  return {
    addressOf: (user, account) => addressOfUser(address, user, account),
    async send({ to, subject, text, messageId }) {
      try {
        await transport.sendMail({
          from,
          to,
          subject,
          text,
          messageId: `<${messageId}@${domain}>`,
          headers: { 'Auto-Submitted': 'auto-generated' },
        });
      } catch (error) {
        if (isForGood(error)) throw new AddressRefused(error.message);
        throw error;
      }
    },
  };
}

/** A reply of the 500s to the recipient itself. Of the sender, or the login, it is a mistake that is mended. */
const isForGood = (error: unknown): error is Error => {
  if (!(error instanceof Error)) return false;
  const { responseCode = 0, command = '' } = error as Error & { responseCode?: number; command?: string };
  return responseCode >= 500 && command === 'RCPT TO';
};

export interface NoticeDeps {
  refunds: Pick<Refunds, 'waitingNotices' | 'readNotice' | 'noteNotice'>;
  /** Undefined: nobody is told. */
  mailer?: Mailer | undefined;
}

export const noticeActivities = ({ refunds, mailer }: NoticeDeps) => ({
  waitingNotices: async (): Promise<number[]> =>
    mailer ? await refunds.waitingNotices(NOTICES_AT_ONCE, HOURS_MAX) : [],

  sendNotice: async (noticeNo: number): Promise<NoticeOutcome> => {
    const notice = await refunds.readNotice(noticeNo);
    if (!notice || !mailer) return 'closed';
    const address = mailer.addressOf(notice.user, notice.account);
    if (address === undefined) {
      const error = `no e-mail address can be made of the user "${notice.user}"`;
      await refunds.noteNotice(noticeNo, { status: 'given_up', error });
      return 'given_up';
    }
    try {
      await mailer.send({ to: address, messageId: notice.transactionId, ...renderNotice(notice) });
    } catch (error) {
      const isRefused = error instanceof AddressRefused;
      const text = error instanceof Error ? error.message : String(error);
      await refunds.noteNotice(noticeNo, { status: isRefused ? 'given_up' : 'waiting', address, error: text });
      if (isRefused) return 'given_up';
      throw error;
    }
    await refunds.noteNotice(noticeNo, { status: 'sent', address });
    return 'sent';
  },
});
export type NoticeActivities = ReturnType<typeof noticeActivities>;
