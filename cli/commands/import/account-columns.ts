/** What a line of a file of accounts may say, and how each column is read. */
import { Fault } from '../../../domain/faults';
import { parseAmount, renderAmount, UNIT, UNIT_EXPECTED, ZERO, type Micro } from '../../../domain/money';
import { nearestOf } from '../../../domain/nearest';
import {
  addDays,
  compareInstants,
  readCivilDate,
  readTimeIn,
  readTimeZone,
  startOfDay,
  type Instant,
} from '../../../domain/time';
import type { AccountLine, FileMistake } from '../../../ledger/contract/imports';

export const COLUMNS = [
  'account',
  'name',
  'description',
  'unit',
  'time_zone',
  'status',
  'limit',
  'used',
  'start',
  'end',
  'parent',
  'subtree_limit',
  'overdraft_limit',
  'partition',
  'user',
] as const;
export type Column = (typeof COLUMNS)[number];

/** What other programs call them. */
const ALIASES: Readonly<Record<string, Column>> = {
  slurm_account: 'account',
  title: 'name',
  timezone: 'time_zone',
  zone: 'time_zone',
  budget: 'limit',
  budget_limit: 'limit',
  budget_used: 'used',
  start_date: 'start',
  starts_at: 'start',
  end_date: 'end',
  ends_at: 'end',
  parent_account: 'parent',
  user_id: 'user',
  queue: 'partition',
};

/** The column that a heading means, or a sentence about it. */
export function columnOf(heading: string): Column | { mistake: string } {
  const name = heading
    .trim()
    .toLowerCase()
    .replace(/[\s-]+/g, '_');
  const known = ALIASES[name] ?? COLUMNS.find((column) => column === name);
  if (known) return known;
  const near = nearestOf(name, COLUMNS);
  const hint = near && near.distance <= 3 ? `; did you mean "${near.name}"?` : `; known are ${COLUMNS.join(', ')}`;
  return { mistake: `"${heading.trim().slice(0, 64)}" is no column that is known${hint}` };
}

export type Fields = Partial<Record<Column, string>>;

export interface Defaults {
  unit: string;
  timeZone: string;
  start?: string;
  end?: string;
  decimalComma: boolean;
}

/** One line, or all that is wrong with it. */
export function readLine(line: number, fields: Fields, defaults: Defaults): AccountLine | FileMistake[] {
  const reader = new LineReader(line, fields, defaults);
  const read = fields.partition || fields.user ? reader.limit() : reader.account();
  return reader.mistakes.length > 0 ? reader.mistakes : read;
}

const STATUSES = ['active', 'inactive', 'suspended'] as const;

class LineReader {
  readonly mistakes: FileMistake[] = [];

  constructor(
    private readonly line: number,
    private readonly fields: Fields,
    private readonly defaults: Defaults,
  ) {}

  account(): AccountLine {
    const { fields, defaults } = this;
    const name = this.name('account', true) ?? '';
    const timeZone = this.zone(fields.time_zone || defaults.timeZone);
    const startsAt = this.time('start', timeZone, 'first');
    const endsAt = this.time('end', timeZone, 'last');
    if (startsAt !== undefined && endsAt !== undefined && compareInstants(endsAt, startsAt) <= 0) {
      this.wrong('end', 'the account ends before it starts');
    }
    const unit = fields.unit || defaults.unit;
    if (!UNIT.test(unit)) this.wrong('unit', `"${unit.slice(0, 40)}" is no unit: it ${UNIT_EXPECTED}`);
    const parent = this.name('parent', false);
    const subtreeLimit = this.amount('subtree_limit');
    const overdraftLimit = this.amount('overdraft_limit');
    return {
      kind: 'account',
      line: this.line,
      name,
      title: this.text('name', 255) ?? name,
      ...(fields.description && { description: this.text('description', 2000) ?? '' }),
      unit,
      timeZone,
      status: this.status(),
      limit: this.amount('limit') ?? ZERO,
      used: this.amount('used') ?? ZERO,
      startsAt: startsAt ?? '',
      endsAt: endsAt ?? '',
      ...(parent !== undefined && { parent }),
      ...(subtreeLimit !== undefined && { subtreeLimit }),
      ...(overdraftLimit !== undefined && { overdraftLimit }),
    };
  }

  limit(): AccountLine {
    const { fields } = this;
    for (const column of COLUMNS) {
      const belongs = ['account', 'partition', 'user', 'limit'].includes(column);
      if (!belongs && fields[column])
        this.wrong(column, 'has no place in the line of a partition or user, which limits an account');
    }
    if (!fields.limit) this.wrong('limit', 'is missing: how much may the partition or user take?');
    const partition = this.text('partition', 64);
    const user = this.text('user', 64);
    return {
      kind: 'limit',
      line: this.line,
      name: this.name('account', true) ?? '',
      ...(partition && { partition }),
      ...(user && { user }),
      limit: this.amount('limit') ?? ZERO,
    };
  }

