/** Completion for zsh: one function a command, as `_arguments` likes it. */
import type { Flag, Node } from './tree';

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
const described = (text: string): string => text.replace(/[[\]:\\]/g, (found) => `\\${found}`);

function argumentsOf(flags: readonly Flag[]): string[] {
  return flags.flatMap(({ names, description, takesValue, choices }) => {
    const value = !takesValue ? '' : choices.length > 0 ? `:value:(${choices.join(' ')})` : ':value:_default';
    const others = names.length > 1 ? `(${names.join(' ')})` : '';
    return names.map((name) => quote(`${others}${name}[${described(description)}]${value}`));
  });
}

const functionName = (way: readonly string[]): string =>
  `_bursar${way.map((word) => `_${word.replaceAll('-', '_')}`).join('')}`;

function functionsOf(node: Node, way: string[]): string {
  const flags = argumentsOf(node.flags).map((line) => `    ${line}`);
  if (node.below.length === 0) {
    const rest = node.choices.length > 0 ? `:argument:(${node.choices.join(' ')})` : '*:argument:_default';
    return `${functionName(way)}() {
  _arguments -s -S \\
${flags.map((line) => `${line} \\`).join('\n')}
    ${quote(rest)}
}
`;
  }
  const choices = node.below.map(({ name, description }) => `    ${quote(`${name}:${described(description)}`)}`);
  const dispatch = node.below.map(({ name }) => `        ${name}) ${functionName([...way, name])} ;;`);
  return `${functionName(way)}() {
  local context state state_descr line
  typeset -A opt_args
  local -a choices
  choices=(
${choices.join('\n')}
  )
  _arguments -C -s -S \\
${flags.map((line) => `${line} \\`).join('\n')}
    '1: :->command' \\
    '*:: :->rest'
  case $state in
    command) _describe -t commands command choices ;;
    rest)
      case $line[1] in
${dispatch.join('\n')}
      esac
      ;;
  esac
}

${node.below.map((below) => functionsOf(below, [...way, below.name])).join('\n')}`;
}

export function zshCompletion(root: Node): string {
  return `#compdef bursar asbb
# zsh completion of ${root.name}; put it in a folder of $fpath as _${root.name}, or: source <(${root.name} completion zsh)
${functionsOf(root, [])}
if [[ $funcstack[1] == _bursar ]]; then _bursar "$@"; else compdef _bursar bursar asbb; fi
`;
}
