/**
 * Whatever is sent to whatever address: an answer that the document describes, and never a 500.
 *
 * Half of the bodies are any JSON; the others have the fields of the operation with values that are nearly right, which is
 * where SQL would be reached by something nobody thought of. The seed is printed with a failure; FUZZ_SEED repeats it.
 */
import fc from 'fast-check';
import { startApi, type TestApi } from './helpers/api';

interface Schema {
  $ref?: string;
  type?: string | string[];
  enum?: string[];
  properties?: Record<string, Schema>;
  items?: Schema;
  anyOf?: Schema[];
}
interface Operation {
  requestBody?: { content: Record<string, { schema: Schema; example?: object }> };
}
interface Document {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
}

let api: TestApi;
let document: Document;
let ids: string[];

beforeAll(async () => {
  api = await startApi();
  document = (await api.get('/openapi.json')).body as Document;
  for (const name of ['climate-ml', 'ocean-ml', 'a']) await api.account(name, 1_000_000);
  const check = { account: 'a', partition: 'p', nodes: 1, cpus: 1, wall_time: '60' };
  const held = [await api.post('/api/v1/budget/check', check), await api.post('/api/v1/budget/check', check)];
  ids = held.map(({ body }) => body.transaction_id as string);
  await api.post('/api/v1/budget/reconcile', { job_id: 5, actual_cost: 0.05, transaction_id: ids[0] });
  const { body } = await api.get('/api/v1/transactions?account=a');
  ids.push(...body.map((each: { transaction_id: string }) => each.transaction_id));
  ids.push(...(await api.get('/api/v1/accounts/a/funds')).body.map((fund: { fund_id: string }) => fund.fund_id));
});
afterAll(() => api.stop());

const NASTY_TEXTS = [
  '',
  ' ',
  'a',
  'climate-ml',
  'default',
  'p',
  "'; drop schema ledger cascade; --",
  '%',
  '*',
  '\\',
  '\u0000',
  '\ud800',
  '\u202e',
  '🚀',
  'null',
  '-1',
  '0',
  '1.5',
  '1e3',
  '1e-7',
  '1e309',
  'NaN',
  '8589934591.999999',
  '9'.repeat(40),
  '2026-03-01T00:00:00Z',
  '2026-03-01T00:00:00.123456789+14:00',
  '1900-01-01T00:00:00Z',
  '9999-12-31T23:59:59Z',
  '0000-01-01T00:00:00Z',
  'UNLIMITED',
  '1-12:00:00',
  '99999999',
  'cpu=4,mem=64G,node=2,gres/gpu:a100=4',
  'cpu=1000000000,node=1000000000,gres/gpu=1000000000',
  '64GB',
  '-9223372036854771712MB',
  'USD',
  'SU',
  'America/Chicago',
  'Etc/GMT+14',
  'gpu:a100',
  'cpu',
  'x'.repeat(300),
];

const LONE_SURROGATE = /\p{Surrogate}/u;

const textOf = (value: unknown) =>
  (typeof value === 'string' ? value : JSON.stringify(value)).replace(/\p{Surrogate}/gu, '?');

const NASTY_NUMBERS = [
  0,
  -0,
  1,
  -1,
  2,
  0.1,
  1e-6,
  1e-7,
  1.5,
  1e3,
  2 ** 31,
  2 ** 32 - 2,
  2 ** 33,
  2 ** 53,
  1e21,
  1e300,
  -1e300,
];

/** Values for a field: mostly of its kind. */
function valueFor(name: string, schema: Schema): fc.Arbitrary<unknown> {
  const known = schema.$ref ? document.components.schemas[schema.$ref.split('/').at(-1) ?? ''] : schema;
  const options = [known ?? {}, ...(known?.anyOf ?? [])];
  const kinds = new Set(options.flatMap(({ type }) => type ?? []));
  const words = options.flatMap(({ enum: each }) => each ?? []);
  const anything = fc.oneof(
    fc.constantFrom<unknown>(null, true, false, [], {}, [null], ...NASTY_NUMBERS),
    fc.constantFrom<unknown>(...NASTY_TEXTS),
    fc.jsonValue({ maxDepth: 3 }),
  );
  const fitting: fc.Arbitrary<unknown>[] = [];
  if (words.length > 0) fitting.push(fc.constantFrom(...words));
  if (kinds.has('string')) fitting.push(fc.constantFrom(...NASTY_TEXTS), fc.string({ unit: 'binary', maxLength: 20 }));
  if (/_id$|^hold$/.test(name)) fitting.push(fc.nat({ max: 20 }).map((index) => ids[index % ids.length]));
  if (kinds.has('number') || kinds.has('integer')) {
    fitting.push(
      fc.constantFrom(...NASTY_NUMBERS),
      fc.integer({ min: 0, max: 100 }),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
    );
  }
  if (kinds.has('boolean')) fitting.push(fc.boolean());
  if (kinds.has('array'))
    fitting.push(fc.array(known?.items ? bodyFor(known.items) : fc.jsonValue(), { maxLength: 4 }));
  if (kinds.has('object'))
    fitting.push(fc.dictionary(fc.string({ maxLength: 8 }), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 4 }));
  return fitting.length === 0
    ? anything
    : fc.oneof({ weight: 6, arbitrary: fc.oneof(...fitting) }, { weight: 1, arbitrary: anything });
}

