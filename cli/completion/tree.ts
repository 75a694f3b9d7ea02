/** The command tree as completion scripts need it: read from commander, so that no script can fall behind. */
import type { Command, Option } from 'commander';

export interface Flag {
  /** `--limit`, `-n` */
  names: string[];
  description: string;
  takesValue: boolean;
  choices: readonly string[];
}

export interface Node {
  name: string;
  description: string;
  flags: Flag[];
  below: Node[];
  /** Words that the first argument may be. */
  choices: readonly string[];
}

const flagOf = (option: Option): Flag => ({
  names: [option.short, option.long].filter((name): name is string => typeof name === 'string'),
  description: option.description,
  takesValue: option.required || option.optional,
  choices: option.argChoices ?? [],
});

const visible = (command: Command): Flag[] => command.options.filter((option) => !option.hidden).map(flagOf);

const HELP: Flag = { names: ['-h', '--help'], description: 'show help', takesValue: false, choices: [] };

function read(command: Command, inherited: Flag[]): Node {
  const flags = [...visible(command), ...inherited];
  return {
    name: command.name(),
    description: command.summary() || command.description(),
    flags,
    below: command.commands.map((below) => read(below, inherited)),
    choices: command.registeredArguments[0]?.argChoices ?? [],
  };
}

export function readTree(program: Command): Node {
  const everywhere = [...visible(program), HELP];
  const root = read(program, everywhere);
  return { ...root, flags: everywhere };
}

/** Every command with the words that lead to it, the program itself first. */
export const paths = (node: Node, way: string[] = []): { way: string[]; node: Node }[] => [
  { way, node },
  ...node.below.flatMap((below) => paths(below, [...way, below.name])),
];
