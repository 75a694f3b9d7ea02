/**
 * The words of the wire: how an amount, a count, a time and a name are written in JSON, and what to do when they are not.
 *
 * Bodies reach these schemas with every number still as its numeral (`LosslessNumber`), so nothing here has been through
 * a double. What a schema takes in (`z.input`) is what a client may send; what it puts out is what the ledger speaks.
 */
import { isLosslessNumber } from 'lossless-json';
import { z } from 'zod';
import { ACCOUNT_NAME, ACCOUNT_NAME_EXPECTED, ACCOUNT_NAME_MAX } from '../../domain/account-name';
import { Fault } from '../../domain/faults';
import { compareInstants, readInstant, readTimeIn, readTimeZone } from '../../domain/time';
import { type Micro, parseAmount, parseReportedCost, renderAmount, UNIT, UNIT_EXPECTED } from '../../domain/money';

/** The text of a number or of a string; undefined for everything else. */
export function numeralOf(value: unknown): string | undefined {
  if (isLosslessNumber(value)) return value.value;
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' ? value : undefined;
}

/** A wrong field does not keep the checks across fields from running. */
const JUST_THIS = { abort: false } as const;

const requiredOr = (what: string) => (issue: { input?: unknown }) =>
  issue.input === undefined ? 'is required' : `must be ${what}`;

/** A number, or the same as a string: JSON numbers lose nothing on their way here, and strings are for those who fear it. */
const numeral = (what: string) =>
  z.custom<number | string>((value) => numeralOf(value) !== undefined, { ...JUST_THIS, error: requiredOr(what) });

/** Runs a parser that throws `Fault`, and turns its sentence into the field's mistake. */
export function readWith<T>(read: (text: string) => T) {
  return (value: number | string, context: z.core.$RefinementCtx): T => {
    try {
      return read(numeralOf(value) ?? '');
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      context.addIssue({ code: 'custom', message: error.message });
      return z.NEVER;
    }
  };
}

function notNegative(text: string): Micro {
  const amount = parseAmount(text);
  if (amount < 0n) throw new Fault('malformed_request', 'must not be negative');
  return amount;
}

function positive(text: string): Micro {
  const amount = parseAmount(text);
  if (amount <= 0n) throw new Fault('malformed_request', 'must be greater than 0');
  return amount;
}

const AMOUNT_NOTE = 'a number, or a decimal string, in whole units (not cents) with at most six decimals, below 2^33';

/** An amount that a person sets: never negative (rulings 3). */
export const Amount = numeral('a number or a decimal string')
  .transform(readWith(notNegative))
  .meta({
    id: 'Amount',
    type: ['number', 'string'],
    minimum: 0,
    description: `Amount in the account's unit: ${AMOUNT_NOTE}.`,
  });

/** An amount that moves: more than nothing. */
export const PositiveAmount = numeral('a number or a decimal string')
  .transform(readWith(positive))
  .meta({
    id: 'PositiveAmount',
    type: ['number', 'string'],
    exclusiveMinimum: 0,
    description: `Amount in the account's unit, more than 0: ${AMOUNT_NOTE}.`,
  });

/** A correction: may be negative, may not be nothing. */
export const SignedAmount = numeral('a number or a decimal string')
  .transform(
    readWith((text) => {
      const amount = parseAmount(text);
      if (amount === 0n) throw new Fault('malformed_request', 'must not be 0');
      return amount;
    }),
  )
  .meta({
    id: 'SignedAmount',
    type: ['number', 'string'],
    description: `Signed amount in the account's unit, not 0: ${AMOUNT_NOTE}.`,
  });

export interface ReportedCost {
  amount: Micro;
  /** As it was received; kept in the record. */
  numeral: string;
}

/** A cost that a machine reports: any number of decimals, rounded half-even to six, the numeral kept (rulings 3). */
export const Cost = numeral('a number or a decimal string')
  .transform(
    readWith((text): ReportedCost => {
      const amount = parseReportedCost(text);
      if (amount < 0n || text.trim().startsWith('-')) throw new Fault('malformed_request', 'must not be negative');
      return { amount, numeral: text.trim() };
    }),
  )
  .meta({
    id: 'ReportedCost',
    type: ['number', 'string'],
    minimum: 0,
    description:
      "Cost in the account's unit as a machine computed it. Any number of decimals; rounded half to even to six, and the numeral kept as received.",
  });

/** A factor such as a hold multiplier or a queue weight: at most six decimals. Out comes a decimal string. */
export const factor = (options: { min: 'zero' | 'above_zero'; max?: number }) =>
  numeral('a number or a decimal string')
    .transform(
      readWith((text) => {
        const value = options.min === 'zero' ? notNegative(text) : positive(text);
        const max = options.max ?? 1_000_000;
        if (value > BigInt(max) * 1_000_000n) throw new Fault('malformed_request', `must be at most ${max}`);
        return renderAmount(value);
      }),
    )
    .meta({ type: ['number', 'string'], description: 'A factor with at most six decimals.' });

