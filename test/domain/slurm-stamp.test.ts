/** The stamp that ties a job to its hold. */
import fc from 'fast-check';
import { readStamp, renderStamp } from '../../domain/slurm-stamp';

const KEY = '0123456789abcdef0123456789abcdef';

test.each([
  [`bursar:${KEY}`, KEY],
  [`reviewed by ops bursar:${KEY}`, KEY],
  [`bursar:${KEY} and what was added later`, KEY],
  [`(bursar:${KEY})`, KEY],
  ['', undefined],
  ['a comment of the site', undefined],
  ['bursar:', undefined],
  ['bursar:short', undefined],
  [`notbursar:${KEY}`, undefined],
])('%j is stamped with %s', (comment, key) => expect(readStamp(comment)).toBe(key));

test('a key is read back from behind any comment', () =>
  fc.assert(
    fc.property(fc.string(), fc.stringMatching(/^[0-9a-f]{32}$/), (comment, key) => {
      fc.pre(!comment.includes('bursar:'));
      expect(readStamp(`${comment} ${renderStamp(key)}`)).toBe(key);
    }),
  ));
