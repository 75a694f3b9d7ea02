/** The document is right by the specification, and nothing in it is left to be guessed. */
import { execFileSync } from 'node:child_process';
import { FAULTS } from '../../domain/faults';
import { startApi, type TestApi } from './helpers/api';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

interface Described {
  description?: string;
  $ref?: string;
  properties?: Record<string, Described>;
  items?: Described;
  anyOf?: Described[];
  additionalProperties?: Described | boolean;
}
interface Media {
  schema: Described;
  examples?: Record<string, { value: { code: string } }>;
}
interface Operation {
  operationId: string;
  summary: string;
  parameters?: { name: string; in: string; description?: string; schema: Described }[];
  requestBody?: { content: Record<string, { example?: unknown; schema: Described }> };
  responses: Record<string, { description: string; content?: Record<string, Media> }>;
}
interface Document {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Described> };
}

const read = async (): Promise<Document> => (await api.get('/openapi.json')).body as Document;
const operationsOf = ({ paths }: Document) =>
  Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, operation })),
  );

/** All fields of a schema and of those that it points to; one that is a schema with a name is told by the name. */
function fieldsOf(
  document: Document,
  schema: Described,
  at: string,
  seen: ReadonlySet<string> = new Set(),
): { at: string; isMute: boolean }[] {
  const { $ref, properties = {}, items, anyOf = [], additionalProperties } = schema;
  if ($ref !== undefined) {
    const name = $ref.replace('#/components/schemas/', '');
    const target = document.components.schemas[name];
    return target === undefined || seen.has(name) ? [] : fieldsOf(document, target, name, new Set([...seen, name]));
  }
  const inner = [items, ...anyOf, typeof additionalProperties === 'object' ? additionalProperties : undefined];
  return [
    ...Object.entries(properties).flatMap(([name, field]) => [
      { at: `${at}.${name}`, isMute: !field.description && field.$ref === undefined },
      ...fieldsOf(document, field, `${at}.${name}`, seen),
    ]),
    ...inner.flatMap((part) => (part ? fieldsOf(document, part, at, seen) : [])),
  ];
}

/** The validator ships as an ES module, which jest cannot load and Node can. */
function validate(document: unknown): unknown {
  const script = `
    import { Validator } from '@seriousme/openapi-schema-validator';
    import { text } from 'node:stream/consumers';
    const { valid, errors } = await new Validator().validate(JSON.parse(await text(process.stdin)));
    console.log(JSON.stringify({ valid, errors: errors ?? [] }));`;
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
    input: JSON.stringify(document),
    encoding: 'utf8',
  });
  return JSON.parse(output);
}

test('the document is valid OpenAPI 3.1', async () => {
  const document = await read();
  expect(document.openapi).toMatch(/^3\.1\./);
  expect(validate(document)).toEqual({ valid: true, errors: [] });
  expect(validate({ ...document, paths: { nowhere: 1 } })).toMatchObject({ valid: false });
});

test('every operation has a name of its own and a summary', async () => {
  const operations = operationsOf(await read());
  const names = operations.map(({ operation }) => operation.operationId);
  expect(new Set(names).size).toBe(names.length);
  expect(operations.filter(({ operation }) => operation.summary === '')).toEqual([]);
});

test('everything with a body shows an example of it that is taken', async () => {
  const bodies = operationsOf(await read()).flatMap(({ name, operation }) =>
    operation.requestBody ? [{ name, media: operation.requestBody.content['application/json'] }] : [],
  );
  expect(bodies.length).toBeGreaterThan(15);
  expect(bodies.filter(({ name, media }) => media?.example === undefined && !name.endsWith('/recover'))).toEqual([]);
  for (const { name, media } of bodies) {
    const [method = '', path = ''] = name.split(' ');
    const address = path.replace(/\{(rate_no|id)\}/, '1').replace(/\{\w+\}/g, 'unknown');
    const answer = await api.ask(method, address, media?.example ?? {});
    expect({ name, status: answer.status, errors: answer.body.errors }).not.toMatchObject({ status: 400 });
  }
});

