/**
 * The API over a database of its own, asked without a server. Every answer is held against the OpenAPI document: a status
 * that the document does not name, or a body that does not fit its schema, fails the test that caused it.
 */
import Ajv2020, { type ValidateFunction } from 'ajv/dist/2020';
import addFormats from 'ajv-formats';
import { createApp } from '../../../api/app';
import type { ApiDeps } from '../../../api/env';
import { openNeighbours, type Neighbours } from '../../../api/neighbours';
import { showLedgerIn } from '../../../api/ledger-metrics';
import { openLedger } from '../../../ledger';
import type { Ledger } from '../../../ledger/contract';
import type { Integration } from '../../../platform/config/integration';
import { openLog } from '../../../platform/log';
import { createMetrics, type Metrics } from '../../../platform/metrics';
import type { Sql } from '../../../platform/postgres';
import { freshDatabase, type TestDatabase } from '../../helpers/database';

// oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers as they come
export type Body = any;

export interface Answer {
  status: number;
  body: Body;
  text: string;
  headers: Headers;
}

export interface AskOptions {
  headers?: Record<string, string>;
  /** Sent as it is, instead of a JSON body. */
  raw?: string | Uint8Array<ArrayBuffer>;
}

export interface TestApi {
  app: ReturnType<typeof createApp>;
  sql: Sql;
  ledger: Ledger;
  metrics: Metrics;
  neighbours?: Neighbours;
  database: TestDatabase;
  ask(method: string, path: string, body?: unknown, options?: AskOptions): Promise<Answer>;
  get(path: string, options?: AskOptions): Promise<Answer>;
  post(path: string, body?: unknown, options?: AskOptions): Promise<Answer>;
  put(path: string, body?: unknown, options?: AskOptions): Promise<Answer>;
  delete(path: string, options?: AskOptions): Promise<Answer>;
  /** Makes an account with money, of the year 2026 to 2099, and returns its name. */
  account(name: string, limit?: number | string, more?: object): Promise<string>;
  /** How many rows every table of the ledger has: the same before and after means that nothing was written. */
  rowCounts(): Promise<Record<string, number>>;
  stop(): Promise<void>;
}

export interface TestApiOptions extends Partial<Omit<ApiDeps, 'neighbours'>> {
  /** The services beside it, as a configuration names them. */
  integration?: Integration;
  poolSize?: number;
}

export async function startApi({ integration, poolSize, ...options }: TestApiOptions = {}): Promise<TestApi> {
  const database = await freshDatabase(poolSize === undefined ? {} : { poolSize });
  const { sql } = database;
  const metrics = createMetrics({ accountsMax: 2 });
  const log = openLog({ service: 'test', level: 'silent' });
  const neighbours = integration && openNeighbours(integration, { log, metrics });
  const advisor = neighbours?.advisor;
  const ledger = options.ledger ?? openLedger(sql, { defaultCluster: 'default', ...(advisor && { advisor }) });
  showLedgerIn(metrics, ledger);
  const app = createApp({
    ledger,
    metrics,
    log,
    temporal: { namespace: 'default', uiUrl: 'http://127.0.0.1:8233' },
    defaultCluster: 'default',
    timeZone: 'America/Chicago',
    ...(neighbours && { neighbours }),
    ...options,
  });
  await ledger.catalog.putCluster('default', { timeZone: 'America/Chicago' }, { principal: 'test' });
  const fits = await answerChecker(async () => (await app.request('/openapi.json')).json());

  const ask: TestApi['ask'] = async (method, path, body, { headers = {}, raw } = {}) => {
    const sent = raw ?? (body === undefined ? undefined : JSON.stringify(body));
    const response = await app.request(path, {
      method,
      headers: { ...(sent !== undefined && { 'Content-Type': 'application/json' }), ...headers },
      ...(sent !== undefined && { body: sent }),
    });
    const text = await response.text();
    const isJson = /json/.test(response.headers.get('content-type') ?? '');
    const answer = { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : text };
    fits(method, path, answer);
    return answer;
  };

  return {
    app,
    sql,
    ledger,
    metrics,
    ...(neighbours && { neighbours }),
    database,
    ask,
    get: (path, more) => ask('GET', path, undefined, more),
    post: (path, body, more) => ask('POST', path, body, more),
    put: (path, body, more) => ask('PUT', path, body, more),
    delete: (path, more) => ask('DELETE', path, undefined, more),
    account: async (name, limit = 1000, more = {}) => {
      const made = await ask('POST', '/api/v1/accounts', {
        ...ACCOUNT,
        slurm_account: name,
        budget_limit: limit,
        ...more,
      });
      expect(made.status).toBe(201);
      return name;
    },
    rowCounts: async () => {
      const tables = await sql<{ name: string }[]>`
        select table_name as name from information_schema.tables
        where table_schema = 'ledger' and table_type = 'BASE TABLE'`;
      const counts: Record<string, number> = {};
      for (const { name } of tables) {
        const [row] = await sql<{ count: number }[]>`select count(*)::int as count from ledger.${sql(name)}`;
        counts[name] = row?.count ?? -1;
      }
      return counts;
    },
    stop: async () => {
      neighbours?.stop();
      await database.drop();
    },
  };
}

