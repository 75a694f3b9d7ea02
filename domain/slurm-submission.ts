/**
 * What a submission to Slurm asks for, read from the raw facts that job_submit/lua sees before Slurm has filled in a default:
 * counts that may be NO_VAL, five spellings of GPUs, memory by node or by CPU. Hooks send it all as it is (docs/operations),
 * so whatever a newer Slurm spells otherwise is mended here and not in a controller.
 *
 * Everything is the job's total, and the most that Slurm may give it: a hold has to cover its charge.
 */
import { malformed, Fault } from './faults';
import { given } from './given';
import type { JobRequest, Resources } from './job';
import { readArrayTasks } from './slurm-job';
import { jobMemoryMib, readGres, readMemory, type Tres } from './slurm-resources';
import { readTimeLimit } from './slurm-time';

/** A fact as JSON carries it; a number that a double cannot hold stays its numeral. */
export type RawFacts = Readonly<Record<string, unknown>>;

export interface Submission {
  user?: string;
  account?: string;
  /** In the order in which they were named; empty: the cluster's default. Slurm starts the job in one of them. */
  partitions: string[];
  jobName?: string;
  script?: string;
  /** Worth keeping with the decision. */
  details: Record<string, unknown>;
  job: Omit<JobRequest, 'partition'>;
}

/** `malformed_request`, naming the fact, where Slurm's own grammar could not mean anything by it. */
export function readSubmission(raw: RawFacts): Submission {
  const account = textOf(raw.account) ?? textOf(raw.default_account);
  return {
    partitions: (textOf(raw.partition) ?? '')
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== ''),
    ...given({
      user: textOf(raw.user) ?? textOf(raw.user_name) ?? textOf(raw.user_id),
      account,
      jobName: textOf(raw.name) ?? textOf(raw.job_name),
      script: textOf(raw.script),
    }),
    details: given({
      job_name: textOf(raw.name) ?? textOf(raw.job_name),
      work_dir: textOf(raw.work_dir),
      qos: textOf(raw.qos),
      reservation: textOf(raw.reservation),
      het_job_offset: countOf(raw.het_job_offset, 'zero'),
    }),
    job: readJob(raw),
  };
}

function readJob(raw: RawFacts): Submission['job'] {
  const { resources, unbilled } = readResources(raw);
  const array = textOf(raw.array) ?? textOf(raw.array_inx);
  return {
    resources,
    // They are totals: a preset that multiplies CPUs by nodes must not do so here.
    fromTres: true,
    ...(unbilled.length > 0 ? { unbilledTres: unbilled } : {}),
    ...readLimit(raw.time_limit),
    arrayTasks: array === undefined ? 1 : fact('array', () => readArrayTasks(array)),
  };
}

// Time --------------------------------------------------------------------------------------------------------------------

/** In minutes. NO_VAL leaves it to the partition, INFINITE and 0 ask for no end. */
function readLimit(value: unknown): Pick<JobRequest, 'wallSeconds' | 'unlimited'> {
  const number = numberOf(value);
  if (number === undefined) {
    const text = textOf(value);
    return fact('time_limit', () => readTimeLimit(text ?? ''));
  }
  if (number === INFINITE || number === 0) return { wallSeconds: undefined, unlimited: true };
  if (isUnset(number)) return { wallSeconds: undefined, unlimited: false };
  return fact('time_limit', () => readTimeLimit(String(number)));
}

// Resources ---------------------------------------------------------------------------------------------------------------

function readResources(raw: RawFacts): { resources: Resources; unbilled: string[] } {
  const perTask = fact('tres_per_task', () => splitTres(textOf(raw.tres_per_task)));
  const perNode = gpusOf(raw, 'tres_per_node', textOf(raw.tres_per_node) ?? textOf(raw.gres));
  const perSocket = gpusOf(raw, 'tres_per_socket');
  const perJob = gpusOf(raw, 'tres_per_job');
  const ofTask = fact('tres_per_task', () => readList(perTask));

  // A range (--nodes=2-4) is priced at its far end; GPUs of the job and of each node say how many nodes that makes.
  const asked = Math.max(countOf(raw.max_nodes) ?? countOf(raw.min_nodes) ?? 1, 1);
  const nodes = Math.max(asked, quotientOf(perJob.gpus, perNode.gpus));
  const tasksPerNode = shortCountOf(raw.ntasks_per_node) ?? 1;
  const tasks = countOf(raw.num_tasks) ?? Math.max(nodes * tasksPerNode, quotientOf(perJob.gpus, ofTask.gpus));
  const sockets = nodes * (shortCountOf(raw.sockets_per_node) ?? 1);

  const spellings = [perJob, times(perNode, nodes), times(perSocket, sockets), times(ofTask, tasks)];
  const gpusByModel: Record<string, number> = {};
  for (const { gpusByModel: models } of spellings) {
    for (const [model, count] of Object.entries(models)) gpusByModel[model] = Math.max(gpusByModel[model] ?? 0, count);
  }
  // They are ways of saying the same GPUs: what one of them leaves out another one has said.
  const gpus = Math.max(sum(Object.values(gpusByModel)), ...spellings.map((spelling) => spelling.gpus ?? 0));

  const cpusPerTask = Math.max(shortCountOf(raw.cpus_per_task) ?? 1, perTask.cpus ?? 1);
  const perGpu = (value: unknown) => countOf(/(\d+)$/.exec(textOf(value) ?? '')?.[1]) ?? 0;
  const cpus = Math.max(countOf(raw.min_cpus) ?? 1, tasks * cpusPerTask, nodes, gpus * perGpu(raw.cpus_per_tres));
  const memoryMib = Math.max(
    memoryOf(raw, 'min_mem_per_node', { nodes, cpus }) ?? memoryOf(raw, 'pn_min_memory', { nodes, cpus }) ?? 0,
    memoryOf(raw, 'min_mem_per_cpu', { nodes, cpus }) ?? 0,
    (perTask.memoryMib ?? 0) * tasks,
    gpus * perGpu(raw.mem_per_tres),
  );
  return {
    resources: { nodes, cpus, gpus, gpusByModel, memoryMib },
    unbilled: [...new Set(spellings.flatMap(({ unbilled = [] }) => unbilled))],
  };
}

