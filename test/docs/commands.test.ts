/** What a page or a help text tells people to type exists: commands with their subcommands, and every option with its name. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { PACKAGE_ROOT } from '../../platform/paths';
import { wholeProgram } from '../cli/helpers/program';

const PROGRAM = wholeProgram();

const CALL = /(?:^|[(;|&]|\$ |\bdo |\bnpx |\bsudo (?:-u \w+ )?|\b[A-Z_]+=\S+ )\s*(?:bursar|asbb) ([^`|;&#)>]+)/g;

/** Commands in blocks of code, one a line where it goes on behind a backslash, and in words between backquotes. */
function callsIn(text: string): string[] {
  const blocks = [...text.matchAll(/^```\w*\n([^]*?)^```/gm)].map(([, block = '']) => block.replace(/\\\n\s*/g, ' '));
  const lines = blocks.flatMap((block) => block.split('\n')).map((line) => line.replace(/'[^']*'|"[^"]*"/g, 'X'));
  const quoted = [...text.replace(/^```[^]*?^```/gm, '').matchAll(/`([^`\n]+)`/g)].map(([, words = '']) => words);
  return [...lines, ...quoted].flatMap((line) => [...line.matchAll(CALL)].map(([, words = '']) => words.trim()));
}

/** What is wrong with it; undefined: nothing. */
function wrongWith(call: string): string | undefined {
  let command = PROGRAM;
  const options = new Set(['--help', '-h', ...namesOf(PROGRAM)]);
  const enter = (below: Command): void => {
    command = below;
    for (const name of namesOf(below)) options.add(name);
  };
  for (const word of call.split(/\s+/)) {
    if (word.startsWith('-')) {
      const usual = command.commands.find((each) => each.name() === Reflect.get(command, '_defaultCommandName'));
      if (usual) enter(usual);
      const name = /^-{1,2}[a-zA-Z][\w-]*/.exec(word)?.[0];
      if (name !== undefined && !options.has(name)) return `${command.name()} has no ${name}`;
      continue;
    }
    const below = command.commands.find((each) => each.name() === word || each.aliases().includes(word));
    if (below) enter(below);
    else if (command.commands.length > 0 && command.registeredArguments.length === 0 && /^[a-z][a-z-]+$/.test(word))
      return `${command.name()} has no ${word}`;
  }
  return undefined;
}

const namesOf = ({ options }: Command) =>
  options.flatMap(({ short, long }) => [short, long].filter((name) => name !== undefined));

const tracked = (...patterns: string[]): string[] =>
  execFileSync('git', ['ls-files', '--', ...patterns], { cwd: PACKAGE_ROOT, encoding: 'utf8' })
    .trim()
    .split('\n');
const textOf = (path: string): string => readFileSync(join(PACKAGE_ROOT, path), 'utf8');
const wrongIn = (path: string, calls: readonly string[]) =>
  calls.flatMap((call) => {
    const wrong = wrongWith(call);
    return wrong === undefined ? [] : [`${path}: ${call}: ${wrong}`];
  });

test('every command that a page names exists, with its options', () => {
  const calls = tracked('*.md').map((path) => [path, callsIn(textOf(path))] as const);
  expect(calls.flatMap(([, found]) => found).length).toBeGreaterThan(250);
  expect(calls.flatMap(([path, found]) => wrongIn(path, found))).toEqual([]);
});

test('every command that a message or an example of the help names exists, with its options', () => {
  const paths = tracked('activities', 'api', 'cli', 'domain', 'ledger', 'platform', 'worker', 'migrations', 'hooks');
  const calls = paths.map((path) => {
    const examples = [...textOf(path).matchAll(/(?:\$ |\\?`)((?:bursar|asbb) [^`\n\\'|$]+)(?=[`\n\\'|])/g)].map(
      ([, call = '']) => call,
    );
    return [path, examples.filter((call) => !call.includes('...')).flatMap((call) => callsIn(`\`${call}\``))] as const;
  });
  expect(calls.flatMap(([, found]) => found).length).toBeGreaterThan(200);
  expect(calls.flatMap(([path, found]) => wrongIn(path, found))).toEqual([]);
});

test('the reader of this test sees a command and an option that do not exist', () => {
  expect(
    callsIn('```sh\nx=1 npx bursar job tell eagle/1\n```\nand `bursar hold list --stat open`').map(wrongWith),
  ).toEqual(['job has no tell', 'list has no --stat']);
});