/** A hundred times what a job is thought to cost is more than anybody holds on purpose; 120 for 1.2 is a mistake of units. */
export const HoldMultiplier = factor({ min: 'above_zero', max: 100 });

const INTEGER = /^-?\d{1,30}$/;

/** A whole number within bounds, both included. `2.0` is refused, as ASBB's decoder does. */
export const integer = (min: number, max: number) =>
  numeral('a whole number')
    .transform((value, context) => {
      const text = numeralOf(value) ?? '';
      const complain = (message: string) => {
        context.addIssue({ code: 'custom', message });
        return z.NEVER;
      };
      if (!INTEGER.test(text)) return complain('must be a whole number');
      const exact = BigInt(text);
      if (exact < BigInt(min)) return complain(`must be at least ${min}`);
      if (exact > BigInt(max)) return complain(`must be at most ${max}`);
      return Number(exact);
    })
    .meta({ type: 'integer', minimum: min, maximum: max });

/** Slurm's NO_VAL family: "not set", as an unsigned number or, cast to an int by its plugin, as a negative one. */
const NO_VAL = 4_294_967_290n;

/** A count as the submit plugin really sends it: nonsense means "not set" and is read as `unset` (contract 3.1, 8.2). */
export const pluginCount = (unset: number, max: number) =>
  numeral('a whole number')
    .transform((value, context) => {
      const text = numeralOf(value) ?? '';
      if (!INTEGER.test(text)) {
        context.addIssue({ code: 'custom', message: 'must be a whole number' });
        return z.NEVER;
      }
      const exact = BigInt(text);
      if (exact <= 0n || exact >= NO_VAL) return unset;
      if (exact > BigInt(max)) {
        context.addIssue({ code: 'custom', message: `must be at most ${max}` });
        return z.NEVER;
      }
      return Number(exact);
    })
    .meta({
      type: 'integer',
      description: `0, negative numbers and SLURM's NO_VAL (4294967290 and above) mean "not set" and are read as ${unset}.`,
    });

/** Text of at most `max` characters, at least one unless `empty` is allowed. NUL and lone surrogates never get here. */
export const text = (max: number, options: { empty?: boolean } = {}) =>
  options.empty ? z.string().max(max) : z.string().min(1).max(max);

/** An identifier that schedulers write as a number and as a string. */
export const idLike = (max: number, options: { empty?: boolean } = {}) =>
  z
    .custom<number | string>((value) => numeralOf(value) !== undefined, {
      ...JUST_THIS,
      error: requiredOr('a string or a number'),
    })
    .transform((value, context) => {
      const id = (numeralOf(value) ?? '').trim();
      if (id === '' && !options.empty) context.addIssue({ code: 'custom', message: 'must not be empty' });
      if (id.length > max) context.addIssue({ code: 'custom', message: `must have at most ${max} characters` });
      return id;
    })
    .meta({ type: ['string', 'integer'] });

/** Text that one of Slurm's grammars must understand; it stays text. */
export const understood = (read: (text: string) => unknown) =>
  readWith((text) => {
    read(text);
    return text;
  });

export const Instant = z
  .string()
  .transform((value, context) => {
    try {
      return readInstant(value);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      const hint = value.includes(' ') ? ' (in a query, write the + of an offset as %2B)' : '';
      context.addIssue({ code: 'custom', message: `must be an RFC 3339 time with its zone: ${error.message}${hint}` });
      return z.NEVER;
    }
  })
  .meta({ type: 'string', format: 'date-time', description: 'RFC 3339 with zone; kept to the microsecond.' });

/**
 * A time of something that happened on a cluster. Without a zone it stays as it was written, for only the ledger knows the
 * cluster's zone, and says where that leaves a doubt (rulings 17).
 */
export const ClusterTime = z
  .string()
  .transform((value, context) => {
    try {
      if (/[Zz]$|[+-]\d\d:\d\d$/.test(value)) return readInstant(value);
      readTimeIn(value, 'UTC');
      return value;
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      context.addIssue({ code: 'custom', message: `must be a time like 2026-03-02T14:31:51Z: ${error.message}` });
      return z.NEVER;
    }
  })
  .meta({
    type: 'string',
    description:
      "RFC 3339, kept to the microsecond. Without a zone (2026-03-02T14:31:51) it is read in the cluster's; an hour that its clocks showed twice is taken as the first, and the answer says so in a note.",
  });

/** For checks across fields: they run although single fields are wrong, so that every mistake is named at once. */
export const alongside = {
  when: ({ value }: { value: unknown }) =>
    typeof value === 'object' && value !== null && !Array.isArray(value) && !isLosslessNumber(value),
};

/** A check across fields: the end of a window, which is exclusive, lies after its beginning. */
export const ordered = (from: string, to: string) => (body: object, context: z.core.$RefinementCtx) => {
  const [begins, ends]: unknown[] = [Reflect.get(body, from), Reflect.get(body, to)];
  if (typeof begins !== 'string' || typeof ends !== 'string' || compareInstants(begins, ends) < 0) return;
  context.addIssue({ code: 'custom', path: [to], message: `must be after ${from}` });
};

