/**
 * A proposal as a file, YAML or JSON: budgets, rates and policies in the words of the API and of `bursar account create`. All
 * mistakes are told at once, each with the place of its field.
 */
import { readFileSync } from 'node:fs';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { Fault, shorten } from '../../domain/faults';
import { given } from '../../domain/given';
import { parseAmount, renderAmount, UNIT, UNIT_EXPECTED, type Micro } from '../../domain/money';
import { nearestOf } from '../../domain/nearest';
import {
  EXHAUSTION_POLICIES,
  PRICE_PRESETS,
  REFUND_POLICIES,
  REQUEUE_POLICIES,
  UNPRICED_POLICIES,
} from '../../domain/policy';
import { readHeader } from '../../domain/sacct';
import { readTimeLimit } from '../../domain/slurm-time';
import {
  addDays,
  compareInstants,
  readCivilDate,
  readTimeIn,
  readTimeZone,
  startOfDay,
  type Instant,
} from '../../domain/time';
import type { Proposal, ProposedAccount, ProposedCluster } from '../../ledger/replay';
import { EXIT, Stop } from '../exit';
import { plural } from '../text';

const ALWAYS: Instant = '1970-01-01T00:00:00Z';
const FOR_EVER: Instant = '9999-01-01T00:00:00Z';
const MISTAKES_SHOWN = 30;

// Words -----------------------------------------------------------------------------------------------------------------

/** Runs a reader that throws a `Fault`, and makes its sentence the field's mistake. */
const readBy =
  <In, Out>(read: (value: In) => Out) =>
  (value: In, context: z.core.$RefinementCtx): Out => {
    try {
      return read(value);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      context.addIssue({ code: 'custom', message: error.message });
      return z.NEVER;
    }
  };

const Numeral = z.union([z.number(), z.string()], { error: 'must be a number' }).transform(String);
const notNegative = (text: string): Micro => {
  const amount = parseAmount(text);
  if (amount < 0n) throw new Fault('malformed_request', 'must not be negative');
  return amount;
};
const aboveZero = (text: string): Micro => {
  const amount = parseAmount(text);
  if (amount <= 0n) throw new Fault('malformed_request', 'must be greater than 0');
  return amount;
};
const Amount = Numeral.transform(readBy(notNegative));
const PositiveAmount = Numeral.transform(readBy(aboveZero));
const Multiplier = Numeral.transform(readBy((text: string) => renderAmount(aboveZero(text))));
const Weight = Numeral.transform(readBy((text: string) => renderAmount(notNegative(text))));
const Text = z.string({ error: 'must be a text' }).min(1, 'must not be empty').max(255, 'has more than 255 characters');
const Zone = Text.transform(readBy(readTimeZone));
const UnitName = Text.regex(UNIT, UNIT_EXPECTED);
/** Read once the zone is known: a day is a whole day there. */
const Time = z.union([Text, z.number().transform(String)], { error: 'must be a day or a time' });
const Duration = z.union([Text, z.number().transform(String)], { error: 'must be a time limit' }).transform(
  readBy((text: string) => {
    const { wallSeconds } = readTimeLimit(text);
    if (wallSeconds === undefined) throw new Fault('malformed_request', 'must be a finite time, such as 4-00:00:00');
    return wallSeconds;
  }),
);
const Resource = Text.regex(/^(node|cpu|mem|gpu|gpu:[a-z0-9_.-]+)$/, 'must be node, cpu, mem, gpu or gpu:<model>');

/** Of a place in the file and a sentence. */
const Window = { start: Time.optional(), end: Time.optional() };

const RateEntry = z.strictObject({
  resource: Resource,
  unit: UnitName.default('USD'),
  price: Amount.optional(),
  su_per_unit: Amount.optional(),
  partition: Text.optional(),
  source: Text.default('the proposal'),
  ...Window,
});

