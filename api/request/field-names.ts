/**
 * What becomes of the names of fields before a schema sees them (rulings 25).
 *
 * On ASBB's endpoints as its decoder has it: names match in any case, null is absent, unknown fields are ignored. On ours
 * an unknown field is a mistake, and the nearest name that is known is suggested.
 */
import { isLosslessNumber } from 'lossless-json';
import { z } from 'zod';
import type { FieldError } from '../../domain/faults';
import { nearestOf } from '../../domain/nearest';
import { pointerTo } from './json-body';

export type Dialect = 'asbb' | 'ours';

/** What a schema knows of names: an object's fields, a list's elements, or nothing (free JSON and plain values). */
type Names =
  | { kind: 'object'; fields: ReadonlyMap<string, Names>; folded: ReadonlyMap<string, string> }
  | { kind: 'list'; element: Names }
  | { kind: 'free' };

const FREE: Names = { kind: 'free' };

export function namesOf(schema: z.ZodType): Names {
  if (schema instanceof z.ZodObject) {
    const fields = new Map(
      Object.entries(schema.shape as z.ZodRawShape).map(([name, field]) => [name, namesOf(field as z.ZodType)]),
    );
    return { kind: 'object', fields, folded: new Map([...fields.keys()].map((name) => [name.toLowerCase(), name])) };
  }
  if (schema instanceof z.ZodArray) return { kind: 'list', element: namesOf(schema.element as z.ZodType) };
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable) return namesOf(schema.unwrap() as z.ZodType);
  if (schema instanceof z.ZodPipe) return namesOf(schema.in as z.ZodType);
  return FREE;
}

/** The value with the names its schema knows; what is wrong with them goes into `errors`. */
export function settleNames(
  value: unknown,
  names: Names,
  dialect: Dialect,
  errors: FieldError[],
  pointer = '',
): unknown {
  if (names.kind === 'list' && Array.isArray(value)) {
    return value.map((item, index) => settleNames(item, names.element, dialect, errors, pointerTo(pointer, index)));
  }
  if (names.kind !== 'object' || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value) || isLosslessNumber(value)) return value;
  const settled: Record<string, unknown> = {};
  for (const [given, inner] of Object.entries(value)) {
    const name = names.fields.has(given) || dialect === 'ours' ? given : names.folded.get(given.toLowerCase());
    const known = name === undefined ? undefined : names.fields.get(name);
    if (name !== undefined && known !== undefined) {
      if (inner === null && dialect === 'asbb') continue;
      if (name !== given && Object.hasOwn(settled, name)) continue;
      settled[name] = settleNames(inner, known, dialect, errors, pointerTo(pointer, name));
    } else if (dialect === 'ours') {
      errors.push({ pointer: pointerTo(pointer, given), detail: unknownName(given, [...names.fields.keys()]) });
    }
  }
  return settled;
}

export function unknownName(given: string, known: readonly string[]): string {
  const nearest = nearestOf(given, known);
  if (nearest === undefined) return 'is not known here; this address takes no fields';
  if (nearest.distance <= Math.max(2, Math.floor(nearest.name.length / 2))) {
    return `is not known here; did you mean "${nearest.name}"?`;
  }
  return `is not known here; known are ${known.join(', ')}`;
}
