/**
 * Resources as Slurm's users, its plugins and `sacct` write them: memory, TRES, GRES and counts.
 *
 * Everything reads text and either understands it whole or throws a Fault that says what to write instead.
 */
import { Fault, malformed, shorten } from './faults';
import type { JobRequest, Resources } from './job';
import { nearestOf } from './nearest';

// Counts ------------------------------------------------------------------------------------------------------------------

/** Where Slurm's "not set" begins: NO_VAL is 0xfffffffe, INFINITE 0xffffffff, and relatives lie just below. */
const NO_VAL_FAMILY = 4_294_967_290;

/** Slurm's NO_VAL family, as an unsigned number or, cast by its plugin, as zero or a negative one (contract 3.1, 8.2). */
export const isUnsetCount = (count: number): boolean => count <= 0 || count >= NO_VAL_FAMILY;

// Memory ------------------------------------------------------------------------------------------------------------------

/** What was asked for, and for what: the whole job, each node, or each CPU. */
export interface Memory {
  mib: number;
  per: 'job' | 'node' | 'cpu';
}

const MEMORY = /^(-?\d{1,20})(?:\.(\d{1,9}))?\s*(?:([KMGTPE])(?:I?B)?)?([NC]?)$/i;

/** KiB of one unit; a bare number is MiB. */
const KIB: Readonly<Record<string, bigint>> = {
  K: 1n,
  '': 1024n,
  M: 1024n,
  G: 1024n ** 2n,
  T: 1024n ** 3n,
  P: 1024n ** 4n,
  E: 1024n ** 5n,
};

/** MEM_PER_CPU: the top bit of what used to be 32 bits and became 64. */
const PER_CPU_32 = 1n << 31n;
const PER_CPU_64 = 1n << 63n;
/** NO_VAL and INFINITE of either width: memory was not set. */
const UNSET_MEMORY = (1n << 32n) - 16n;
const UNSET_MEMORY_64 = (1n << 64n) - 16n;

/** An exbibyte in MiB: more is no memory, but a flag we do not know. */
const LARGEST_MIB = 1024 ** 4;

/**
 * `64G`, `64GB`, `4096MB`, `62.50G`, `4096` (MiB), `8000Mn` (each node), `500Mc` (each CPU). Slurm marks memory per CPU by
 * the top bit of the number of MiB as well; both widths are seen, the wide one also as a negative number:
 * `2147486648Mn` is 3000 MiB for each CPU.
 */
export function readMemory(text: string): Memory {
  const match = MEMORY.exec(text.trim());
  if (!match) {
    throw malformed(
      `"${shorten(text)}" is not an amount of memory; write it like 64G, 4096M, 8000Mn (per node) or 500Mc (per CPU)`,
    );
  }
  const [, whole = '0', decimals = '', unit = '', suffix = ''] = match;
  const per = suffix.toLowerCase() === 'c' ? 'cpu' : suffix.toLowerCase() === 'n' ? 'node' : 'job';
  const kib = KIB[unit.toUpperCase()] ?? 1024n;
  if (kib === 1024n && decimals === '') {
    const flagged = readFlaggedMemory(BigInt.asUintN(64, BigInt(whole)));
    if (flagged) return flagged;
  }
  if (whole.startsWith('-')) throw malformed(`"${shorten(text)}" is less than no memory; write it like 64G`);
  const scaled = BigInt(whole + decimals) * kib;
  const mib = Number(scaled) / 10 ** decimals.length / 1024;
  if (mib > LARGEST_MIB) throw malformed(`"${shorten(text)}" is more memory than there is; write it like 64G`);
  return { mib, per };
}

function readFlaggedMemory(mib: bigint): Memory | undefined {
  if (mib >= UNSET_MEMORY_64) return { mib: 0, per: 'job' };
  if (mib >= PER_CPU_64) return flaggedPerCpu(mib - PER_CPU_64);
  if (mib >= UNSET_MEMORY && mib < 1n << 32n) return { mib: 0, per: 'job' };
  if (mib >= PER_CPU_32 && mib < 1n << 32n) return flaggedPerCpu(mib - PER_CPU_32);
  return undefined;
}

function flaggedPerCpu(mib: bigint): Memory {
  if (mib > BigInt(LARGEST_MIB)) throw malformed('the amount of memory is more than there is; write it like 4G');
  return { mib: Number(mib), per: 'cpu' };
}

/** Of the whole job, in MiB. */
export const jobMemoryMib = ({ mib, per }: Memory, { nodes, cpus }: { nodes: number; cpus: number }): number =>
  per === 'node' ? mib * nodes : per === 'cpu' ? mib * cpus : mib;

// TRES and GRES -----------------------------------------------------------------------------------------------------------

/** What a TRES or GRES list says. What it does not mention is undefined. */
export interface Tres {
  nodes?: number;
  cpus?: number;
  gpus?: number;
  gpusByModel: Readonly<Record<string, number>>;
  memoryMib?: number;
  /** What it mentions and nobody can have a rate for: licences, burst buffers, GRES other than GPUs. */
  unbilled?: readonly string[];
}

