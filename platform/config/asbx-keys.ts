/** What is done with the reports of ASBX. */
import { z } from 'zod';
import { readAccuracy } from '../../domain/asbx';
import { parseAmount } from '../../domain/money';
import type { Key } from './key';
import { listOf, TRUTH, truth } from './values';

const folders = listOf((path) => /^\/[^\0]*$/.test(path));

const understoodBy = (read: (text: string) => bigint) =>
  z.string().refine((text) => {
    try {
      return read(text) >= 0n;
    } catch {
      return false;
    }
  });

export const ASBX_KEYS = {
  'asbx_integration.auto_reconcile': {
    schema: truth,
    expects: TRUTH,
    meaning: 'Reports of ASBX that do not say so themselves settle their jobs; else they are only written down.',
    default: 'true',
  },
  'asbx_integration.update_cost_model': {
    schema: truth,
    expects: TRUTH,
    meaning: 'Reports of ASBX that do not say so themselves count in the accuracy of the estimates.',
    default: 'true',
  },
  'asbx_integration.spool_directories': {
    schema: folders,
    expects: 'absolute paths of folders with commas between them',
    meaning:
      'Folders on the machine of the API in which an epilog may name a report of ASBX (asbx_data_path). Whoever can write there says what jobs cost.',
    default: '/var/spool/asbx,/var/spool/asbb/costs,/var/spool/asbb/reconciliation',
  },
  'asbx_integration.cost_model_learning.accuracy_threshold': {
    schema: understoodBy(readAccuracy),
    expects: 'a fraction, 0 to 1, with at most six decimals',
    meaning: 'An estimate that is less accurate gives rise to a recommendation.',
    default: '0.8',
  },
  'asbx_integration.cost_model_learning.variance_threshold': {
    schema: understoodBy(parseAmount),
    expects: 'per cent, 0 or more, with at most six decimals',
    meaning: 'A cost that is further from its estimate gives rise to a recommendation.',
    default: '20',
  },
} as const satisfies Record<string, Key<unknown>>;
