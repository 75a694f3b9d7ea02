/** Completion for bash (3.2 and newer, with or without the bash-completion package). */
import { paths, type Node } from './tree';

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** A word list for compgen: our own words have no spaces in them. */
const words = (list: readonly string[]): string => quote(list.join(' '));

export function bashCompletion(root: Node): string {
  const all = paths(root);
  const valued = [
    ...new Set(all.flatMap(({ node }) => node.flags.filter((flag) => flag.takesValue).flatMap(({ names }) => names))),
  ];
  const cases = all.map(({ way, node }) => {
    const pattern = quote(way.join(' '));
    const choices = node.flags.filter((flag) => flag.choices.length > 0);
    return [
      `    ${pattern})`,
      `      words=${words([...node.below.map(({ name }) => name), ...node.choices])}`,
      `      flags=${words(node.flags.flatMap(({ names }) => names))}`,
      ...(choices.length === 0
        ? []
        : [
            '      case "$previous" in',
            ...choices.map(
              (flag) =>
                `        ${flag.names.join('|')}) COMPREPLY=($(compgen -W ${words(flag.choices)} -- "$current")); return ;;`,
            ),
            '      esac',
          ]),
      '      ;;',
    ].join('\n');
  });
  const known = all.filter(({ way }) => way.length > 0).map(({ way }) => quote(way.join(' ')));
  return `# bash completion of ${root.name}; load it with: source <(${root.name} completion bash)
_bursar_complete() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" way='' word words='' flags='' skip='' index
  COMPREPLY=()
  for ((index = 1; index < COMP_CWORD; index++)); do
    word="\${COMP_WORDS[index]}"
    if [[ -n $skip ]]; then skip=''; continue; fi
    case "$word" in
      ${valued.join('|')}) skip=1; continue ;;
      -*) continue ;;
    esac
    case "\${way:+$way }$word" in
      ${known.join('|')}) way="\${way:+$way }$word" ;;
    esac
  done
  case "$way" in
${cases.join('\n')}
  esac
  case "$previous" in
    ${valued.join('|')})
      # Values are the person's own; files are the best guess.
      COMPREPLY=($(compgen -f -- "$current"))
      return
      ;;
  esac
  if [[ $current == -* ]]; then COMPREPLY=($(compgen -W "$flags" -- "$current"))
  else COMPREPLY=($(compgen -W "$words" -- "$current")); fi
}
complete -o default -F _bursar_complete bursar asbb
`;
}
