/**
 * An operation of the API: what it takes, what it answers, and how it can fail, said once.
 *
 * As middleware it reads path, query and body by their schemas, names every wrong field at once, and leaves the result
 * and the caller in `c.var.input`. The same words make the OpenAPI document (openapi.ts) and the answers to wrong methods.
 */
import { createHash } from 'node:crypto';
import type { Context, MiddlewareHandler } from 'hono';
import { isLosslessNumber } from 'lossless-json';
import { z } from 'zod';
import { Fault, type FaultCode, type FieldError } from '../domain/faults';
import { renderAmount } from '../domain/money';
import type { Caller } from '../ledger/contract';
import { type Access, confine, type May, mayOf, requireScope } from './access';
import type { ApiEnv, Input } from './env';
import { type Dialect, namesOf, settleNames, unknownName } from './request/field-names';
import { checkTexts, pointerTo, readJson, textMistake } from './request/json-body';

export interface OperationSpec<Path extends z.ZodType, Query extends z.ZodType, Body extends z.ZodType> {
  /** camelCase; the name of the operation in generated clients. */
  id: string;
  tag: string;
  summary: string;
  description?: string;
  /** Who may call it beside an admin; see `mayOf` for what holds where it is not said. */
  may?: May;
  path?: Path;
  query?: Query;
  body?: Body;
  /** How unknown fields and null are understood; default 'ours'. */
  dialect?: Dialect;
  /** May the body be left out? */
  bodyOptional?: boolean;
  /** Default 1 MiB. */
  bodyBytesMax?: number;
  /** What else a body that is no JSON may have meant; tried once. */
  mend?: (text: string) => string;
  /** Undefined: 204. */
  answer?: z.ZodType;
  /** Default 200. */
  status?: 200 | 201;
  /** Media type of an answer that is not JSON. */
  media?: string;
  /** Lists carry a Link header. */
  paged?: boolean;
  /** What it answers with 202 and the header Location, where its work outlasts the request. */
  later?: z.ZodType;
  /** Its answer may also come with 503. */
  may503?: boolean;
  /** False where a command takes no idempotency key, because repeating it does nothing more. See `takesKey`. */
  keyed?: false;
  faults?: readonly FaultCode[];
  example?: { request?: unknown; answer?: unknown };
}

/**
 * Whoever changes something may say a key and is answered once. The reading of the key, its place in the document and the 409
 * of one that was reused all follow from here; handlers give the caller to the ledger, which holds him to it.
 */
export const takesKey = (method: string, { keyed }: { keyed?: false | undefined }): boolean =>
  method !== 'GET' && keyed !== false;

const OPERATION = Symbol('operation');

export type AnyOperation = OperationSpec<z.ZodType, z.ZodType, z.ZodType>;

/** The spec that a handler carries, if it is an operation's. */
export const specOf = (handler: unknown): AnyOperation | undefined =>
  typeof handler === 'function' ? (Reflect.get(handler, OPERATION) as AnyOperation | undefined) : undefined;

const BODY_BYTES_MAX = 1_048_576;

/** Who asks where nobody is asked who he is. */
const NOBODY: Access = { principal: 'nobody', scope: 'read' };

const Nothing = z.object({});

export function operation<
  Path extends z.ZodType = typeof Nothing,
  Query extends z.ZodType = typeof Nothing,
  Body extends z.ZodType = typeof Nothing,
>(
  spec: OperationSpec<Path, Query, Body>,
): MiddlewareHandler<ApiEnv & { Variables: { input: Input<z.output<Path>, z.output<Query>, z.output<Body>> } }> {
  const dialect = spec.dialect ?? 'ours';
  const bodyNames = spec.body && namesOf(spec.body);
  const queryNames = spec.query && namesOf(spec.query);
  const knownQuery = queryNames?.kind === 'object' ? queryNames.fields : new Map<string, never>();
  const readsQuery = dialect === 'ours' || spec.query !== undefined;

  const middleware: MiddlewareHandler = async (c, next) => {
    const may = mayOf(c.req.method, spec);
    const identify: ApiEnv['Variables']['identify'] = c.get('identify');
    const access = may === 'anyone' ? NOBODY : await identify();
    requireScope(access, may);
    c.set('access', access);
    const errors: FieldError[] = [];
    const params = c.req.param();
    checkTexts(params, '', errors);
    const path = spec.path ? parsePart(spec.path, params, errors) : {};
    const query = readsQuery ? parsePart(spec.query ?? Nothing, readQuery(c, knownQuery, dialect, errors), errors) : {};
    let body: unknown = {};
    if (spec.body && bodyNames) {
      const raw =
        (await readJson(c.req, spec.bodyBytesMax ?? BODY_BYTES_MAX, spec.mend)) ?? (spec.bodyOptional ? {} : undefined);
      if (raw === undefined) throw wholeBody('is required: send a JSON object');
      c.set('received', raw);
      checkTexts(raw, '', errors);
      if (bodyNames.kind === 'object' && !isObject(raw)) errors.push({ pointer: '', detail: 'must be a JSON object' });
      else body = parsePart(spec.body, settleNames(raw, bodyNames, dialect, errors), errors);
    }
    const key = takesKey(c.req.method, spec) ? readKey(c, body, errors) : undefined;
    if (errors.length > 0) throw malformed(errors);
    const caller: Caller = { principal: access.principal };
    if (key !== undefined) Object.assign(caller, { key, bodyHash: hashOf({ id: spec.id, path, query, body }) });
    c.set('input', { ...confine(access, { path, query, body }), caller });
    await next();
  };
  return Object.assign(middleware, { [OPERATION]: spec });
}

