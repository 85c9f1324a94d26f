import type { Command } from 'commander'
import { SIGNED_IN } from '../host/auth/roles.ts'
import { signInLink } from '../host/auth/sign-in.ts'
import type { Role } from '../host/auth/tokens.ts'
import { type ClaimsOptions, claimsFrom, withClaims } from './claims.ts'
import { ownKeys, urlOf, withUrl } from './target.ts'
import { printJson } from './terminal.ts'

interface Options extends ClaimsOptions {
  readonly url?: string
  readonly data?: string
  readonly json?: boolean
}

const HELP = `
Examples:
  npx lyceum sign-in admin
  npx lyceum sign-in student --user 42
  npx lyceum sign-in instructor --user 7 --course course-v1:edX+DemoX+2026 --url https://lyceum.example.edu`

/** `lyceum sign-in`: prints a link and nothing else on stdout, whether or not a host is running. */
export function registerSignIn(program: Command): void {
  withUrl(withClaims(program.command('sign-in'), SIGNED_IN))
    .description('Print a link that signs one browser in, once, within 15 minutes.')
    .option('--data <folder>', 'the data folder of the host (default: LYCEUM_DATA or ./.lyceum)')
    .addHelpText('after', HELP)
    .action((role: Role, _options: unknown, command: Command) => printLink(role, command.optsWithGlobals()))
}

async function printLink(role: Role, options: Options): Promise<void> {
  const claims = claimsFrom(role, options)
  const url = urlOf(options.url)
  const keys = await ownKeys(options.data, 'Give --data FOLDER: the folder that the host was started with.')
  const link = await signInLink(keys, url, claims)
  if (options.json === true) printJson({ link })
  else console.log(link)
}