/** The name of an account: what Slurm calls it. */
export const AccountName = z
  .string()
  .min(1)
  .max(ACCOUNT_NAME_MAX)
  .regex(ACCOUNT_NAME, ACCOUNT_NAME_EXPECTED)
  .meta({ description: "The account's name in the scheduler (ASBB: slurm_account)." });

export const ClusterName = z
  .string()
  .min(1)
  .max(64)
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]*$/,
    'must be letters, digits, ".", "_" and "-", and start with a letter or a digit',
  )
  .meta({ description: "The cluster's name. Letters, digits, dot, underscore and hyphen." });

export const PartitionName = text(128).meta({ description: 'The partition (queue) of the cluster.' });
export const UserName = text(128)
  .regex(/^(?!\*$)/, 'must be a login name; "*" is not one')
  .meta({ description: 'Login name.' });
export const LimitedUser = text(128).meta({
  description: 'Login name; "*" stands for every user who has no cap of his own.',
});
export const Unit = text(32)
  .regex(UNIT, UNIT_EXPECTED)
  .meta({ description: 'ISO 4217 code, or the name of a service unit.' });

export const TimeZone = z
  .string()
  .max(64)
  .transform((name, context) => {
    try {
      return readTimeZone(name);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      context.addIssue({ code: 'custom', message: 'must be an IANA time zone, like America/Chicago' });
      return z.NEVER;
    }
  })
  .meta({ type: 'string', description: 'IANA time zone.' });

export const IdempotencyKey = text(255).meta({
  description:
    'Made by the caller, kept for the life of the row: the same key and body get the first answer again, another body is refused with 409. The Idempotency-Key header says the same.',
});

export const FundSource = z
  .string()
  .describe(
    "Where its money came from. base: the account's own budget, with its window; manual: a deposit with a window of its own; transfer: another account; allocation, grant_period, carry_forward: as the deposit says; overdraft: what was charged beyond all money.",
  );

export const Description = text(2000, { empty: true }).describe('Words for people; kept and shown.');

/** Any JSON: kept as it is. Numbers that a double cannot carry stay as their numeral, in a string. */
export const AnyJson = z.unknown().transform(plainJson).meta({ description: 'Any JSON; kept as it is.' });

export const JsonObject = z
  .custom<Record<string, unknown>>(
    (value) => typeof value === 'object' && value !== null && !Array.isArray(value) && !isLosslessNumber(value),
    { ...JUST_THIS, error: requiredOr('an object') },
  )
  .transform((value) => plainJson(value) as Record<string, unknown>)
  .meta({ type: 'object', additionalProperties: true });

export function plainJson(value: unknown): unknown {
  if (isLosslessNumber(value)) {
    const double = Number(value.value);
    return Number.isFinite(double) && sameNumber(value.value, double) ? double : value.value;
  }
  if (Array.isArray(value)) return value.map(plainJson);
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plainJson(inner)]));
  }
  return value;
}

/** Whether a double says what its numeral said, as far as anybody reading it back could tell. */
const sameNumber = (text: string, double: number): boolean =>
  text === String(double) || Number.isSafeInteger(double) || text.replace(/[^0-9]/g, '').length <= 15;

// What goes out -----------------------------------------------------------------------------------------------------------

/** An amount in an answer: a JSON number, exact because of the ceiling. */
export const Money = z
  .number()
  .meta({ id: 'Money', description: "Amount in the account's unit, at most six decimals, exact." });
export const Time = z.string().meta({ format: 'date-time' });
export const Count = z.number().int();

/** Query parameters of every list of ours. */
export const pageQuery = {
  limit: integer(1, 1000).optional().describe('How many rows at most; default and maximum 1000.'),
  offset: integer(0, 1_000_000_000).optional().describe('How many rows to leave out. The Link header is better.'),
  cursor: z
    .string()
    .regex(/^\d{1,18}$/, 'is not a cursor of this list; take it from the Link header of the page before')
    .optional()
    .describe('From the Link header (rel="next") of the page before; opaque.'),
};

/** ASBB's lists ignore a limit or an offset that makes no sense; so do we there. */
const lenient = (min: number, max: number) =>
  z
    .custom<number | string>()
    .transform((value) => {
      const written = numeralOf(value) ?? '';
      const count = /^\d{1,12}$/.test(written) ? Number(written) : Number.NaN;
      return count >= min ? Math.min(count, max) : undefined;
    })
    .meta({ type: 'integer' })
    .optional();

export const asbbPageQuery = {
  limit: lenient(1, 1000).describe('How many rows at most; default and maximum 1000. Ignored if it makes no sense.'),
  offset: lenient(0, 1_000_000_000).describe('How many rows to leave out. Ignored if it makes no sense.'),
  cursor: pageQuery.cursor,
};

export const flag = z
  .enum(['true', 'false'])
  .transform((value) => value === 'true')
  .meta({ type: 'string', enum: ['true', 'false'] });
