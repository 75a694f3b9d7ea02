/**
 * The OpenAPI 3.1 document, collected from the routes.
 *
 * zod writes JSON Schema 2020-12, which is the dialect of OpenAPI 3.1, so nothing is translated: schemas with an id become
 * components, everything else stands where it is used.
 */
import type { Hono } from 'hono';
import { z } from 'zod';
import { Fault, FAULTS, type FaultCode } from '../domain/faults';
import { buildFacts } from '../platform/build-facts';
import { mayOf } from './access';
import type { ApiEnv } from './env';
import { type AnyOperation, specOf, takesKey } from './operation';
import { renderProblem } from './problem';
import { ProblemAnswer } from './schemas/system';

type Json = Record<string, unknown>;

export interface ListedOperation {
  method: string;
  path: string;
  spec: AnyOperation;
}

/** All operations of an app, in the order of its routes. */
export const operationsOf = (app: Hono<ApiEnv>): ListedOperation[] =>
  app.routes.flatMap(({ method, path, handler }) => {
    const spec = specOf(handler);
    return spec ? [{ method, path, spec }] : [];
  });

export function openApiDocument(operations: readonly ListedOperation[]): Json {
  const components: Json = {};
  const paths: Record<string, Json> = {};
  for (const { method, path, spec } of operations) {
    const address = path.replace(/:(\w+)/g, '{$1}');
    (paths[address] ??= {})[method.toLowerCase()] = describe(method, spec, components);
  }
  schemaOf(ProblemAnswer, 'output', components);
  return {
    openapi: '3.1.1',
    info: {
      title: 'Bursar',
      version: buildFacts().version,
      summary: 'Budgets and allocations for shared compute.',
      description:
        "Amounts are JSON numbers in whole units of the account (named by `unit` in every answer), exact, with at most six decimals, below 2^33. Requests may send them as decimal strings. Times are RFC 3339. Lists are bare arrays; the Link header leads to the next page. Errors are RFC 9457 problems that carry ASBB's error as well.",
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    tags: [...new Set(operations.map(({ spec }) => spec.tag))].map((name) => ({ name })),
    paths,
    components: { schemas: components, securitySchemes: SECURITY_SCHEMES },
    security: [{ bearer: [] }, { api_key: [] }],
  };
}

/** One key, in either of two places. */
const SECURITY_SCHEMES = {
  bearer: {
    type: 'http',
    scheme: 'bearer',
    description:
      'An API key, `bursar_<id>_<secret>`, or a JSON Web Token where the server is set up for them. None is needed on this machine while no admin key was ever made.',
  },
  api_key: {
    type: 'apiKey',
    in: 'header',
    name: 'X-API-Key',
    description: 'The same key, for who cannot set the other.',
  },
};

function describe(method: string, spec: AnyOperation, components: Json): Json {
  const may = mayOf(method, spec);
  const parameters = [
    ...parametersOf('path', spec.path, components),
    ...parametersOf('query', spec.query, components),
    ...(takesKey(method, spec) ? [IDEMPOTENCY_KEY] : []),
  ];
  return {
    operationId: spec.id,
    tags: [spec.tag],
    summary: spec.summary,
    ...(may === 'anyone' ? { security: [] } : { 'x-scopes': ['admin', ...may] }),
    ...(spec.description !== undefined && { description: spec.description }),
    ...(parameters.length > 0 && { parameters }),
    ...(spec.body && { requestBody: bodyOf(spec, spec.body, components) }),
    responses: { ...successOf(spec, components), ...failuresOf(method, spec) },
  };
}

const IDEMPOTENCY_KEY = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  schema: { type: 'string', maxLength: 255 },
  description:
    'The same key and request get the first answer again; another request with this key is refused with 409.',
};

const bodyOf = (spec: AnyOperation, body: z.ZodType, components: Json): Json => ({
  required: !spec.bodyOptional,
  content: {
    'application/json': {
      schema: schemaOf(body, 'input', components),
      ...(spec.example?.request !== undefined && { example: spec.example.request }),
    },
  },
});

function successOf(spec: AnyOperation, components: Json): Json {
  if (!spec.answer) return { 204: { description: 'Done.' } };
  const media = {
    [spec.media ?? 'application/json']: {
      schema: schemaOf(spec.answer, 'output', components),
      ...(spec.example?.answer !== undefined && { example: spec.example.answer }),
    },
  };
  const answer: Json = { description: spec.summary, content: media, ...(spec.paged && { headers: { Link: LINK } }) };
  return {
    [spec.status ?? 200]: answer,
    ...(spec.later && { 202: laterOf(spec.later, components) }),
    ...(spec.may503 && { 503: { description: 'It is not.', content: media } }),
  };
}