/** Slurm's own kinds that cost nothing here: as they stand, and those that have a name of their own behind them. */
const UNBILLED = ['billing', 'energy', 'vmem', 'pages'];
const UNBILLED_OF = ['fs', 'ic', 'bb', 'license', 'gres'];
const BILLED = ['cpu', 'mem', 'node', 'gpu', 'gres/gpu'];

/** As slurmdbd's own tables have them; from 1001 on each site's numbers are its own. */
const TRES_BY_NUMBER: Readonly<Record<string, string>> = {
  1: 'cpu',
  2: 'mem',
  3: 'energy',
  4: 'node',
  5: 'billing',
  6: 'fs/disk',
  7: 'vmem',
  8: 'pages',
};

/** Words for "nothing" in sacct's columns. */
const EMPTY = new Set(['', '(NULL)', 'N/A', 'NONE', 'NULL']);

/** As in rates: lower case, letters, digits, `_`, `.` and `-`. */
const MODEL = /^[a-z0-9_.-]{1,64}$/;

const LARGEST_COUNT = 1_000_000_000;

/**
 * `cpu=8,mem=24000M,node=1,billing=8,gres/gpu=2,gres/gpu:a100=2`: totals of the job. GPUs of a model are part of
 * `gres/gpu` where both stand. What Slurm has and nobody bills (billing, energy, licences, other GRES) is named as unbilled;
 * a name that Slurm does not have is a mistake, and so is one that stands twice: which of the two was meant?
 */
export function readTres(text: string): Tres {
  const tres: { -readonly [K in keyof Tres]: Tres[K] } = { gpusByModel: {} };
  if (EMPTY.has(text.trim().toUpperCase())) return tres;
  const models = new Map<string, number>();
  const seen = new Set<string>();
  const unbilled: string[] = [];
  let plain: number | undefined;
  let memory: Memory | undefined;
  for (const part of text.trim().split(',')) {
    const equals = part.indexOf('=');
    const written = part.slice(0, equals).trim().toLowerCase();
    const name = /^gpu(:|$)/.test(written) ? `gres/${written}` : (TRES_BY_NUMBER[written] ?? written);
    const value = part.slice(equals + 1).trim();
    if (equals < 1 || value === '') {
      throw malformed(`"${shorten(part)}" is no part of a TRES list; write it like cpu=8,mem=24000M,node=1,gres/gpu=2`);
    }
    if (seen.has(name)) throw malformed(`"${shorten(text)}" says ${shorten(written)} twice; say it once`);
    seen.add(name);
    if (name === 'cpu') tres.cpus = readCount(part, value);
    else if (name === 'node') tres.nodes = readCount(part, value);
    else if (name === 'mem') memory = readMemory(value);
    else if (name === 'gres/gpu') plain = readCount(part, value);
    else if (name.startsWith('gres/gpu:'))
      addModel(models, name.slice('gres/gpu:'.length), readCount(part, value), part);
    else if (!isUnbilled(name)) throw unknownTres(name);
    else if (value !== '0') unbilled.push(name);
  }
  if (memory) tres.memoryMib = jobMemoryMib(memory, { nodes: tres.nodes ?? 1, cpus: tres.cpus ?? 1 });
  return { ...tres, ...countGpus(models, plain), ...(unbilled.length > 0 ? { unbilled } : {}) };
}

const isUnbilled = (name: string): boolean =>
  UNBILLED.includes(name) || UNBILLED_OF.some((kind) => name.startsWith(`${kind}/`) && name.length > kind.length + 1);

function unknownTres(name: string): Fault {
  const slash = name.indexOf('/');
  const known =
    slash < 0
      ? [...BILLED, ...UNBILLED]
      : [...BILLED, ...UNBILLED_OF.map((kind) => `${kind}/${name.slice(slash + 1) || 'name'}`)];
  const nearest = UNBILLED_OF.includes(name) ? `${name}/name` : nearestOf(name, known)?.name;
  return malformed(`"${shorten(name)}" is no TRES of Slurm's; did you mean "${shorten(nearest ?? 'cpu')}"?`);
}

/**
 * `gpu:4`, `gpu:a100:4`, `gres:gpu:2`, `gres/gpu:a100=4`, `gpu` (one), with Slurm's suffixes for sockets and indexes
 * (`gpu:a100:4(S:0-1)`). In `--gres` these count for each node; what they are counted for is the caller's to know.
 */