  private wrong(field: Column, mistake: string): void {
    this.mistakes.push({ line: this.line, field, mistake });
  }

  private text(field: Column, most: number): string | undefined {
    const value = this.fields[field];
    if (!value) return undefined;
    if (value.length > most) this.wrong(field, `has ${value.length} characters; ${most} are the most`);
    // oxlint-disable-next-line no-control-regex -- PostgreSQL keeps none
    if (/[\u0000\ufffd]/.test(value)) this.wrong(field, 'is not UTF-8; save the file in that encoding');
    return value;
  }

  private name(field: 'account' | 'parent', required: boolean): string | undefined {
    const value = this.text(field, 64);
    if (value === undefined) {
      if (required) this.wrong(field, 'is missing');
      return undefined;
    }
    if (!/^[^\s/][^/]*$/.test(value))
      this.wrong(field, `"${value}" is no name of an account: no slash, no space in front`);
    return value;
  }

  private status(): (typeof STATUSES)[number] {
    const value = this.fields.status?.toLowerCase();
    const known = STATUSES.find((status) => status === value);
    if (value && !known) this.wrong('status', `"${value.slice(0, 40)}" is none of ${STATUSES.join(', ')}`);
    return known ?? 'active';
  }

  private zone(name: string): string {
    try {
      return zoneOf(name);
    } catch (error) {
      this.wrong('time_zone', sentenceOf(error));
      return 'UTC';
    }
  }

  private time(field: 'start' | 'end', zone: string, edge: 'first' | 'last'): Instant | undefined {
    const value = this.fields[field] || this.defaults[field];
    if (!value) {
      this.wrong(field, `is missing; give every line one, or all of them with --${field}`);
      return undefined;
    }
    try {
      return timeOf(value, zone, edge);
    } catch (error) {
      this.wrong(field, sentenceOf(error));
      return undefined;
    }
  }

  private amount(field: 'limit' | 'used' | 'subtree_limit' | 'overdraft_limit'): Micro | undefined {
    const value = this.fields[field];
    if (!value) return undefined;
    try {
      const amount = parseAmount(numeralOf(value, this.defaults.decimalComma));
      if (amount < 0n) this.wrong(field, `is below zero: ${renderAmount(amount)}`);
      return amount;
    } catch (error) {
      this.wrong(field, sentenceOf(error));
      return undefined;
    }
  }
}

const WITH_DECIMAL_COMMA = /^([+-]?)(\d{1,3}(?:\.\d{3})+|\d+)(?:,(\d*))?$/;

/** The numeral as `parseAmount` reads it. A comma is never guessed at: 1,250 is a thousand here and little more than one there. */
function numeralOf(text: string, decimalComma: boolean): string {
  if (!decimalComma) {
    if (!text.includes(',')) return text;
    const [, sign = '', whole = '', fraction = ''] = WITH_DECIMAL_COMMA.exec(text) ?? [];
    const meant = whole === '' ? 'without commas' : `${sign}${whole.replaceAll('.', '')}.${fraction}`;
    throw new Fault('malformed_request', `"${text.slice(0, 40)}" has a comma; write ${meant}, or give --decimal-comma`);
  }
  const match = WITH_DECIMAL_COMMA.exec(text);
  if (!match) {
    throw new Fault(
      'malformed_request',
      `"${text.slice(0, 40)}" is no number with a decimal comma; write it like 1250,50 or 1.250,50`,
    );
  }
  const [, sign = '', whole = '', fraction = ''] = match;
  return `${sign}${whole.replaceAll('.', '')}${fraction === '' ? '' : `.${fraction}`}`;
}

// Files say the same few days and zones over and over, and the date library is slow.
const zones = new Map<string, string>();
const times = new Map<string, Instant>();
const KEPT = 100_000;

function zoneOf(name: string): string {
  const known = zones.get(name) ?? readTimeZone(name);
  if (zones.size < KEPT) zones.set(name, known);
  return known;
}

function timeOf(text: string, zone: string, edge: 'first' | 'last'): Instant {
  const key = `${edge} ${zone} ${text}`;
  const known = times.get(key);
  if (known !== undefined) return known;
  const isDay = /^\d{4}-\d\d-\d\d$/.test(text);
  const read = isDay
    ? startOfDay(edge === 'first' ? readCivilDate(text) : addDays(readCivilDate(text), 1), zone)
    : readTimeIn(text, zone).at;
  if (times.size < KEPT) times.set(key, read);
  return read;
}

const sentenceOf = (error: unknown): string => {
  if (error instanceof Fault) return error.message;
  throw error;
};
