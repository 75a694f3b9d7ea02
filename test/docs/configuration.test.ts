/** The page about the configuration says of every key what the program says of it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { NEVER, NOT_YET } from '../../platform/config/asbb-keys';
import { ENVIRONMENT_ONLY, KEY_NAMES } from '../../platform/config/keys';
import { documentedKey } from '../../platform/config/render';
import { PACKAGE_ROOT } from '../../platform/paths';

const PAGE = readFileSync(join(PACKAGE_ROOT, 'docs/operations/configuration.md'), 'utf8');
const tableUnder = (title: string): string[][] =>
  (PAGE.split(title)[1] ?? '')
    .split(/\n(?:#|These (?:mean|are not))/)[0]
    ?.split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    ) ?? [];

test('every key has its row, with its variables, its default and its meaning', () => {
  expect(tableUnder('## Keys\n')).toEqual(KEY_NAMES.map(documentedKey));
});

test('every variable without a key has its row', () => {
  expect(tableUnder('## Variables without a key\n')).toEqual(
    Object.entries(ENVIRONMENT_ONLY).map(([name, { meaning, otherwise }]) => [`\`${name}\``, otherwise, meaning]),
  );
});

test('every key that changes nothing is named, with the reason where there is one', () => {
  expect(tableUnder('These mean nothing here:\n')).toEqual(
    Object.entries(NEVER).map(([key, why]) => [`\`${key}\``, why]),
  );
  const later = tableUnder('These are not in this version of Bursar:\n').flatMap(([group = '', keys = '']) =>
    [...keys.matchAll(/`([^`]+)`/g)].map(([, key]) => `${group.replaceAll('`', '')}.${key}`),
  );
  expect(later.sort()).toEqual([...NOT_YET].sort());
});
