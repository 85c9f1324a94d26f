import { resolve } from 'node:path'
import { Argument, type Command } from 'commander'
import { candidates } from './candidates.ts'

const SHELLS = ['bash', 'zsh', 'fish'] as const

const HELP = `
It completes commands, options, and what the host knows that the other commands would talk to: plugins, queries
and their parameters, handlers. Where no host answers at once it completes the rest.
Inside a clone, where the command is npx lyceum, give it a name first: alias lyceum='npx lyceum'

Examples:
  source <(npx lyceum completion bash)                                   this shell
  npx lyceum completion bash >> ~/.bashrc                                every shell from now on
  npx lyceum completion zsh > "\${fpath[1]}/_lyceum"
  npx lyceum completion fish > ~/.config/fish/completions/lyceum.fish`

/** `lyceum completion`: prints a script for a shell. */
export function registerCompletion(program: Command): void {
  program
    .command('completion')
    .description('Print a script that makes a shell complete the words of lyceum.')
    .addArgument(new Argument('<shell>', 'which shell').choices(SHELLS))
    .addHelpText('after', HELP)
    .action((shell: (typeof SHELLS)[number]) => {
      const own = [process.execPath, resolve(process.argv[1] ?? 'lyceum'), 'complete', '--'].map(quoted)
      console.log(SCRIPTS[shell](own.join(' ')))
    })
}

/** `lyceum complete`: what those scripts ask. */
export function registerComplete(program: Command): void {
  program
    .command('complete', { hidden: true })
    .description('Print what may stand in the place of the last of some words, a line each.')
    .argument('[words...]', 'the words after lyceum')
    .action(async (words: string[]) => {
      const found = await candidates(words)
      if (found.length > 0) console.log(found.join('\n'))
    })
}

/** In single quotes, as all three shells take it. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`
}

/** @param own the words that start `lyceum complete --` */
const SCRIPTS: Readonly<Record<(typeof SHELLS)[number], (own: string) => string>> = {
  // The words of bash break at = and :, which are parts of ours.
  bash: (own) => `_lyceum() {
  local line=\${COMP_LINE:0:COMP_POINT} IFS=$' \\t\\n' words
  read -ra words <<< "$line"
  [[ $line == *[[:space:]] ]] && words+=('')
  IFS=$'\\n'
  COMPREPLY=($(${own} "\${words[@]:1}" 2>/dev/null))
  [[ \${#COMPREPLY[@]} -eq 1 && \${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
  return 0
}
complete -o default -F _lyceum lyceum`,
  zsh: (own) => `#compdef lyceum
_lyceum() {
  local -a found
  found=(\${(f)"$(${own} "\${(@)words[2,CURRENT]}" 2>/dev/null)"})
  if (( ! $#found )); then _files; return; fi
  if [[ $#found -eq 1 && $found[1] == *= ]]; then compadd -S '' -a found; else compadd -a found; fi
}
compdef _lyceum lyceum`,
  fish: (own) => `function __lyceum_complete
  set -l words (commandline -opc) (commandline -ct)
  ${own} $words[2..-1] 2>/dev/null
end
complete -c lyceum -a '(__lyceum_complete)'`,
}