/** A body with the fields of its schema, some left out, some from the documented example. */
function bodyFor(schema: Schema, example: Record<string, unknown> = {}): fc.Arbitrary<unknown> {
  const known = schema.$ref ? document.components.schemas[schema.$ref.split('/').at(-1) ?? ''] : schema;
  const fields = Object.entries(known?.properties ?? {}).map(([name, each]): [string, fc.Arbitrary<unknown>] => [
    name,
    fc.oneof({ weight: 8, arbitrary: fc.constant(example[name]) }, { weight: 1, arbitrary: valueFor(name, each) }),
  ]);
  return fc.record(Object.fromEntries(fields), { requiredKeys: [] });
}

const pathFor = (template: string): fc.Arbitrary<string> =>
  fc
    .array(
      fc.oneof(
        fc.constantFrom(...NASTY_TEXTS),
        fc.nat({ max: 20 }).map((index) => ids[index % ids.length] ?? ''),
      ),
      {
        minLength: 3,
        maxLength: 3,
      },
    )
    .map((values) => {
      let next = 0;
      return template.replace(/\{(\w+)\}/g, (_, name: string) => {
        const value =
          name === 'account' && next % 2 === 0 ? 'a' : name === 'cluster' ? 'default' : (values[next] ?? 'x');
        next += 1;
        return LONE_SURROGATE.test(value) ? '%ed%a0%80' : encodeURIComponent(value === '' ? 'x' : value);
      });
    });

const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31);
const RUNS = Number(process.env.FUZZ_RUNS ?? 60);

/** Without a Temporal, recovery says that there is none; nothing else may be unavailable. */
const isFailure = (status: number, text: string) => status >= 500 && !text.includes('temporal_unavailable');

test('no body makes any address that takes one fail', async () => {
  const targets = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, { requestBody }]) =>
      requestBody ? [{ method: method.toUpperCase(), path, media: requestBody.content['application/json'] }] : [],
    ),
  );
  expect(targets.length).toBeGreaterThan(15);
  const tally = new Map<number, number>();
  for (const { method, path, media } of targets) {
    const bodies = fc.oneof(
      { weight: 1, arbitrary: fc.jsonValue() },
      { weight: 4, arbitrary: bodyFor(media?.schema ?? {}, media?.example as Record<string, unknown>) },
    );
    await fc.assert(
      fc.asyncProperty(pathFor(path), bodies, async (address, body) => {
        const { status, text } = await api.ask(method, address, body);
        tally.set(status, (tally.get(status) ?? 0) + 1);
        if (isFailure(status, text)) throw new Error(`${method} ${address} answered ${status}: ${text}`);
      }),
      { numRuns: RUNS, seed: SEED },
    );
  }
  // Else nothing but the door would have been tried.
  expect((tally.get(200) ?? 0) + (tally.get(201) ?? 0)).toBeGreaterThan(targets.length);
}, 600_000);

test('no query makes a list fail', async () => {
  const lists = Object.entries(document.paths).flatMap(([path, { get }]) =>
    get && path.startsWith('/api/v1')
      ? [{ path, get: get as { parameters?: { name: string; in: string; schema: Schema }[] } }]
      : [],
  );
  for (const { path, get } of lists) {
    const names = (get.parameters ?? []).filter((each) => each.in === 'query');
    const query = fc.record(Object.fromEntries(names.map(({ name, schema }) => [name, valueFor(name, schema)])), {
      requiredKeys: [],
    });
    await fc.assert(
      fc.asyncProperty(pathFor(path), query, async (address, fields) => {
        const search = Object.entries(fields)
          .map(([name, value]) => `${name}=${encodeURIComponent(textOf(value))}`)
          .join('&');
        const { status, text } = await api.get(`${address}?${search}`);
        if (isFailure(status, text)) throw new Error(`GET ${address}?${search} answered ${status}: ${text}`);
      }),
      { numRuns: RUNS / 2, seed: SEED },
    );
  }
}, 600_000);

test('after all of that the books balance', async () => {
  const { body } = await api.get('/api/v1/audit');
  expect(body).toMatchObject({ ok: true, difference: '0', findings: [] });
});