const PartitionEntry = z.strictObject({
  max_time: Duration.optional(),
  default_time: Duration.optional(),
  queue_weight: Weight.default('1'),
  exempt: z.boolean().default(false),
});

const ClusterEntry = z.strictObject({
  time_zone: Zone,
  default_partition: Text.optional(),
  unpriced: z.enum(UNPRICED_POLICIES).optional(),
  price_preset: z.enum(PRICE_PRESETS).optional(),
  hold_multiplier: Multiplier.optional(),
  hold_cap: PositiveAmount.optional(),
  minimum_charge: Amount.optional(),
  refund_node_fail: z.enum(REFUND_POLICIES).optional(),
  refund_boot_fail: z.enum(REFUND_POLICIES).optional(),
  refund_preempted: z.enum(REFUND_POLICIES).optional(),
  refund_admin_cancel: z.enum(REFUND_POLICIES).optional(),
  refund_lost_time: Duration.optional(),
  exempt_users: z.array(Text).optional(),
  partitions: z.record(Text, PartitionEntry.nullable()).default({}),
  rates: z.array(RateEntry).default([]),
});

const DepositEntry = z.strictObject({ amount: PositiveAmount, label: Text.optional(), ...Window });
const LimitEntry = z.strictObject({
  limit: Amount,
  partition: Text.optional(),
  user: Text.optional(),
  ...Window,
});

const AccountEntry = z.strictObject({
  name: Text.optional(),
  unit: UnitName.default('USD'),
  time_zone: Zone.default('UTC'),
  status: z.enum(['active', 'inactive', 'suspended']).optional(),
  ...Window,
  budget: Amount.optional(),
  deposits: z.array(DepositEntry).default([]),
  limits: z.array(LimitEntry).default([]),
  parent: Text.optional(),
  subtree_limit: Amount.optional(),
  on_exhaustion: z.enum(EXHAUSTION_POLICIES).optional(),
  overdraft_limit: Amount.optional(),
  on_requeue_shortfall: z.enum(REQUEUE_POLICIES).optional(),
  hold_multiplier: Multiplier.optional(),
});

const ProposalFile = z.strictObject({
  clusters: z.record(Text, ClusterEntry),
  accounts: z.record(Text, AccountEntry),
});

type Read = z.output<typeof ProposalFile>;

/** Names that a strict object knows, for "did you mean". */
const KNOWN = [
  ...new Set(
    [ProposalFile, ClusterEntry, PartitionEntry, RateEntry, AccountEntry, DepositEntry, LimitEntry].flatMap((entry) =>
      Object.keys(entry.shape),
    ),
  ),
];

// Reading ---------------------------------------------------------------------------------------------------------------

export interface Mistake {
  field: string;
  mistake: string;
}

/** Ends the command where the file cannot be read, with every mistake in it. */
export function readProposal(path: string): Proposal {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new Stop(EXIT.usage, `The proposal cannot be read: ${error instanceof Error ? error.message : path}.`);
  }
  if (isLog(text)) {
    throw new Stop(EXIT.usage, `${path} is a log of sacct, and no proposal.`, {
      hints: [
        'The proposal belongs behind --proposal, the log stands alone: bursar replay --proposal budgets.yaml year.log',
      ],
    });
  }
  const read = parseProposal(text);
  if ('proposal' in read) return read.proposal;
  const { mistakes } = read;
  const more = mistakes.length - MISTAKES_SHOWN;
  throw new Stop(EXIT.usage, `${path} has ${plural(mistakes.length, 'mistake')}.`, {
    hints: [
      ...mistakes
        .slice(0, MISTAKES_SHOWN)
        .map(({ field, mistake }) => (field === '' ? mistake : `${field}: ${mistake}`)),
      ...(more > 0 ? [`… and ${more} more.`] : []),
      '`bursar replay template` shows what a proposal may say.',
    ],
    problem: { code: 'malformed_request', mistakes },
  });
}

