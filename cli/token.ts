import type { Command } from 'commander'
import { loadKeys } from '../host/auth/keys.ts'
import { issueToken, ROLES, type Role } from '../host/auth/tokens.ts'
import { loadConfig } from '../host/config.ts'
import { LIMITS } from '../host/limits.ts'
import { type ClaimsOptions, claimsFrom, withClaims } from './claims.ts'
import { UsageError } from './exit-codes.ts'
import { note, printJson } from './terminal.ts'

interface Options extends ClaimsOptions {
  readonly ttl: string
  readonly data?: string
  readonly json?: boolean
}

const HELP = `
Whoever bears it needs nothing else, so send it like a password. An author keeps it with: npx lyceum login URL

Examples:
  npx lyceum token admin
  npx lyceum token ingest --ttl 90d
  npx lyceum token student --user 42 --course course-v1:edX+DemoX+2026
  npx lyceum token instructor --user 7 --course course-v1:edX+DemoX+2026 --ttl 12h
  npx lyceum token author --user ann --plugin video

  curl -H "Authorization: Bearer $(npx lyceum token admin)" http://127.0.0.1:4000/v1/plugins`

/** `lyceum token`: prints a token and nothing else on stdout, whether or not a host is running. */
export function registerToken(program: Command): void {
  withClaims(program.command('token'), ROLES)
    .description(
      'Print a token, signed with the keys of the data folder. It works whether the host runs or not.',
    )
    .option('--ttl <time>', 'how long it is good: 30m, 12h or 7d', '1h')
    .option('--data <folder>', 'the data folder of the host (default: LYCEUM_DATA or ./.lyceum)')
    .addHelpText('after', HELP)
    .action((role: Role, _options: unknown, command: Command) => printToken(role, command.optsWithGlobals()))
}

async function printToken(role: Role, options: Options): Promise<void> {
  const claims = claimsFrom(role, options)
  const ttlSeconds = parseTtl(options.ttl)
  const { dataDir } = loadConfig(process.env, { data: options.data })
  const keys = await loadKeys(dataDir)
  if (keys.created && options.json !== true)
    note(`Made new signing keys in ${dataDir}: only a host on this folder will know the token.`)
  const token = await issueToken(keys, claims, ttlSeconds)
  if (options.json === true) printJson({ token, ...claims, expiresMs: Date.now() + ttlSeconds * 1_000 })
  else console.log(token)
}

const SECONDS = { m: 60, h: 3600, d: 86_400 }

/**
 * Reads `30m`, `12h` or `7d`.
 *
 * @returns seconds
 * @throws UsageError
 */
function parseTtl(text: string): number {
  const [, count, unit] = /^(\d{1,6})([mhd])$/.exec(text) ?? []
  const seconds = unit === 'm' || unit === 'h' || unit === 'd' ? Number(count) * SECONDS[unit] : 0
  if (seconds < 1 || seconds > LIMITS.tokenDays * SECONDS.d)
    throw new UsageError(
      `--ttl is ${JSON.stringify(text)}, but must be a number with m, h or d, such as 30m, 12h or 7d, up to ${LIMITS.tokenDays}d.`,
      { parameter: '--ttl' },
    )
  return seconds
}