test('the errors of every operation are problems, with their codes', async () => {
  const known = new Set<string>(Object.keys(FAULTS));
  for (const { name, operation } of operationsOf(await read())) {
    for (const [status, { description, content }] of Object.entries(operation.responses)) {
      if (status.startsWith('2') || content?.['application/problem+json'] === undefined) continue;
      const codes = [...description.matchAll(/`(\w+)`/g)].map(([, code]) => code ?? '');
      expect({ name, status, codes }).toEqual({ name, status, codes: codes.filter((code) => known.has(code)) });
      expect(codes.length).toBeGreaterThan(0);
    }
  }
});

test('every parameter says what it is for', async () => {
  const mute = operationsOf(await read()).flatMap(({ name, operation }) =>
    (operation.parameters ?? [])
      .filter(({ description = '' }) => description === '')
      .map((parameter) => `${name} ${parameter.name}`),
  );
  expect(mute).toEqual([]);
});

test('every field of a request and of an answer says what it means', async () => {
  const document = await read();
  const fields = operationsOf(document).flatMap(({ name, operation: { requestBody, responses } }) =>
    [requestBody, ...Object.values(responses)].flatMap((body) =>
      Object.values(body?.content ?? {}).flatMap(({ schema }) => fieldsOf(document, schema, name)),
    ),
  );
  expect(fields.length).toBeGreaterThan(700);
  expect([...new Set(fields.filter(({ isMute }) => isMute).map(({ at }) => at))]).toEqual([]);
});

test('every error is shown as it is written, and no number has bounds that nobody chose', async () => {
  const document = await read();
  for (const { operation } of operationsOf(document)) {
    for (const { description, content } of Object.values(operation.responses)) {
      const media = content?.['application/problem+json'];
      if (!media) continue;
      const shown = Object.values(media.examples ?? {}).map(({ value }) => value.code);
      expect(shown).toEqual([...description.matchAll(/`(\w+)`/g)].map(([, code]) => code));
    }
  }
  expect(JSON.stringify(document)).not.toContain(String(Number.MAX_SAFE_INTEGER));
});

