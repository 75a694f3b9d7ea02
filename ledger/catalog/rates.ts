/** What resources cost, from when to when. */
import { Fault } from '../../domain/faults';
import { compareInstants, type Instant } from '../../domain/time';
import type { Sql, Tx } from '../../platform/postgres';
import type { Caller, Page, Paged, Rate } from '../contract';
import { cursorOf, pageOf, rowsAsked } from '../paging';
import { rateColumns, rateOf, type RateRow } from '../price-book';
import { requireClusterOfNone } from '../require-cluster';
import { requireCluster } from './clusters';
import { note, RATE } from './trail';

/**
 * The rate in force at `startsAt` ends there, this one begins, in one transaction: no moment has two rates, and none has
 * lost its rate. What is written again exactly as it is, is left alone.
 */
export async function setRate(tx: Tx, rate: Omit<Rate, 'rateNo'>, caller: Caller): Promise<Rate> {
  const cluster = await requireCluster(tx, rate.cluster);
  if (rate.endsAt !== null && compareInstants(rate.endsAt, rate.startsAt) <= 0) {
    const detail = 'must be after starts_at';
    throw new Fault('malformed_request', `ends_at ${detail}`, { errors: [{ pointer: '/ends_at', detail }] });
  }
  const neighbours = (await siblings(tx, cluster.clusterNo, rate)).map(rateOf);
  const same = neighbours.find(
    (other) =>
      other.rate === rate.rate &&
      other.source === rate.source &&
      compareInstants(other.startsAt, rate.startsAt) === 0 &&
      (other.endsAt === null || rate.endsAt === null
        ? other.endsAt === rate.endsAt
        : compareInstants(other.endsAt, rate.endsAt) === 0),
  );
  if (same) return same;

  const inForce = neighbours.find(
    (other) => overlaps(other, rate) && compareInstants(other.startsAt, rate.startsAt) < 0,
  );
  const inTheWay = neighbours.find((other) => other !== inForce && overlaps(other, rate));
  if (inTheWay) throw rateOverlaps(inTheWay, rate);
  if (inForce) {
    await tx`update ledger.rates set ends_at = ${rate.startsAt}::timestamptz where rate_no = ${inForce.rateNo}`;
  }
  const [row] = await tx<{ rateNo: bigint }[]>`
    insert into ledger.rates (cluster_no, partition, resource, unit, rate_micro, starts_at, ends_at, source)
    values (${cluster.clusterNo}, ${rate.partition ?? null}, ${rate.resource}, ${rate.unit}, ${rate.rate},
            ${rate.startsAt}::timestamptz, ${rate.endsAt ?? 'infinity'}::timestamptz, ${rate.source})
    returning rate_no as "rateNo"`;
  const after = await requireRate(tx, Number(row?.rateNo));
  await note(tx, 'set_rate', cluster, caller, inForce && RATE.write(inForce), RATE.write(after));
  return after;
}

/** A rate that has begun can end after its beginning; one that has not begun yet can also be taken away whole. */
export async function endRate(tx: Tx, rateNo: number, endsAt: Instant, caller: Caller): Promise<Rate> {
  const before = await requireRate(tx, rateNo);
  const cluster = await requireCluster(tx, before.cluster);
  if (before.endsAt !== null && compareInstants(endsAt, before.endsAt) > 0) {
    throw new Fault(
      'rate_overlaps',
      `Rate ${rateNo} ended on ${before.endsAt} already; a longer one is set as a new rate from there.`,
      { facts: { rate_no: rateNo, ends_at: before.endsAt } },
    );
  }
  if (compareInstants(endsAt, before.startsAt) <= 0) {
    const [gone] = await tx<{ rateNo: bigint }[]>`
      delete from ledger.rates where rate_no = ${rateNo} and starts_at > clock_timestamp() returning rate_no as "rateNo"`;
    if (!gone) {
      const detail = `must be after ${before.startsAt}, when the rate began`;
      throw new Fault('malformed_request', `ends_at ${detail}`, { errors: [{ pointer: '/ends_at', detail }] });
    }
    await note(tx, 'end_rate', cluster, caller, RATE.write(before), undefined);
    return { ...before, endsAt: before.startsAt };
  }
  await tx`update ledger.rates set ends_at = ${endsAt}::timestamptz where rate_no = ${rateNo}`;
  const after = await requireRate(tx, rateNo);
  await note(tx, 'end_rate', cluster, caller, RATE.write(before), RATE.write(after));
  return after;
}

/** The rates that may not overlap with this one. */
const siblings = (tx: Tx, clusterNo: number, { partition, resource, unit }: Omit<Rate, 'rateNo'>) => tx<RateRow[]>`
  select ${rateColumns(tx)} from ledger.rates r join ledger.clusters c using (cluster_no)
  where cluster_no = ${clusterNo} and r.partition is not distinct from ${partition ?? null}::text
    and r.resource = ${resource} and r.unit = ${unit}
  order by r.starts_at`;

async function requireRate(tx: Tx, rateNo: number): Promise<Rate> {
  const [row] = await tx<RateRow[]>`
    select ${rateColumns(tx)} from ledger.rates r join ledger.clusters c using (cluster_no) where r.rate_no = ${rateNo}`;
  if (!row) throw new Fault('rate_not_found', `There is no rate ${rateNo}.`, { facts: { rate_no: rateNo } });
  return rateOf(row);
}

const overlaps = (a: Pick<Rate, 'startsAt' | 'endsAt'>, b: Pick<Rate, 'startsAt' | 'endsAt'>): boolean =>
  (a.endsAt === null || compareInstants(b.startsAt, a.endsAt) < 0) &&
  (b.endsAt === null || compareInstants(a.startsAt, b.endsAt) < 0);

function rateOverlaps(other: Rate, rate: Omit<Rate, 'rateNo'>): Fault {
  const until = other.endsAt === null ? 'without an end' : `until ${other.endsAt}`;
  const isLater = compareInstants(other.startsAt, rate.startsAt) > 0;
  const advice = isLater
    ? `give this one ends_at ${other.startsAt}, or end the other first`
    : 'end it first, or choose another time';
  return new Fault(
    'rate_overlaps',
    `Rate ${other.rateNo} for ${other.resource} in ${other.unit} runs from ${other.startsAt} ${until}; ${advice}.`,
    { facts: { rate_no: other.rateNo, starts_at: other.startsAt, ends_at: other.endsAt } },
  );
}

export async function listRates(
  sql: Sql,
  filter: { cluster?: string; partition?: string; resource?: string; at?: Instant },
  page: Page,
): Promise<Paged<Rate>> {
  const rows = await sql<RateRow[]>`
    select ${rateColumns(sql)} from ledger.rates r join ledger.clusters c using (cluster_no)
    where ${filter.cluster === undefined ? sql`true` : sql`c.name = ${filter.cluster}`}
      and ${filter.partition === undefined ? sql`true` : sql`r.partition = ${filter.partition}`}
      and ${filter.resource === undefined ? sql`true` : sql`r.resource = ${filter.resource}`}
      and ${filter.at === undefined ? sql`true` : sql`r.starts_at <= ${filter.at}::timestamptz and r.ends_at > ${filter.at}::timestamptz`}
      and r.rate_no < ${cursorOf(page)}
    order by r.rate_no desc limit ${rowsAsked(page)} offset ${page.offset ?? 0}`;
  await requireClusterOfNone(sql, rows, filter.cluster);
  const { rows: shown, ...next } = pageOf(rows, page, ({ rateNo }) => rateNo);
  return { rows: shown.map(rateOf), ...next };
}
