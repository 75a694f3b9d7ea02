/** Habits that are not ours, by machine. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { openApiDocument } from '../../api/openapi';
import { FAULTS } from '../../domain/faults';

const ROOT = resolve(__dirname, '../..');

const tracked = (...patterns: string[]): string[] =>
  execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '--', ...patterns], {
    cwd: ROOT,
    encoding: 'utf8',
  })
    .split('\n')
    .filter((path) => path !== '');

/** Lines of code (comments left out) of these files that match. */
function linesLike(pattern: RegExp, paths: string[]): string[] {
  return paths.flatMap((path) =>
    readFileSync(join(ROOT, path), 'utf8')
      .split('\n')
      .map((line, index) => ({ line: line.replace(/\/\/.*$|^\s*\*.*$|^\s*\/\*.*$/, ''), at: `${path}:${index + 1}` }))
      .filter(({ line }) => pattern.test(line))
      .map(({ line, at }) => `${at} ${line.trim()}`),
  );
}

const SOURCE = [
  'domain/*.ts',
  'platform/*.ts',
  'ledger/*.ts',
  'migrations/*.ts',
  'activities/*.ts',
  'workflows/*.ts',
  'worker/*.ts',
  'api/*.ts',
  'cli/*.ts',
];

test('no float arithmetic comes near money', () => {
  expect(
    linesLike(
      /\b(parseFloat|toFixed|Math\.round)\b/,
      tracked('domain/*.ts', 'ledger/*.ts', 'api/*.ts', 'activities/*.ts', 'workflows/*.ts'),
    ),
  ).toEqual([]);
});

test('only platform/config.ts reads the environment', () => {
  const paths = tracked(...SOURCE).filter((path) => path !== 'platform/config.ts');
  expect(linesLike(/\bprocess\.env\b/, paths)).toEqual([]);
});

test('domain has no clock and no randomness', () => {
  expect(linesLike(/\b(Date\.now|new Date\(\)|Math\.random|process\.)/, tracked('domain/*.ts'))).toEqual([]);
});

test('no test is skipped, focused or promised for later', () => {
  expect(
    linesLike(/\b(it|test|describe)\.(skip|only|todo)\b|\bx(it|test|describe)\(/, tracked('test/**/*.ts')),
  ).toEqual([]);
});

test('no default exports, no any', () => {
  expect(linesLike(/^export default (?!async function global|function global)/, tracked(...SOURCE))).toEqual([]);
  // Not inside a sentence: a quotation mark or a backtick before it makes it words.
  expect(linesLike(/^[^'`"]*(:|as|<) ?any\b/, tracked(...SOURCE))).toEqual([]);
});

test('every fault has its paragraph in docs/faults.md', () => {
  const page = readFileSync(join(ROOT, 'docs/faults.md'), 'utf8');
  expect(Object.keys(FAULTS).filter((code) => !page.includes(`## ${code}\n`))).toEqual([]);
  expect(
    [...page.matchAll(/^## (\w+)$/gm)].map(([, code]) => code).filter((code) => !((code as string) in FAULTS)),
  ).toEqual([]);
});

test('every relative link in the documents leads somewhere', () => {
  const broken = tracked('*.md').flatMap((path) =>
    [...readFileSync(join(ROOT, path), 'utf8').matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)]
      .map(([, target]) => target as string)
      .filter((target) => tracked(join(path, '..', target)).length === 0)
      .map((target) => `${path} -> ${target}`),
  );
  expect(broken).toEqual([]);
});

test('the licence is the same wherever it is named', () => {
  const [title, , copyright] = readFileSync(join(ROOT, 'LICENSE'), 'utf8').split('\n');
  const { license } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { license: string };
  const { info } = openApiDocument([]) as { info: { license: { identifier: string } } };
  expect({ title, copyright, license, wire: info.license.identifier }).toEqual({
    title: 'MIT License',
    copyright: expect.stringContaining('The Bursar authors'),
    license: 'MIT',
    wire: 'MIT',
  });
});