const gpusOf = (raw: RawFacts, name: string, text = textOf(raw[name])): Tres =>
  text === undefined ? { gpusByModel: {} } : fact(name, () => readList(splitTres(text)));

function readList({ gres, others }: SplitTres): Tres {
  const read = readGres(gres);
  return others.length === 0 ? read : { ...read, unbilled: [...(read.unbilled ?? []), ...others] };
}

function times(tres: Tres, factor: number): Tres {
  const models = Object.entries(tres.gpusByModel).map(([model, count]) => [model, count * factor] as const);
  return {
    ...tres,
    ...(tres.gpus === undefined ? {} : { gpus: tres.gpus * factor }),
    gpusByModel: Object.fromEntries(models),
  };
}

interface SplitTres {
  gres: string;
  cpus?: number;
  memoryMib?: number;
  /** Licences and the like, which cost nothing here. */
  others: string[];
}

/** Newer versions count CPUs and memory in the same list: `cpu:2,mem:4G,gres/gpu:1`. */
function splitTres(text = ''): SplitTres {
  const gres: string[] = [];
  const split: Omit<SplitTres, 'gres'> = { others: [] };
  for (const part of text.split(/,(?![^(]*\))/)) {
    const [, kind, amount = ''] = /^\s*(cpu|mem|memory)[:=](.+)$/i.exec(part) ?? [];
    const [other] = /^\s*(license|licenses|bb|fs|ic|billing|energy|node)\b[^:=]*/i.exec(part) ?? [];
    if (kind !== undefined && kind.toLowerCase() === 'cpu') split.cpus = countOf(amount) ?? 1;
    else if (kind !== undefined) split.memoryMib = readMemory(amount).mib;
    else if (other !== undefined) split.others.push(other.trim().toLowerCase());
    else gres.push(part);
  }
  return { gres: gres.join(','), ...split };
}

/** MiB; Slurm marks memory per CPU in the number too, whichever field it stands in. */
function memoryOf(raw: RawFacts, name: string, size: { nodes: number; cpus: number }): number | undefined {
  const text = textOf(raw[name]);
  if (text === undefined) return undefined;
  const memory = fact(name, () => readMemory(/[a-z]$/i.test(text) ? text : `${text}n`));
  return jobMemoryMib(name === 'min_mem_per_cpu' ? { ...memory, per: 'cpu' } : memory, size);
}

const quotientOf = (whole: number | undefined, part: number | undefined): number =>
  whole === undefined || part === undefined || part === 0 ? 0 : Math.ceil(whole / part);

const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);

// Facts -------------------------------------------------------------------------------------------------------------------

const INFINITE = 0xffff_ffff;

/** NO_VAL and INFINITE of 32 and of 64 bits, of which a double keeps only about where they are. */
const isUnset = (number: number): boolean =>
  number < 0 || (number >= 0xffff_fff0 && number <= INFINITE) || number >= 2 ** 63;

/** Text that says something. A number is text too; what Lua prints for nothing is none. */
export function textOf(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value);
  if (typeof value !== 'string') return undefined;
  const text = value.trim();
  return text === '' || text === '(null)' || text === 'nil' ? undefined : text;
}

export function numberOf(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^\s*-?\d+(\.0+)?\s*$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? Math.trunc(number) : undefined;
}

/** Is anything said? INFINITE is, NO_VAL is not. */
export function isSet(value: unknown): boolean {
  const number = numberOf(value);
  if (number === undefined)
    return value !== null && value !== undefined && (typeof value !== 'string' || textOf(value) !== undefined);
  return number === INFINITE || !isUnset(number);
}

/** A count that was set: NO_VAL was not, nor was zero, but where zero is a number like others. */
export function countOf(value: unknown, least: 'one' | 'zero' = 'one'): number | undefined {
  const number = numberOf(value);
  return number === undefined || isUnset(number) || (number === 0 && least === 'one') ? undefined : number;
}

/** The same of a field of 16 bits, where NO_VAL is 65534. */
function shortCountOf(value: unknown): number | undefined {
  const count = countOf(value);
  return count === undefined || count >= 0xfffe ? undefined : count;
}

/** Names the fact in the fault of what reads it. */
function fact<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    throw malformed(`${name}: ${error.message}`);
  }
}