test('amounts say their unit and their precision', async () => {
  const { schemas } = (await read()).components;
  for (const name of ['Amount', 'PositiveAmount', 'SignedAmount', 'ReportedCost', 'Money']) {
    expect((schemas[name] as Described).description).toMatch(/account's unit/);
  }
  for (const name of ['Amount', 'PositiveAmount', 'SignedAmount', 'Money']) {
    expect((schemas[name] as Described).description).toMatch(/six decimals/);
  }
});

test('every operation says which keys it takes, in either of two headers', async () => {
  const document = (await api.get('/openapi.json')).body;
  expect(document.security).toEqual([{ bearer: [] }, { api_key: [] }]);
  expect(Object.keys(document.components.securitySchemes)).toEqual(['bearer', 'api_key']);
  for (const { name, operation } of operationsOf(document as Document)) {
    const isOpen = /^GET \/(health|livez|readyz|version)$/.test(name);
    expect({ name, ...operation }).toMatchObject(
      isOpen ? { name, security: [] } : { name, 'x-scopes': expect.arrayContaining(['admin']), responses: { 401: {} } },
    );
  }
});

test('every address of the contract is there', async () => {
  const names = operationsOf(await read()).map(({ name }) => name);
  expect(names).toMatchInlineSnapshot(`
   [
     "GET /health",
     "GET /livez",
     "GET /readyz",
     "GET /version",
     "GET /metrics",
     "POST /api/v1/budget/check",
     "POST /api/v1/budget/estimate",
     "POST /api/v1/budget/reconcile",
     "GET /api/v1/accounts",
     "POST /api/v1/accounts",
     "GET /api/v1/accounts/{account}",
     "PUT /api/v1/accounts/{account}",
     "DELETE /api/v1/accounts/{account}",
     "POST /api/v1/accounts/{account}/unarchive",
     "GET /api/v1/accounts/{account}/balance",
     "GET /api/v1/accounts/{account}/statement",
     "GET /api/v1/accounts/{account}/funds",
     "GET /api/v1/accounts/{account}/policy",
     "PUT /api/v1/accounts/{account}/policy",
     "GET /api/v1/accounts/{account}/partition-limits",
     "PUT /api/v1/accounts/{account}/partition-limits/{partition}",
     "DELETE /api/v1/accounts/{account}/partition-limits/{partition}",
     "GET /api/v1/accounts/{account}/user-limits",
     "PUT /api/v1/accounts/{account}/user-limits/{user}",
     "DELETE /api/v1/accounts/{account}/user-limits/{user}",
     "POST /api/v1/accounts/{account}/deposits",
     "POST /api/v1/accounts/{account}/withdrawals",
     "POST /api/v1/transfers",
     "POST /api/v1/refunds",
     "GET /api/v1/refunds",
     "POST /api/v1/adjustments",
     "GET /api/v1/transactions",
     "GET /api/v1/transactions/{transaction_id}",
     "GET /api/v1/holds",
     "GET /api/v1/holds/{transaction_id}",
     "POST /api/v1/holds/{transaction_id}/resize",
     "POST /api/v1/holds/{transaction_id}/release",
     "GET /api/v1/clusters",
     "POST /api/v1/clusters",
     "GET /api/v1/clusters/{cluster}",
     "PUT /api/v1/clusters/{cluster}",
     "PUT /api/v1/clusters/{cluster}/partitions/{partition}",
     "DELETE /api/v1/clusters/{cluster}/partitions/{partition}",
     "GET /api/v1/rates",
     "POST /api/v1/rates",
     "POST /api/v1/rates/{rate_no}/end",
     "POST /api/v1/jobs/events",
     "GET /api/v1/jobs",
     "GET /api/v1/jobs/{cluster}/{job_id}",
     "POST /api/v1/slurm/submissions",
     "POST /api/v1/slurm/modifications",
     "POST /api/v1/slurm/estimates",
     "POST /api/v1/slurm/withdrawals",
     "POST /api/v1/slurm/events",
     "GET /api/v1/slurm/shadow",
     "GET /api/v1/slurm/refusals",
     "GET /api/v1/slurm/policy",
     "POST /api/v1/slurm/queue",
     "POST /api/v1/slurm/history",
     "GET /api/v1/slurm/looks",
     "POST /api/v1/slurm/looks",
     "GET /api/v1/usage",
     "GET /api/v1/accounts/{account}/forecast",
     "GET /api/v1/slurm/wall",
     "POST /api/v1/asbx/reconcile",
     "POST /api/v1/asbx/epilog",
     "GET /api/v1/asbx/status",
     "GET /api/v1/unmatched",
     "GET /api/v1/unmatched/{id}",
     "POST /api/v1/unmatched/{id}/resolve",
     "POST /api/v1/unmatched/{id}/dismiss",
     "GET /api/v1/audit",
     "GET /api/v1/audit/seals",
     "GET /api/v1/audits",
     "GET /api/v1/audits/{audit_no}",
     "POST /api/v1/recover",
     "POST /api/v1/keys",
     "GET /api/v1/keys",
     "DELETE /api/v1/keys/{key}",
     "GET /api/v1/changes",
   ]
  `);
});

test('the docs page works without anybody else: everything it loads comes from here', async () => {
  const page = await api.get('/docs');
  expect(page.status).toBe(200);
  const sources = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, source]) => source ?? '');
  expect(sources).toEqual(['data:,', '/docs/swagger-ui.css', '/docs/swagger-ui-bundle.js', '/docs/start.js']);
  for (const source of sources.slice(1)) expect((await api.get(source)).status).toBe(200);
  expect(page.headers.get('content-security-policy')).toContain("default-src 'self'");
  const packed = await api.get('/docs/swagger-ui-bundle.js', { headers: { 'Accept-Encoding': 'gzip' } });
  expect(packed.headers.get('content-encoding')).toBe('gzip');
});

test('every fault has a paragraph on the page that problems point to', async () => {
  const page = (await api.get('/docs/faults')).text;
  for (const code of Object.keys(FAULTS)) expect(page).toContain(`<h2 id="${code}">`);
});
