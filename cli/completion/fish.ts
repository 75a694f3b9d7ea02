/** Completion for fish. */
import { paths, type Flag, type Node } from './tree';

const quote = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

function optionLine(program: string, condition: string, flag: Flag): string {
  const names = flag.names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`));
  const value = !flag.takesValue ? '' : flag.choices.length > 0 ? ` -x -a ${quote(flag.choices.join(' '))}` : ' -r';
  return `complete -c ${program}${condition} ${names.join(' ')}${value} -d ${quote(flag.description)}`;
}

export function fishCompletion(root: Node): string {
  const all = paths(root);
  const valued = [
    ...new Set(all.flatMap(({ node }) => node.flags.filter((flag) => flag.takesValue).flatMap(({ names }) => names))),
  ];
  const known = all.filter(({ way }) => way.length > 0).map(({ way }) => quote(way.join(' ')));
  const lines = ['bursar', 'asbb'].flatMap((program) =>
    all.flatMap(({ way, node }) => {
      const condition = ` -n ${quote(`__bursar_at ${quote(way.join(' '))}`)}`;
      const words = [
        ...node.below.map(
          ({ name, description }) => `complete -c ${program}${condition} -f -a ${name} -d ${quote(description)}`,
        ),
        ...node.choices.map((choice) => `complete -c ${program}${condition} -f -a ${choice}`),
      ];
      return [...words, ...node.flags.map((flag) => optionLine(program, condition, flag))];
    }),
  );
  return `# fish completion of ${root.name}; put it into ~/.config/fish/completions/${root.name}.fish
function __bursar_way
    set -l way
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
            continue
        end
        switch $word
            case ${valued.map(quote).join(' ')}
                set skip 1
                continue
            case '-*'
                continue
        end
        switch (string join ' ' $way $word)
            case ${known.join(' ')}
                set -a way $word
        end
    end
    string join ' ' $way
end
function __bursar_at
    set -l way (__bursar_way)
    test "$way" = "$argv[1]"
end
${lines.join('\n')}
`;
}
