/** Keys about telling people: the server that takes e-mail, and where it goes. */
import { z } from 'zod';
import type { Key } from './key';
import type { Values } from './keys';
import type { Findings, Layer } from './read-file';
import { url } from './values';

const ADDRESS = /^[^\s@<>()[\]\\,;:"]+@[^\s@<>()[\]\\,;:"]+$/;

const from = z.string().refine((text) => {
  const named = /^[^<>\r\n]{0,200}<([^<>]+)>$/.exec(text);
  return ADDRESS.test(named?.[1] ?? text);
});

/** A bare domain stands behind the name of the user. */
const address = z
  .string()
  .transform((text) => (text.includes('@') ? text : `{user}@${text}`))
  .refine(
    (text) => text.includes('{user}') && ADDRESS.test(text.replaceAll('{user}', 'u').replaceAll('{account}', 'a')),
  )
  .refine((text) => !/[{}]/.test(text.replaceAll('{user}', '').replaceAll('{account}', '')));

export const NOTIFICATION_KEYS = {
  'notifications.smtp_url': {
    schema: url(['smtp:', 'smtps:']),
    expects: 'an address such as smtp://user:password@mail.example.edu:587, or smtps://…:465',
    meaning: 'The server that takes e-mail to users whose jobs get something back.',
    otherwise: 'nobody is told',
    secret: true,
  },
  'notifications.from': {
    schema: from,
    expects: 'an e-mail address, alone or as Bursar <bursar@example.edu>',
    meaning: 'Who e-mail is from; required with notifications.smtp_url.',
    otherwise: 'none',
  },
  'notifications.address': {
    schema: address,
    expects: 'a domain such as example.edu, or an address with {user} in it, such as {user}@{account}.example.edu',
    meaning: 'Where the e-mail of a user goes; required with notifications.smtp_url.',
    otherwise: 'none',
  },
} as const satisfies Record<string, Key<unknown>>;

/** What is missing beside the server. */
export function checkNotifications(given: Layer, values: Partial<Values>, { mistakes }: Findings): void {
  if (values['notifications.smtp_url'] === undefined) return;
  for (const key of ['notifications.from', 'notifications.address'] as const) {
    if (given.has(key)) continue;
    mistakes.push(`${key} is missing: notifications.smtp_url needs ${NOTIFICATION_KEYS[key].expects}`);
  }
}
