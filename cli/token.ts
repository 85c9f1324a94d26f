import { Argument, type Command } from 'commander'
import { loadKeys } from '../host/auth/keys.ts'
import { claimsSchema, issueToken, ROLES, type Role } from '../host/auth/tokens.ts'
import { loadConfig } from '../host/config.ts'
import { LyceumError } from '../host/errors.ts'
import { LIMITS } from '../host/limits.ts'

interface Options {
  user?: string
  course?: string[]
  plugin?: string[]
  ttl: string
  data?: string
}

const HELP = `
Roles:
  student      sees what is about themselves; needs --user
  instructor   sees their courses and the people in them; needs --course
  researcher   sees results about courses, none about a single person
  author       publishes and operates plugins
  admin        may do everything
  ingest       sends events, nothing else
  embed        shows views inside an LMS

Examples:
  npx lyceum token admin
  npx lyceum token ingest --ttl 90d
  npx lyceum token student --user 42 --course course-v1:edX+DemoX+2026
  npx lyceum token instructor --user 7 --course course-v1:edX+DemoX+2026 --ttl 12h
  npx lyceum token author --user ann --plugin video

  curl -H "Authorization: Bearer $(npx lyceum token admin)" http://127.0.0.1:4000/v1/plugins`

/** `lyceum token`: prints a token and nothing else on stdout, whether or not a host is running. */
export function registerToken(program: Command): void {
  program
    .command('token')
    .summary('print a token')
    .description(
      'Print a token, signed with the keys of the data folder. It works whether the host runs or not.',
    )
    .addArgument(new Argument('<role>', 'who the bearer is').choices(ROLES))
    .option('--user <id>', 'the person, as the events name them')
    .option('--course <key>', 'a course that the token covers (repeatable)', collect)
    .option('--plugin <id>', 'narrow the token to a plugin (repeatable)', collect)
    .option('--ttl <time>', 'how long it is good: 30m, 12h or 7d', '1h')
    .option('--data <folder>', 'the data folder of the host (default: LYCEUM_DATA or ./.lyceum)')
    .addHelpText('after', HELP)
    .action(printToken)
}

async function printToken(role: Role, options: Options): Promise<void> {
  if (role === 'student' && !options.user)
    throw wrong('--user', 'A student token needs --user: the id that the events carry for this student.')
  if (role === 'instructor' && !options.course)
    throw wrong(
      '--course',
      'An instructor token needs at least one --course: the key of a course they teach.',
    )
  const ttlSeconds = parseTtl(options.ttl)
  const claims = claimsSchema.safeParse({
    role,
    user: options.user,
    courses: options.course,
    plugins: options.plugin,
  })
  if (!claims.success)
    throw wrong('claims', '--user, --course and --plugin take a text of 1 to 1024 characters each.')
  const { dataDir } = loadConfig(process.env, { data: options.data })
  const keys = await loadKeys(dataDir)
  if (keys.created)
    console.error(`Made new signing keys in ${dataDir}: only a host on this folder will know the token.`)
  console.log(await issueToken(keys, claims.data, ttlSeconds))
}

const SECONDS = { m: 60, h: 3600, d: 86_400 }

/**
 * Reads `30m`, `12h` or `7d`.
 *
 * @returns seconds
 * @throws LyceumError `bad_parameter`
 */
function parseTtl(text: string): number {
  const [, count, unit] = /^(\d{1,6})([mhd])$/.exec(text) ?? []
  const seconds = unit === 'm' || unit === 'h' || unit === 'd' ? Number(count) * SECONDS[unit] : 0
  if (seconds < 1 || seconds > LIMITS.tokenDays * SECONDS.d)
    throw wrong(
      '--ttl',
      `--ttl is ${JSON.stringify(text)}, but must be a number with m, h or d, such as 30m, 12h or 7d, up to ${LIMITS.tokenDays}d.`,
    )
  return seconds
}

function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value]
}

function wrong(parameter: string, message: string): LyceumError {
  return new LyceumError('bad_parameter', message, { parameter })
}
