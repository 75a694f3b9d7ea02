/**
 * Where a request comes from: the other end of the connection, and behind proxies that are trusted what they say of it.
 *
 * X-Forwarded-For is read from its end, where the nearest proxy wrote, and only for as long as those who wrote are trusted:
 * what stands before that, anybody may have sent.
 */
import { BlockList, isIP } from 'node:net';
import type { Context } from 'hono';
import type { ApiEnv } from './env';

export type ClientAddress = (c: Context<ApiEnv>) => string | undefined;

/** Undefined where there is no connection, or none with an address. */
export function clientAddress(trustedProxies: readonly string[] = []): ClientAddress {
  const trusted = new BlockList();
  for (const each of trustedProxies) {
    const [address = '', bits] = each.split('/');
    if (bits === undefined) trusted.addAddress(address, familyOf(address));
    else trusted.addSubnet(address, Number(bits), familyOf(address));
  }
  return (c) => {
    // A test asks without a connection.
    let address = plain(c.env?.incoming?.socket.remoteAddress);
    if (trustedProxies.length === 0 || address === undefined) return address;
    const said = (c.req.header('x-forwarded-for') ?? '').split(',').reverse();
    for (const each of said) {
      if (!trusted.check(address, familyOf(address))) break;
      const next = plain(each.trim());
      if (next === undefined || isIP(next) === 0) break;
      address = next;
    }
    return address;
  };
}

/** Did a proxy bring it? Then it is not of this machine, whatever name the proxy calls us by. */
export const wasForwarded = (c: Context): boolean =>
  c.req.header('x-forwarded-for') !== undefined || c.req.header('forwarded') !== undefined;

const familyOf = (address: string): 'ipv4' | 'ipv6' => (isIP(address) === 6 ? 'ipv6' : 'ipv4');

/** An IPv4 address as such, also where a socket for both kinds wrapped it up. */
const plain = (address: string | undefined): string | undefined => address?.replace(/^::ffff:(?=\d+\.)/i, '');

/** Whose address it is: of IPv6 its first half, because everybody has the whole of the second. */
export function household(address: string): string {
  if (isIP(address) !== 6) return address;
  const [head = '', tail] = address.toLowerCase().replace(/%.*$/, '').split('::');
  const groups = (text: string | undefined) => (text ? text.split(':') : []);
  const missing = tail === undefined ? 0 : Math.max(0, 8 - groups(head).length - groups(tail).length);
  const whole = [...groups(head), ...Array<string>(missing).fill('0'), ...groups(tail)];
  return `${whole.slice(0, 4).join(':')}::/64`;
}
