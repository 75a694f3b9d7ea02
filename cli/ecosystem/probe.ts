/** Which neighbours can be reached from here (contract 14). */

export const SERVICES = {
  advisor: {
    endpoints: ['http://localhost:8081', 'http://advisor:8081', 'http://aws-slurm-burst-advisor:8081'],
    capabilities: ['cost_estimation', 'performance_analysis'],
    configuredBy: ['advisor.url'],
  },
  asbx: {
    endpoints: ['http://localhost:8082', 'http://asbx:8082', 'http://aws-slurm-burst:8082'],
    capabilities: ['cost_reconciliation', 'performance_data', 'job_tracking'],
    configuredBy: ['integration.asbx_endpoint'],
  },
  asba: {
    endpoints: ['http://localhost:8083', 'http://asba:8083', 'http://academic-slurm-burst:8083'],
    capabilities: ['decision_making', 'resource_allocation', 'burst_optimization'],
    configuredBy: ['integration.asba_endpoint'],
  },
} as const;
export type ServiceName = keyof typeof SERVICES;
export const SERVICE_NAMES: readonly ServiceName[] = ['advisor', 'asbx', 'asba'];

/** Something lives at an endpoint whose answer to one of these is 200. */
const PATHS = ['/health', '/api/v1/health', '/status', '/version'];

const PATIENCE_MS = 5_000;
const BODY_BYTES_MAX = 65_536;

export interface ServiceInfo {
  name: ServiceName;
  /** Empty where there is none. */
  version: string;
  /** Where it was found; else the first place that was looked at. Empty where only the server knows. */
  endpoint: string;
  available: boolean;
  last_check: string;
  capabilities: string[];
  /** Something answers there, but not well; or nothing answers anywhere. */
  health_status: 'healthy' | 'unavailable' | 'not_found';
  /** Of the answer, or of the want of it. */
  response_ms: number;
  detail?: string;
}

/** One that the server is configured for, and nobody here knows where it is. Undefined where the server has none either. */
export function asServerSees(
  name: ServiceName,
  state: string | undefined,
  looked: ServiceInfo,
): ServiceInfo | undefined {
  if (state === undefined || state === 'not_configured') return undefined;
  const isWell = state === 'healthy';
  return {
    ...looked,
    endpoint: '',
    available: isWell,
    capabilities: isWell ? [...SERVICES[name].capabilities] : [],
    health_status: isWell ? 'healthy' : 'unavailable',
    detail: `as the server sees it: ${state}`,
  };
}

interface Looked {
  endpoint: string;
  state: ServiceInfo['health_status'];
  body?: unknown;
  version?: string;
  detail?: string;
  ms: number;
}

/** Looks everywhere at once; the first of the endpoints that is well counts, in the order in which they are given. */
export async function findService(
  name: ServiceName,
  endpoints: readonly string[],
  now: Date,
  signal: AbortSignal,
): Promise<ServiceInfo> {
  const looked = await Promise.all(endpoints.map((endpoint) => lookAt(endpoint, signal)));
  const best = looked.find(({ state }) => state === 'healthy') ?? looked.find(({ state }) => state === 'unavailable');
  const { endpoint, state, body, version, detail, ms } = best ?? looked[0] ?? nowhere;
  const isWell = state === 'healthy';
  return {
    name,
    version: version ?? '',
    endpoint,
    available: isWell,
    last_check: now.toISOString(),
    capabilities: isWell ? [...new Set([...SERVICES[name].capabilities, ...featuresOf(name, body)])] : [],
    health_status: state,
    response_ms: ms,
    ...(detail !== undefined && { detail }),
  };
}

const nowhere: Looked = { endpoint: '', state: 'not_found', ms: 0 };

async function lookAt(endpoint: string, signal: AbortSignal): Promise<Looked> {
  const startedAt = performance.now();
  const replies = await Promise.all(PATHS.map((path) => ask(`${endpoint.replace(/\/+$/, '')}${path}`, signal)));
  const ms = Math.floor(performance.now() - startedAt);
  const good = replies.find(({ status }) => status === 200);
  if (good) {
    const version = replies.map(({ body }) => textOf(body, 'version')).find((each) => each !== undefined);
    return { endpoint, state: 'healthy', body: good.body, ms, ...(version !== undefined && { version }) };
  }
  const answered = replies.find(({ status }) => status !== undefined);
  if (answered) return { endpoint, state: 'unavailable', detail: `it answered with HTTP ${answered.status}`, ms };
  const late = replies.some(({ isLate }) => isLate);
  return { endpoint, state: 'not_found', detail: late ? 'no answer in time' : 'nothing answers there', ms };
}

interface Reply {
  status?: number;
  body?: unknown;
  isLate?: boolean;
}

async function ask(address: string, signal: AbortSignal): Promise<Reply> {
  const patience = AbortSignal.timeout(PATIENCE_MS);
  try {
    const answer = await fetch(address, { redirect: 'manual', signal: AbortSignal.any([patience, signal]) });
    if (answer.status !== 200) {
      await answer.body?.cancel();
      return { status: answer.status };
    }
    return { status: 200, body: await bodyOf(answer) };
  } catch {
    return { isLate: patience.aborted || signal.aborted };
  }
}

/** As much as a health report has; what is no JSON, or larger, says nothing. */
async function bodyOf(answer: Response): Promise<unknown> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of answer.body ?? []) {
    size += piece.byteLength;
    if (size > BODY_BYTES_MAX) return undefined;
    pieces.push(piece);
  }
  try {
    return JSON.parse(Buffer.concat(pieces).toString('utf8')) as unknown;
  } catch {
    return undefined;
  }
}

const fieldOf = (body: unknown, field: string): unknown =>
  typeof body === 'object' && body !== null ? Reflect.get(body, field) : undefined;

function textOf(body: unknown, field: string): string | undefined {
  const value = fieldOf(body, field);
  return typeof value === 'string' ? value.slice(0, 100) : undefined;
}

/** The advisor says what else it can do. */
function featuresOf(name: ServiceName, body: unknown): string[] {
  const features = fieldOf(body, 'features');
  if (name !== 'advisor' || !Array.isArray(features)) return [];
  return features.filter((each): each is string => typeof each === 'string').slice(0, 50);
}
