import { Argument, type Command } from 'commander';
import { bashCompletion } from '../completion/bash';
import { fishCompletion } from '../completion/fish';
import { readTree } from '../completion/tree';
import { zshCompletion } from '../completion/zsh';
import type { Act } from '../session';

const SHELLS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const;

const isShell = (text: string): text is keyof typeof SHELLS => Object.hasOwn(SHELLS, text);

export function defineCompletion(parent: Command, act: Act): void {
  const command = parent.command('completion');
  command
    .summary('Print a completion script for bash, zsh or fish')
    .description('Print a script that completes commands and options in your shell.')
    .addArgument(new Argument('<shell>', 'the shell').choices(Object.keys(SHELLS)))
    .addHelpText(
      'after',
      `
Examples:
  $ source <(bursar completion bash)              now, in this shell
  $ bursar completion bash > /etc/bash_completion.d/bursar
  $ bursar completion zsh > "\${fpath[1]}/_bursar"
  $ bursar completion fish > ~/.config/fish/completions/bursar.fish
`,
    )
    .action(
      act(async (session, shell: string) => {
        if (isShell(shell)) session.io.out.write(SHELLS[shell](readTree(parent)));
      }),
    );
}