export function parseProposal(text: string): { proposal: Proposal } | { mistakes: Mistake[] } {
  const document = parseDocument(text, { version: '1.2' });
  if (document.errors.length > 0) {
    return {
      mistakes: document.errors.map(({ message }) => ({ field: '', mistake: message.split('\n')[0] ?? message })),
    };
  }
  const found: unknown = document.toJS();
  const other = whatElse(found, text);
  if (other !== undefined) return { mistakes: [{ field: '', mistake: other }] };
  const parsed = ProposalFile.safeParse(found);
  const issues = parsed.error?.issues ?? [];
  const mistakes = issues.flatMap(mistakesOf);
  // What is wrong between the fields is looked for, too, as if all of those that are wrong by themselves were right.
  const read = parsed.success ? parsed.data : ProposalFile.safeParse(withStandIns(found, issues)).data;
  if (!read) return { mistakes };
  // An entry with a field that is not known may only seem to be without a price, or without whom it limits.
  const doubted = new Set(issues.flatMap(({ path }) => [path.join('.'), [...path, 'price'].join('.')]));
  const proposal = proposalOf(
    read,
    (field, mistake) => void (doubted.has(field) || mistakes.push({ field, mistake })),
    doubted,
  );
  return mistakes.length > 0 ? { mistakes } : { proposal };
}

/** Good values in place of bad ones that may not be absent. */
const STAND_INS: Readonly<Record<string, unknown>> = {
  clusters: {},
  accounts: {},
  time_zone: 'UTC',
  resource: 'cpu',
  price: 1,
  su_per_unit: 1,
  amount: 1,
  limit: 1,
};

/** The same without the fields that are wrong, or with others in their place. */
function withStandIns(found: unknown, issues: readonly z.core.$ZodIssue[]): unknown {
  const mended: unknown = structuredClone(found);
  for (const issue of issues) {
    const keys = issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...issue.path, key]) : [issue.path];
    for (const path of keys) {
      const holder = path.slice(0, -1).reduce<unknown>((at, key) => (isNamed(at) ? at[key] : undefined), mended);
      const last = path.at(-1);
      if (!isNamed(holder) || last === undefined) continue;
      if (issue.code !== 'unrecognized_keys' && path.length === 2 && issue.code !== 'invalid_key') {
        holder[last] = path[0] === 'clusters' ? { time_zone: 'UTC' } : {};
      } else if (issue.code !== 'unrecognized_keys' && last in STAND_INS) holder[last] = STAND_INS[String(last)];
      else delete holder[last];
    }
  }
  return mended;
}

const isNamed = (value: unknown): value is Record<PropertyKey, unknown> => typeof value === 'object' && value !== null;

/** What a file is that says nothing by name. */
function whatElse(found: unknown, text: string): string | undefined {
  if (found === null || found === undefined) return 'the file is empty';
  if (typeof found === 'object' && !Array.isArray(found)) return undefined;
  const what = Array.isArray(found) ? 'a list' : typeof found === 'string' ? 'text' : `a ${typeof found}`;
  return `it is ${what}, beginning with "${shorten(text.trim().split('\n', 1)[0] ?? '')}"; expected are clusters and accounts, by name`;
}

/** A heading, or a job with its id in front; or it is gzip, as only logs are. */
function isLog(text: string): boolean {
  if (text.startsWith('\u001f\ufffd')) return true;
  const first = text.trim().split('\n', 1)[0] ?? '';
  return readHeader(first) !== undefined || /^\d[\d_+[\]-]*\|.*\|/.test(first);
}

function mistakesOf(issue: z.core.$ZodIssue): Mistake[] {
  const place = issue.path.map(String);
  const at = (field: readonly string[], mistake: string): Mistake => ({ field: field.join('.'), mistake });
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const near = nearestOf(key, KNOWN);
      const hint = near && near.distance <= 3 ? `; did you mean "${near.name}"?` : '';
      return at([...place, key], `is not known${hint}`);
    });
  }
  if (issue.code === 'invalid_key') return [at(place, issue.issues[0]?.message ?? issue.message)];
  if (issue.code === 'invalid_value') return [at(place, `must be one of ${issue.values.map(String).join(', ')}`)];
  if (issue.code === 'invalid_type' && issue.input === undefined) {
    return [at(place, 'is missing, or not what belongs there')];
  }
  return [at(place, issue.message)];
}

