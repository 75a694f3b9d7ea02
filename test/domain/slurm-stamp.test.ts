/** The stamp that ties a job to its hold. */
import fc from 'fast-check';
import { readStamp, renderStamp } from '../../domain/slurm-stamp';
import { STAMP_CASES } from './slurm-stamp-cases';

test.each(STAMP_CASES)('%j is stamped with %s', (comment, key) => expect(readStamp(comment)).toBe(key));

test('a key is read back from behind any comment', () =>
  fc.assert(
    fc.property(fc.string(), fc.stringMatching(/^[0-9a-f]{32}$/), (comment, key) => {
      fc.pre(!comment.includes('bursar:'));
      expect(readStamp(`${comment} ${renderStamp(key)}`)).toBe(key);
    }),
  ));