/** Else every field would be missing, and none of them named for the one reason. */
const isObject = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !isLosslessNumber(value);

function readQuery(
  c: Context,
  known: ReadonlyMap<string, unknown>,
  dialect: Dialect,
  errors: FieldError[],
): Record<string, string> {
  const query: Record<string, string> = {};
  for (const [name, values] of Object.entries(c.req.queries())) {
    if (!known.has(name)) {
      if (dialect === 'ours')
        errors.push({ pointer: pointerTo('', name), detail: unknownName(name, [...known.keys()]) });
      continue;
    }
    const [first = '', ...more] = values;
    if (more.length > 0) errors.push({ pointer: pointerTo('', name), detail: 'must be given once' });
    query[name] = first;
    checkTexts(first, pointerTo('', name), errors);
  }
  return query;
}

/** The idempotency key: a header, or a field of the body; both must agree. */
function readKey(c: Context, body: unknown, errors: FieldError[]): string | undefined {
  const inBody: unknown = typeof body === 'object' && body !== null ? Reflect.get(body, 'idempotency_key') : undefined;
  const inHeader = c.req.header('idempotency-key');
  const complain = (detail: string) => errors.push({ pointer: '/idempotency_key', detail });
  if (inHeader !== undefined) {
    if (inHeader === '' || inHeader.length > 255) complain('must have 1 to 255 characters (header Idempotency-Key)');
    else if (textMistake(inHeader) !== undefined) complain(`${textMistake(inHeader)} (header Idempotency-Key)`);
    else if (typeof inBody === 'string' && inBody !== inHeader) {
      complain('must be the same in the body and in the header Idempotency-Key');
    }
    return inHeader;
  }
  return typeof inBody === 'string' ? inBody : undefined;
}

/** What came another way than as a body, read as one. `malformed_request`. */
export function readAs<Schema extends z.ZodType>(schema: Schema, raw: unknown, dialect: Dialect): z.output<Schema> {
  const errors: FieldError[] = [];
  checkTexts(raw, '', errors);
  const result = schema.safeParse(settleNames(raw, namesOf(schema), dialect, errors), { error: sayIssue });
  if (result.success && errors.length === 0) return result.data;
  parsePart(schema, raw, errors);
  throw malformed(errors);
}

// Mistakes ----------------------------------------------------------------------------------------------------------------

function parsePart(schema: z.ZodType, value: unknown, errors: FieldError[]): unknown {
  const result = schema.safeParse(value, { error: sayIssue });
  if (result.success) return result.data;
  for (const issue of result.error.issues) {
    errors.push({
      pointer: issue.path.reduce<string>((pointer, key) => pointerTo(pointer, String(key)), ''),
      detail: issue.message,
    });
  }
  return undefined;
}

/** What to do about it, in ASBB's words where it has any. */
const sayIssue: z.core.$ZodErrorMap = (issue) => {
  if (issue.input === undefined && issue.code !== 'custom') return 'is required';
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${TYPES[issue.expected] ?? issue.expected}`;
    case 'invalid_value':
      return `must be ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.map(String).join(', ')}`;
    case 'too_small':
      return issue.origin === 'array' ? `must have at least ${issue.minimum} entries` : 'must not be empty';
    case 'too_big':
      return `must have at most ${issue.maximum} ${issue.origin === 'array' ? 'entries' : 'characters'}`;
    default:
      return undefined;
  }
};

const TYPES: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  boolean: 'true or false',
  object: 'an object',
  array: 'an array',
};

function malformed(errors: FieldError[]): Fault {
  const once = [...new Map(errors.map((error) => [`${error.pointer} ${error.detail}`, error])).values()];
  const said = once.slice(0, 5).map(({ pointer, detail }) => `${pointer.slice(1) || 'the body'} ${detail}`);
  const rest = once.length > 5 ? `; and ${once.length - 5} more` : '';
  return new Fault('malformed_request', `${said.join('; ')}${rest}.`, { errors: once.slice(0, 100) });
}

const wholeBody = (detail: string) =>
  new Fault('malformed_request', `The body ${detail}.`, { errors: [{ pointer: '', detail }] });

// The hash of what was asked ------------------------------------------------------------------------------------------------

/** Of the parsed request, so that spaces, the order of fields, `1.5` and `"1.50"` make no other request of it. */
function hashOf(request: unknown): Uint8Array {
  return createHash('sha256').update(canonical(request)).digest();
}

function canonical(value: unknown): string {
  if (typeof value === 'bigint') return JSON.stringify(renderAmount(value));
  if (isLosslessNumber(value)) return value.value;
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value)
      .filter(([name, inner]) => inner !== undefined && name !== 'idempotency_key')
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, inner]) => `${JSON.stringify(name)}:${canonical(inner)}`);
    return `{${fields.join(',')}}`;
  }
  return JSON.stringify(value) ?? 'null';
}
