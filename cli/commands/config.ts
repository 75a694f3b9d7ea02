import { existsSync, writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { ConfigError, readSettings } from '../../platform/config';
import { commentedFile, shownValues, type Shown } from '../../platform/config/render';
import { EXIT, Stop } from '../exit';
import type { Act, Session } from '../session';
import { orMistakes } from '../settings';
import { plural } from '../text';

export function defineConfig(parent: Command, act: Act): void {
  const config = parent
    .command('config')
    .summary('The configuration of a server: write, check, explain')
    .description(
      'The configuration of a server: one YAML file, and an environment variable for every key. The first of these files is read: bursar.yaml here, in BURSAR_HOME, in /etc/bursar; config.yaml here, in /etc/asbb, in ~/.asbb. BURSAR_CONFIG or --config names another.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar config init --output bursar.yaml\n  $ bursar config validate\n  $ bursar config show\n',
    );

  config
    .command('init')
    .summary('Write a commented file with every key')
    .description(
      'Write a configuration file in which every key is a comment: its meaning, its unit, its default. It overwrites nothing.',
    )
    .option('--output <file>', 'where to (default: standard output)')
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar config init --output /etc/bursar/bursar.yaml\n  $ bursar config init | less\n',
    )
    .action(act((session, options: { output?: string }) => Promise.resolve(writeFile(session, options.output))));

  config
    .command('validate')
    .summary('Name every mistake, with its line')
    .description(
      'Check the configuration as a server here would read it, environment included: 0 if it can be used, 1 if not, with all mistakes at once. Keys that change nothing are named too.',
    )
    .argument('[file]', 'the file (default: the one that a server here would read)')
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar config validate\n  $ bursar config validate /etc/asbb/config.yaml --json\n',
    )
    .action(act((session, file?: string) => Promise.resolve(validate(session, file))));

  config
    .command('show')
    .summary('Every value that is in force, and where it comes from')
    .description(
      'Print every value that is in force and where it comes from: a line of the file, a variable, the default. Passwords are left out.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar config show\n  $ bursar config show --json | jq \'.values[] | select(.from != "default")\'\n',
    )
    .action(act((session) => Promise.resolve(show(session))));
}

function writeFile(session: Session, output: string | undefined): void {
  if (output === undefined) {
    session.io.out.write(commentedFile());
    return;
  }
  try {
    // A DSN may come into it, so it is nobody else's to read.
    writeFileSync(output, commentedFile(), { flag: 'wx', mode: 0o600 });
  } catch (error) {
    const why = existsSync(output) ? 'it is there already' : error instanceof Error ? error.message : String(error);
    throw new Stop(EXIT.failure, `${output} was not written: ${why}.`);
  }
  session.answer({ written: output }, () =>
    session.line(`Written to ${output}. Every key is a comment; take "# " away to set it.`),
  );
}

function validate(session: Session, file: string | undefined): void {
  const { file: read, mistakes, warnings } = findings(session, file);
  session.answer({ ok: mistakes.length === 0, file: read ?? null, mistakes, warnings }, () => {
    for (const mistake of mistakes) session.say(session.paint('red', mistake));
    for (const warning of warnings) session.say(session.paint('yellow', `Warning: ${warning}`));
    const where = read ?? 'No file, and the environment';
    if (mistakes.length > 0) session.line(`${plural(mistakes.length, 'mistake')}.`);
    else session.line(session.paint('green', `${where}: no mistakes.`));
  });
  if (mistakes.length > 0) throw new Stop(EXIT.failure, '');
}

function findings(session: Session, file: string | undefined) {
  try {
    const { file: read, warnings } = readSettings(session.io.env, session.commandLine(file));
    return { file: read, mistakes: [], warnings };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { file, mistakes: error.mistakes, warnings: error.warnings };
  }
}

function show(session: Session): void {
  const settings = orMistakes(() => readSettings(session.io.env, session.commandLine()));
  const values = shownValues(settings);
  session.answer(
    { file: settings.file ?? null, values, warnings: settings.warnings },
    () => {
      session.fields([['File', settings.file ?? 'none']]);
      session.line();
      session.table<Shown>(values, [
        { title: 'KEY', value: ({ key }) => key },
        { title: 'VALUE', value: ({ value }) => value ?? '' },
        { title: 'FROM', value: ({ from }) => from },
      ]);
    },
    ['key', 'value', 'from', 'secret', 'reloads'],
    values,
  );
  for (const warning of settings.warnings) session.note(`Warning: ${warning}`);
}
