/** Help, version and completion: nothing that needs a server. */
import { migrationFiles } from '../../migrations/migrate';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { GROUPS } from '../../cli/program';
import { runBursar } from './helpers/cli';
import { wholeProgram } from './helpers/program';

const commandsBelow = (command: Command, way: string[] = []): string[][] =>
  command.commands.flatMap((below) => [[...way, below.name()], ...commandsBelow(below, [...way, below.name()])]);

const ALL = commandsBelow(wholeProgram());

test('there is a command for everything that the ledger knows', () => {
  expect(GROUPS.map(({ name }) => name)).toEqual(
    expect.arrayContaining(
      'up demo service status cluster account deposit withdraw transfer refund adjust check hold job reconcile transactions rates recover audit version quick-check remaining job-context'.split(
        ' ',
      ),
    ),
  );
  expect(ALL.length).toBeGreaterThan(45);
});

test.each(ALL)('bursar %s %s: help with an example', async (...way) => {
  const words = way.filter((word): word is string => typeof word === 'string');
  const { code, out } = await runBursar([...words, '--help']);
  expect(code).toBe(0);
  expect(out).toMatch(/\nExamples:\n {2}\$ \S/);
  expect(out).toContain(`Usage: bursar ${words.join(' ')}`);
});

test('the help of the whole explains exit codes and how to find the server', async () => {
  const { out, code } = await runBursar([]);
  expect(code).toBe(0);
  expect(out).toContain('Exit codes:');
  expect(out).toContain('BURSAR_URL');
  for (const { name, summary } of GROUPS)
    expect(out).toMatch(new RegExp(`^ {2}${name} +${summary.slice(0, 20).replace(/[?.]/g, '.')}`, 'm'));
});

test('--version says it as asbb does, and version in full', async () => {
  expect((await runBursar(['--version'])).out).toMatch(/^bursar version bursar \d+\.\d+\.\d+/);
  expect((await runBursar(['version'])).out).toMatch(/^Version: +\d+\.\d+\.\d+\nGit Commit: /);
  expect(JSON.parse((await runBursar(['version', '--json'])).out)).toMatchObject({
    git_commit: expect.any(String),
    schema_version: Number(migrationFiles().at(-1)?.name.slice(0, 4)),
  });
});

const completion = async (shell: string) => (await runBursar(['completion', shell])).out;

test('bash completes commands, options and choices', async () => {
  const script = await completion('bash');
  execFileSync('bash', ['-n'], { input: script });
  const complete = (...words: string[]) =>
    execFileSync(
      'bash',
      [
        '-c',
        `${script}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _bursar_complete; echo "\${COMPREPLY[*]}"`,
        'bash',
        ...words,
      ],
      {
        encoding: 'utf8',
      },
    ).trim();
  expect(complete('bursar', 'acc')).toBe('account');
  expect(complete('bursar', 'account', 'ba')).toBe('balance');
  expect(complete('bursar', '--endpoint', 'http://x', 'job', 's')).toBe('show');
  expect(complete('bursar', 'hold', 'list', '--sta')).toBe('--status');
  expect(complete('bursar', 'hold', 'list', '--status', 's')).toBe('settled');
  expect(complete('bursar', 'completion', 'f')).toBe('fish');
  expect(complete('asbb', 'service', 'st')).toBe('start status');
  expect(complete('bursar', '--ca-file', 'x.pem', 'quick-check', '--cp')).toBe('--cpus');
  expect(complete('bursar', 'account', 'list', '--cs')).toBe('--csv');
});

// These shells are not on every machine; where they are, they must be able to read what is meant for them.
test.each(['zsh', 'fish'])('%s gets every command', async (shell) => {
  const script = await completion(shell);
  for (const way of ALL) expect(script).toContain(way.at(-1));
  const [path] = ['/bin', '/usr/bin', '/usr/local/bin'].map((folder) => `${folder}/${shell}`).filter(existsSync);
  if (path)
    expect(spawnSync(path, ['-n'], { input: script, encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
});

test('a shell that is not known is refused', async () => {
  expect(await runBursar(['completion', 'csh'])).toMatchObject({ code: 2, out: '' });
});