type Wrong = (field: string, mistake: string) => void;

function proposalOf(read: Read, wrong: Wrong, doubted: ReadonlySet<string>): Proposal {
  if (Object.keys(read.clusters).length === 0) wrong('clusters', 'names no cluster; jobs need one to be priced on');
  for (const name of Object.keys(read.accounts)) {
    if (/^[^\s/][^/]{0,63}$/.test(name)) continue;
    wrong(`accounts.${name}`, 'is no name of an account: at most 64 characters, no slash');
  }
  if (Object.keys(read.accounts).length === 0) wrong('accounts', 'names no account; nobody could pay');
  return {
    clusters: Object.entries(read.clusters).map(([name, entry]) => clusterOf(name, entry, wrong)),
    accounts: Object.entries(read.accounts).map(([name, entry]) =>
      accountOf(name, entry, read.accounts, wrong, doubted),
    ),
  };
}

function clusterOf(name: string, entry: Read['clusters'][string], wrong: Wrong): ProposedCluster {
  const place = `clusters.${name}`;
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)) {
    wrong(place, 'is no name of a cluster: letters, digits, dot, dash and underscore, at most 64');
  }
  const rates = ratesOf(entry, place, wrong);
  return {
    name,
    settings: {
      timeZone: entry.time_zone,
      ...given({
        defaultPartition: entry.default_partition,
        unpriced: entry.unpriced,
        pricePreset: entry.price_preset,
        holdMultiplier: entry.hold_multiplier,
        holdCap: entry.hold_cap,
        minimumCharge: entry.minimum_charge,
        exemptUsers: entry.exempt_users,
        refundNodeFail: entry.refund_node_fail,
        refundBootFail: entry.refund_boot_fail,
        refundPreempted: entry.refund_preempted,
        refundAdminCancel: entry.refund_admin_cancel,
        refundLostTimeSeconds: entry.refund_lost_time,
      }),
    },
    partitions: Object.entries(entry.partitions).map(([partition, settings]) => ({
      name: partition,
      queueWeight: settings?.queue_weight ?? '1',
      ...given({ maxTimeSeconds: settings?.max_time, defaultTimeSeconds: settings?.default_time }),
      ...(settings?.exempt && { exempt: true as const }),
    })),
    rates,
  };
}

function ratesOf(entry: Read['clusters'][string], place: string, wrong: Wrong): ProposedCluster['rates'] {
  const begun = new Map<string, number>();
  return entry.rates.map((rate, index) => {
    const field = `${place}.rates.${index}`;
    if ((rate.price === undefined) === (rate.su_per_unit === undefined)) {
      wrong(
        `${field}.price`,
        'give either price (money per resource-hour) or su_per_unit (service units per resource-hour)',
      );
    }
    const { startsAt = ALWAYS, endsAt = null } = windowOf(rate, entry.time_zone, field, wrong);
    // Of several the later one ends the one before it, so that only those of one moment are in each other's way.
    const what = JSON.stringify([rate.partition, rate.resource, rate.unit, startsAt]);
    const other = begun.get(what);
    if (other === undefined) begun.set(what, index);
    else
      wrong(
        field,
        `prices the same resource in the same unit from the same moment as rates.${other}; give it another start`,
      );
    return {
      ...given({ partition: rate.partition }),
      resource: rate.resource,
      unit: rate.unit,
      rate: rate.price ?? rate.su_per_unit ?? parseAmount('0'),
      startsAt,
      endsAt,
      source: rate.source,
    };
  });
}

