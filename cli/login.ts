import { text } from 'node:stream/consumers'
import type { Command } from 'commander'
import { LyceumError } from '../host/errors.ts'
import { connect, isOnThisMachine } from './connection.ts'
import { UsageError } from './exit-codes.ts'
import { checkToken, claimsOf, readLogins, writeLogins } from './logins.ts'
import { Offered } from './offered.ts'
import { urlOf } from './target.ts'
import { note, onOneLine, printJson } from './terminal.ts'

const LOGIN_HELP = `
An admin makes the token, on the machine of the host, and gives it to you:
  npx lyceum token author --user ann --course course-v1:edX+DemoX+2026 --ttl 90d

It is asked for, or read from the standard input, so that no list of commands holds it. It is kept in
~/.config/lyceum/logins.json (or below XDG_CONFIG_HOME), which only you can read.
From then on the other commands talk to that host, except where --url or LYCEUM_URL name another, or where
--data, LYCEUM_DATA, LYCEUM_PORT or a data folder ./.lyceum say that there is one on this machine.

Examples:
  npx lyceum login https://lyceum.example.edu
  npx lyceum login https://lyceum.example.edu < token.txt

Next: npx lyceum plugins`

const LOGOUT_HELP = `
The token stays good until its time is over; it is only not kept here any more.

Examples:
  npx lyceum logout
  npx lyceum logout https://lyceum.example.edu`

/** `lyceum login`: keeps a token for a host. */
export function registerLogin(program: Command): void {
  program
    .command('login')
    .description('Keep your token for a host, so that the other commands know where to go and as whom.')
    .argument('<url>', 'the address of the host')
    .addHelpText('after', LOGIN_HELP)
    .action((given: string, _options: unknown, command: Command) =>
      login(urlOf(given), command.optsWithGlobals().json === true),
    )
}

/** `lyceum logout`: lets go of a token. */
export function registerLogout(program: Command): void {
  program
    .command('logout')
    .description('Forget your token for a host.')
    .argument('[url]', 'the address of the host (default: that of the last login)')
    .addHelpText('after', LOGOUT_HELP)
    .action((given: string | undefined, _options: unknown, command: Command) =>
      logout(given, command.optsWithGlobals().json === true),
    )
}

async function login(url: string, asJson: boolean): Promise<void> {
  if (url.startsWith('http:') && !isOnThisMachine(url))
    note(`Beware: ${url} is not https, so whoever is on the way can read the token.`)
  const token = checkToken(
    process.stdin.isTTY ? await askHidden(`Token for ${url}: `) : await text(process.stdin),
  )
  await connect(url, token)
    .request('GET', '/v1/schema')
    .then((told) => Offered.parse(told))
    .catch((error: unknown) => {
      // The host knows the token: it is one for events only.
      if (!(error instanceof LyceumError && error.code === 'role_denied')) throw error
    })
  const { tokens } = await readLogins()
  await writeLogins({ current: url, tokens: new Map(tokens).set(url, token) })
  const claims = claimsOf(token)
  if (asJson) printJson({ url, ...claims })
  else console.log(`Logged in to ${url}${asWhom(claims)}.`)
}

async function logout(given: string | undefined, asJson: boolean): Promise<void> {
  const { current, tokens } = await readLogins()
  const url = given === undefined ? current : urlOf(given)
  if (url === undefined || !tokens.has(url)) {
    const kept = [...tokens.keys()].join(', ')
    throw new UsageError(
      `You are not logged in${url === undefined ? '' : ` to ${url}`}. ${kept === '' ? 'No token is kept.' : `Tokens are kept for ${kept}: name one.`}`,
    )
  }
  const left = new Map(tokens)
  left.delete(url)
  await writeLogins({ current: current === url ? undefined : current, tokens: left })
  if (asJson) printJson({ url })
  else console.log(`The token for ${url} is forgotten.`)
}

function asWhom(claims: ReturnType<typeof claimsOf>): string {
  if (claims === undefined) return ''
  const { role, user, exp } = claims
  const until = new Date(exp * 1_000).toISOString().slice(0, 16).replace('T', ' ')
  return ` as ${onOneLine(user === undefined ? role : `${role} ${user}`)}, until ${until} UTC`
}

/** Asks on the terminal, where what is typed or pasted does not show. */
async function askHidden(question: string): Promise<string> {
  const { createInterface } = await import('node:readline/promises')
  const { Writable } = await import('node:stream')
  process.stderr.write(question)
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true })
  lines.on('SIGINT', () => process.kill(process.pid, 'SIGINT'))
  const gone = new Promise<string>((resolve) => lines.once('close', () => resolve('')))
  try {
    return await Promise.race([lines.question(''), gone])
  } finally {
    lines.close()
    process.stderr.write('\n')
  }
}
