import { Argument, type Command } from 'commander'
import { type Claims, claimsSchema, type Role } from '../host/auth/tokens.ts'
import { UsageError } from './exit-codes.ts'
import { collected } from './options.ts'

/** The options that say who somebody is, as the parser hands them over. */
export interface ClaimsOptions {
  readonly user?: string
  readonly course?: string[]
  readonly plugin?: string[]
}

const ABOUT: Readonly<Record<Role, string>> = {
  student: 'sees what is about themselves; needs --user',
  instructor: 'sees their courses and the people in them; needs --course',
  researcher: 'sees results about courses, and about the one person that --user names',
  author: 'publishes and operates plugins; sees results about the courses of --course',
  admin: 'may do everything',
  ingest: 'sends events, nothing else',
}

/** Adds the role and the options that say who somebody is, and their part of the help. */
export function withClaims(command: Command, roles: readonly Role[]): Command {
  const about = roles.map((role) => `  ${role.padEnd(12)} ${ABOUT[role]}`)
  return command
    .addArgument(new Argument('<role>', 'who the bearer is').choices(roles))
    .option('--user <id>', 'the person, as the events name them')
    .option('--course <key>', 'a course that they are limited to (repeatable)', collected)
    .option('--plugin <id>', 'a plugin that they are limited to (repeatable)', collected)
    .addHelpText('after', `\nRoles:\n${about.join('\n')}`)
}

/** @throws UsageError where the role needs an option that is missing, or one is empty or too long */
export function claimsFrom(role: Role, { user, course, plugin }: ClaimsOptions): Claims {
  if (role === 'student' && !user)
    throw wrong('--user', 'A student needs --user: the id that the events carry for this student.')
  if (role === 'instructor' && !course)
    throw wrong('--course', 'An instructor needs at least one --course: the key of a course they teach.')
  const claims = claimsSchema.safeParse({ role, user, courses: course, plugins: plugin })
  if (!claims.success)
    throw wrong('claims', '--user, --course and --plugin take a text of 1 to 1024 characters each.')
  return claims.data
}

function wrong(parameter: string, message: string): UsageError {
  return new UsageError(message, { parameter })
}
