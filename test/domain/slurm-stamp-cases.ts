/** Comments and the key that each is stamped with: the service and the hooks in Lua must read them alike. */
const KEY = '0123456789abcdef0123456789abcdef';
const OTHER = 'fedcba9876543210';

export const STAMP_CASES: readonly (readonly [comment: string, key: string | undefined])[] = [
  [`bursar:${KEY}`, KEY],
  [`reviewed by ops bursar:${KEY}`, KEY],
  [`bursar:${KEY} and what was added later`, KEY],
  [`(bursar:${KEY})`, KEY],
  [`über-bursar:${KEY}`, KEY],
  [`bursar:${KEY} bursar:${OTHER}`, KEY],
  ['', undefined],
  ['a comment of the site', undefined],
  ['bursar:', undefined],
  ['bursar:short', undefined],
  ['see bursar:docs', undefined],
  [`see bursar:docs bursar:${KEY}`, KEY],
  [`notbursar:${KEY}`, undefined],
  [`not_bursar:${KEY}`, undefined],
  [`xbursar:${KEY} bursar:${OTHER}`, OTHER],
  [`BURSAR:${KEY}`, undefined],
  ['bursar:1234567', undefined],
  ['bursar:12345678', '12345678'],
  [`bursar:${'k'.repeat(128)}`, 'k'.repeat(128)],
  [`bursar:${'k'.repeat(130)}`, 'k'.repeat(128)],
];