export const ACCOUNT = { name: 'A test', start_date: '2026-01-01T00:00:00Z', end_date: '2099-01-01T00:00:00Z' };

/** A job that asbb-compat prices at 1 CPU for one hour: 0.10, held as 0.12. */
export const JOB = { partition: 'cpu', nodes: 1, cpus: 1, wall_time: '01:00:00' };

interface Media {
  schema: object;
}
interface Operation {
  responses: Record<string, { content?: Record<string, Media> }>;
}

/** Holds answers against the document; addresses that it does not list may only answer with a problem. */
async function answerChecker(readDocument: () => Promise<unknown>) {
  const document = (await readDocument()) as { paths: Record<string, Record<string, Operation>> };
  const ajv = addFormats(new Ajv2020({ strict: false, allErrors: true }));
  ajv.addSchema({ $id: 'openapi', ...document });
  const compiled = new Map<string, ValidateFunction>();
  const patterns = Object.keys(document.paths).map((path) => ({
    path,
    pattern: new RegExp(`^${path.replaceAll('.', '\\.').replace(/\{\w+\}/g, '[^/]+')}$`),
  }));
  const pathsOf = (path: string) => patterns.filter(({ pattern }) => pattern.test(path)).map((each) => each.path);

  return (method: string, path: string, { status, headers, body }: Answer) => {
    const type = (headers.get('content-type') ?? '').split(';')[0] ?? '';
    const plain = path.split('?')[0] ?? '';
    const matching = pathsOf(plain);
    const listed = matching.find((each) => !each.includes('{')) ?? matching[0];
    const operation = listed === undefined ? undefined : document.paths[listed]?.[method.toLowerCase()];
    if (listed === undefined || operation === undefined) {
      if (status < 400) return;
      return fit('#/components/schemas/Problem');
    }
    const response = operation.responses[status];
    if (!response)
      throw new Error(
        `${method} ${listed} answered ${status}, which the document does not name: ${JSON.stringify(body)}`,
      );
    if (!response.content) return;
    const escaped = listed.replaceAll('~', '~0').replaceAll('/', '~1');
    if (!response.content[type]) throw new Error(`${method} ${listed} ${status} answered ${type}`);
    fit(`#/paths/${escaped}/${method.toLowerCase()}/responses/${status}/content/${type.replaceAll('/', '~1')}/schema`);

    function fit(pointer: string) {
      let validate = compiled.get(pointer);
      if (!validate) {
        validate = ajv.compile({ $ref: `openapi${pointer.replaceAll('{', '%7B').replaceAll('}', '%7D')}` });
        compiled.set(pointer, validate);
      }
      if (validate(body)) return;
      throw new Error(
        `${method} ${plain} ${status} does not fit ${pointer}: ${ajv.errorsText(validate.errors)}\n${JSON.stringify(body)}`,
      );
    }
  };
}