function accountOf(
  name: string,
  entry: Read['accounts'][string],
  all: Read['accounts'],
  wrong: Wrong,
  doubted: ReadonlySet<string>,
): ProposedAccount {
  const place = `accounts.${name}`;
  const zone = entry.time_zone;
  const own = windowOf(entry, zone, place, wrong);
  const [startsAt, endsAt] = [own.startsAt ?? ALWAYS, own.endsAt ?? FOR_EVER];
  checkParents(name, all, doubted, (mistake) => wrong(`${place}.parent`, mistake));
  const capped = new Set<string>();
  return {
    name,
    unit: entry.unit,
    settings: {
      title: entry.name ?? name,
      startsAt,
      endsAt,
      timeZone: zone,
      ...given({
        status: entry.status,
        budgetLimit: entry.budget,
        parent: entry.parent,
        subtreeLimit: entry.subtree_limit,
        onExhaustion: entry.on_exhaustion,
        overdraftLimit: entry.overdraft_limit,
        onRequeueShortfall: entry.on_requeue_shortfall,
        holdMultiplier: entry.hold_multiplier,
      }),
    },
    deposits: entry.deposits.map((deposit, index) => {
      const window = windowOf(deposit, zone, `${place}.deposits.${index}`, wrong);
      return {
        amount: deposit.amount,
        opensAt: window.startsAt ?? startsAt,
        closesAt: window.endsAt ?? endsAt,
        ...given({ label: deposit.label }),
      };
    }),
    limits: entry.limits.map((limit, index) => {
      const field = `${place}.limits.${index}`;
      const whose = JSON.stringify([limit.partition, limit.user]);
      if (limit.partition === undefined && limit.user === undefined)
        wrong(field, 'names neither a partition nor a user');
      else if (capped.has(whose)) wrong(field, 'limits the same partition and user as one before it');
      capped.add(whose);
      const window = windowOf(limit, zone, field, wrong);
      return {
        limit: limit.limit,
        ...given({ partition: limit.partition, user: limit.user, opensAt: window.startsAt, closesAt: window.endsAt }),
      };
    }),
  };
}

function checkParents(
  name: string,
  all: Read['accounts'],
  doubted: ReadonlySet<string>,
  wrong: (mistake: string) => void,
): void {
  const { parent, unit } = all[name] ?? {};
  if (parent === undefined) return;
  const above = all[parent];
  if (!above) return wrong(`"${parent}" is no account of this proposal`);
  const isInDoubt = [name, parent].some((account) => doubted.has(`accounts.${account}.unit`));
  if (above.unit !== unit && !isInDoubt) wrong(`"${parent}" counts in ${above.unit}, and this account in ${unit}`);
  const seen = new Set([name]);
  for (let at: string | undefined = parent; at !== undefined; at = all[at]?.parent) {
    if (seen.has(at)) return wrong('the parents go round in a circle');
    seen.add(at);
  }
}

/** A day is the whole of it: as a start its first moment, as an end its last. */
function windowOf(
  { start, end }: { start?: string | undefined; end?: string | undefined },
  zone: string,
  place: string,
  wrong: Wrong,
): { startsAt?: Instant; endsAt?: Instant } {
  const read = (field: 'start' | 'end', text: string | undefined): Instant | undefined => {
    if (text === undefined) return undefined;
    try {
      if (!/^\d{4}-\d\d-\d\d$/.test(text)) return readTimeIn(text, zone).at;
      const day = readCivilDate(text);
      return startOfDay(field === 'start' ? day : addDays(day, 1), zone);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      wrong(`${place}.${field}`, error.message);
      return undefined;
    }
  };
  const [startsAt, endsAt] = [read('start', start), read('end', end)];
  if (startsAt !== undefined && endsAt !== undefined && compareInstants(endsAt, startsAt) <= 0) {
    wrong(`${place}.end`, 'lies before start');
  }
  return given({ startsAt, endsAt });
}