export function readGres(text: string): Tres {
  if (EMPTY.has(text.trim().toUpperCase())) return { gpusByModel: {} };
  const models = new Map<string, number>();
  const unbilled = new Set<string>();
  let plain: number | undefined;
  for (const part of splitOutsideBrackets(text.trim().toLowerCase())) {
    const bare = part.replace(/\([^()]*\)/g, '').trim();
    const match = /^(?:gres[:/])?([a-z0-9_.-]+)((?:[:=][a-z0-9_.-]+)*)$/.exec(bare);
    if (!match) throw malformed(`"${shorten(part)}" is no GRES; write it like gpu:4 or gpu:a100:4`);
    const words = (match[2] ?? '').split(/[:=]/).filter((word) => word !== '' && word !== 'no_consume');
    if (match[1] !== 'gpu') {
      unbilled.add(`gres/${match[1]}`);
      continue;
    }
    const last = words.at(-1);
    const hasCount = last !== undefined && /^\d+k?$/.test(last);
    const count = hasCount ? readCount(part, last) : 1;
    const model = (hasCount ? words.slice(0, -1) : words).join(':');
    if (model === '') plain = (plain ?? 0) + count;
    else addModel(models, model, count, part);
  }
  const ofModels = [...models.values()].reduce((sum, count) => sum + count, 0);
  return {
    ...countGpus(models, plain === undefined ? undefined : plain + ofModels),
    ...(unbilled.size > 0 ? { unbilled: [...unbilled] } : {}),
  };
}

/** What a request says in single fields, as text where Slurm has a grammar for it. */
export interface RequestedResources {
  nodes?: number | undefined;
  cpus?: number | undefined;
  gpus?: number | undefined;
  memory?: string | undefined;
  /** Of the whole job. */
  gres?: string | undefined;
  tres?: string | undefined;
}

/**
 * The resources of a whole job. `tres` wins over the single fields wherever it says something (rulings 22); counts that
 * Slurm leaves unset are one node, one CPU, no GPU.
 */
export function readResources(
  asked: RequestedResources,
): { resources: Resources } & Pick<JobRequest, 'fromTres' | 'unbilledTres'> {
  const tres = asked.tres === undefined ? undefined : readTres(asked.tres);
  const gres = asked.gres === undefined ? undefined : readGres(asked.gres);
  const nodes = tres?.nodes ?? countOr(asked.nodes, 1);
  const cpus = tres?.cpus ?? countOr(asked.cpus, 1);
  const memoryMib =
    tres?.memoryMib ?? (asked.memory === undefined ? 0 : jobMemoryMib(readMemory(asked.memory), { nodes, cpus }));
  const source = tres?.gpus === undefined ? gres : tres;
  const gpusByModel = source?.gpusByModel ?? {};
  const gpus = source?.gpus ?? countOr(asked.gpus, 0);
  const unbilled = [...new Set([...(tres?.unbilled ?? []), ...(gres?.unbilled ?? [])])];
  return {
    resources: { nodes, cpus, gpus, gpusByModel, memoryMib },
    fromTres: tres !== undefined,
    ...(unbilled.length > 0 ? { unbilledTres: unbilled } : {}),
  };
}

const countOr = (count: number | undefined, unset: number): number =>
  count === undefined || isUnsetCount(count) ? unset : count;

/** `512`, `2K`, `1.50K`: Slurm shortens a count only where nothing of it is lost. Undefined: it is none, or too large to be one. */
export function parseCount(text: string): number | undefined {
  const match = /^(\d{1,15})(?:\.(\d{1,2})(?=[KMG]))?([KMG]?)$/i.exec(text);
  if (!match) return undefined;
  const [, whole = '', decimals = '', unit = ''] = match;
  const count = (Number(whole + decimals) * (TIMES[unit.toUpperCase()] ?? 1)) / 10 ** decimals.length;
  return Number.isInteger(count) && count <= LARGEST_COUNT ? count : undefined;
}

const TIMES: Readonly<Record<string, number>> = { K: 1024, M: 1024 ** 2, G: 1024 ** 3 };

function readCount(part: string, value: string): number {
  const count = parseCount(value);
  if (count !== undefined) return count;
  throw malformed(`"${shorten(part)}" has no count; write a whole number, like gpu:a100:4 or cpu=8`);
}

function addModel(models: Map<string, number>, model: string, count: number, part: string): void {
  if (!MODEL.test(model)) throw malformed(`"${shorten(part)}" names no GPU model; write it like gpu:a100:4`);
  models.set(model, (models.get(model) ?? 0) + count);
}

function countGpus(models: Map<string, number>, plain: number | undefined): Pick<Tres, 'gpus' | 'gpusByModel'> {
  if (models.size === 0) return plain === undefined ? { gpusByModel: {} } : { gpus: plain, gpusByModel: {} };
  const ofModels = [...models.values()].reduce((sum, count) => sum + count, 0);
  return { gpus: Math.max(plain ?? 0, ofModels), gpusByModel: Object.fromEntries(models) };
}

/** Commas within brackets belong to a part: `gpu:a100:2(IDX:0,3),gpu:v100:1`. */
const splitOutsideBrackets = (text: string): string[] => text.split(/,(?![^(]*\))/);