const laterOf = (later: z.ZodType, components: Json): Json => ({
  description: 'It goes on; ask at `Location` what became of it.',
  headers: { Location: { schema: { type: 'string' }, description: 'Where to ask.' } },
  content: { 'application/json': { schema: schemaOf(later, 'output', components) } },
});

const LINK = { schema: { type: 'string' }, description: 'rel="next": the next page, where there is one.' };

/** Every fault that can come of it, by status, with what it means. */
function failuresOf(method: string, spec: AnyOperation): Json {
  const codes = new Set<FaultCode>(['foreign_origin', ...(spec.faults ?? [])]);
  if (mayOf(method, spec) !== 'anyone') codes.add('unauthenticated').add('forbidden');
  if (!isProbe(spec)) codes.add('too_many_requests');
  if (spec.path || spec.query || spec.body || spec.dialect !== 'asbb') codes.add('malformed_request');
  if (method !== 'GET') codes.add('unsupported_media_type');
  if (takesKey(method, spec)) codes.add('key_reused');
  if (spec.body) codes.add('body_too_large');
  if (spec.tag !== 'System') codes.add('ledger_unavailable').add('internal_error');
  const byStatus = new Map<number, FaultCode[]>();
  for (const code of codes) byStatus.set(FAULTS[code].status, [...(byStatus.get(FAULTS[code].status) ?? []), code]);
  return Object.fromEntries(
    [...byStatus].map(([status, list]) => [
      String(status),
      {
        description: list.map((code) => `\`${code}\`: ${FAULTS[code].title}.`).join(' '),
        content: {
          'application/problem+json': {
            schema: { $ref: '#/components/schemas/Problem' },
            examples: Object.fromEntries(list.map((code) => [code, exampleOf(code)])),
          },
        },
        ...((status === 503 || status === 429) && {
          headers: { 'Retry-After': { schema: { type: 'integer' }, description: 'Seconds.' } },
        }),
      },
    ]),
  );
}

/** What load balancers ask is never refused for being asked often. */
const isProbe = ({ id }: AnyOperation): boolean => ['readHealth', 'isAlive', 'isReady'].includes(id);

/** An error as it is written, so that nobody has to imagine one. */
const exampleOf = (code: FaultCode): Json => {
  const errors = code === 'malformed_request' ? [{ pointer: '/wall_time', detail: 'is missing' }] : [];
  const fault = new Fault(code, `${FAULTS[code].title}.`, { errors });
  return { summary: code, value: renderProblem(fault, 'req_5f0c1d2e3a4b_1', new Date('2026-03-02T14:31:51Z')) };
};

function parametersOf(place: 'path' | 'query', schema: z.ZodType | undefined, components: Json): Json[] {
  if (!(schema instanceof z.ZodObject)) return [];
  const { properties = {}, required = [] } = schemaOf(schema, 'input', components) as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, { description, ...rest }]) => ({
    name,
    in: place,
    required: required.includes(name),
    ...(description !== undefined && { description }),
    schema: rest,
  }));
}

const schemaOf = (schema: z.ZodType, io: 'input' | 'output', components: Json): Json =>
  hoist(z.toJSONSchema(schema, { io, unrepresentable: 'any', override: withoutSafeBounds }), components);

/** zod bounds every integer by what a double holds; the page would show those bounds as if somebody had chosen them. */
const withoutSafeBounds = ({ jsonSchema }: { jsonSchema: Json }): void => {
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
};

/** Moves the definitions of a schema among the components, and lets it point there. */
function hoist(schema: Json, components: Json): Json {
  const { $schema: _dialect, $defs, ...rest } = pointedAt(schema) as Json;
  if (typeof rest.id === 'string') {
    components[rest.id] = withoutId(rest);
    Object.assign(components, mapValues($defs, withoutId));
    return { $ref: `#/components/schemas/${rest.id}` };
  }
  Object.assign(components, mapValues($defs, withoutId));
  return rest;
}

const mapValues = (values: unknown, map: (value: Json) => Json): Json =>
  Object.fromEntries(Object.entries((values ?? {}) as Record<string, Json>).map(([name, value]) => [name, map(value)]));

function withoutId({ id: _id, ...schema }: Json): Json {
  return schema;
}

function pointedAt(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(pointedAt);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      key === '$ref' && typeof inner === 'string'
        ? inner.replace('#/$defs/', '#/components/schemas/')
        : pointedAt(inner),
    ]),
  );
}
