/**
 * What an export says, file by file and field by field: docs/operations/export.md is written from it. Amounts are decimal
 * strings in the account's unit, times RFC 3339 in UTC; what ends in _no is a number of ours by which files refer to each other.
 */
import { ACCOUNTS } from './accounts';
import { CATALOG } from './catalog';
import type { ExportTable } from './field';
import { JOBS } from './jobs';
import { MOVEMENTS } from './movements';
import { REPORTS } from './reports';
import { TRAIL } from './trail';

/** In the order in which they are written, and stand in the docs. */
export const EXPORT_TABLES: readonly ExportTable[] = [
  ...CATALOG,
  ...ACCOUNTS,
  ...MOVEMENTS,
  ...JOBS,
  ...REPORTS,
  ...TRAIL,
];
