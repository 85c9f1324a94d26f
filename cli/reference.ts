import type { Command } from 'commander'
import { COMMANDS } from './commands.ts'
import { EXIT_ABOUT } from './exit-codes.ts'
import { programWith } from './program.ts'

const WIDTH = 100

const INTRODUCTION = `# The command line

This page is made from the commands themselves: \`npm run docs\`.

Inside a clone, and in the folder of a plugin, the command is \`npx lyceum\`.
\`npx lyceum help COMMAND\` shows what is here, and a word that is misspelt is answered with the nearest one.

## Which host, and as whom

A command talks to the first of these hosts:

1. the one that \`--url\` or \`LYCEUM_URL\` names;
2. the one on this machine, where \`--data\`, \`LYCEUM_DATA\`, \`LYCEUM_PORT\` or a data folder \`./.lyceum\` says that there is one;
3. the one of the last \`lyceum login\`;
4. \`http://127.0.0.1:4000\`.

It shows the first of these tokens: \`--token\`, \`LYCEUM_TOKEN\`, that of the login at this host, and one that is made with the keys of the data folder.
So on the machine of a host nothing has to be said.
A host on another machine gets a token that is made here only where \`--data\` or \`LYCEUM_DATA\` say whose keys to use.

An author elsewhere gets a token from an admin, who runs this on the machine of the host:

\`\`\`sh
npx lyceum token author --user ann --course course-v1:edX+DemoX+2026 --ttl 90d
\`\`\`

and keeps it once, after which the other commands know where to go and as whom:

\`\`\`sh
npx lyceum login https://lyceum.example.edu
\`\`\`

With it an author publishes plugins, sees and operates those that are theirs, and sees results about the courses that it names; what a plugin may reach is for an admin to say.
Give a token in \`LYCEUM_TOKEN\` or by \`lyceum login\` rather than as \`--token\`, which the list of processes shows.

## For programs

With \`--json\` every command prints one JSON document on stdout, or NDJSON where it streams, and problem JSON on stderr.
\`NO_COLOR\` turns colours off; what is not a terminal gets none.
A command waits up to five minutes for an answer, but gives up after twenty seconds on what does not even say that it is there, and reads up to 64 MB of it, which no host exceeds; \`export\` and \`logs --follow\` go on for as long as something comes.

| exit code | means |
|---|---|
${EXIT_ABOUT.map(([code, about]) => `| ${code} | ${about} |`).join('\n')}
`

/** The text of docs/cli.md: all commands with what they take, out of their definitions. */
export async function reference(): Promise<string> {
  const program = await programWith(() => true)
  program.configureHelp({ showGlobalOptions: false })
  const parts = [INTRODUCTION]
  for (const [group, entries] of COMMANDS) {
    parts.push(`## ${group.replace(/:$/, '')}\n`)
    for (const { name, hidden } of entries) {
      const command = program.commands.find((known) => known.name() === name)
      if (command !== undefined && hidden !== true)
        parts.push(`### lyceum ${name}\n\n\`\`\`text\n${helpOf(command)}\n\`\`\`\n`)
    }
  }
  return parts.join('\n')
}

/** What `--help` prints, the text after the options with it. */
function helpOf(command: Command): string {
  let text = ''
  command.configureHelp({ showGlobalOptions: false, helpWidth: WIDTH })
  command.configureOutput({ writeOut: (part) => (text += part) })
  command.outputHelp()
  return text.trim()
}

if (import.meta.main) process.stdout.write(await reference())
