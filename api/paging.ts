/** Lists: bare arrays, the next page in the Link header (rulings 25). */
import type { Context } from 'hono';
import { given } from '../domain/given';
import type { Page, Paged } from '../ledger/contract';

const ROWS_MAX = 1000;

export interface PageQuery {
  limit?: number | undefined;
  offset?: number | undefined;
  cursor?: string | undefined;
}

export const pageOf = ({ limit, offset, cursor }: PageQuery): Page => ({
  limit: limit ?? ROWS_MAX,
  ...given({ offset, cursor }),
});

/** Says where the next page is: at this address with its filters, and the cursor instead of an offset. */
export function linkNext(c: Context, cursor: string): void {
  const query = new URLSearchParams(new URL(c.req.url).search);
  query.delete('offset');
  query.set('cursor', cursor);
  c.header('Link', `<${c.req.path}?${query.toString()}>; rel="next"`);
}

export function answerPage<Row, Rendered>(
  c: Context,
  { rows, nextCursor }: Paged<Row>,
  render: (row: Row) => Rendered,
) {
  if (nextCursor !== undefined) linkNext(c, nextCursor);
  return c.json(rows.map(render));
}
