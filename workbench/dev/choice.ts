import { z } from 'zod'
import { mayChooseUser } from '../../host/auth/dimensions.ts'
import { type Caller, type Claims, toCaller } from '../../host/auth/tokens.ts'
import type { ReadingEndpoint } from '../../host/registry/plugin.ts'
import type { Dev } from './dev.ts'

/** Whom the page of `lyceum dev` can look as. */
export const VIEWERS = ['student', 'instructor', 'researcher', 'admin'] as const
/** The role of one of them. */
export type ViewerRole = (typeof VIEWERS)[number]

const TEACHER = 'teacher'
/** No parameter of a plugin has a name with a dash. */
const Query = z.object({
  'dev-show': z.string().max(200).catch(''),
  'dev-role': z.enum(VIEWERS).catch('instructor'),
  user: z.string().max(1024).catch(''),
  course: z.string().max(1024).catch(''),
})

/** What the page shows, and to whom: all of it is in its address. */
export interface Choice {
  /** The chosen view or query; undefined where the plugin has none. */
  readonly endpoint: ReadingEndpoint | undefined
  readonly role: ViewerRole
  /** The student who looks; to everybody else the person whom a result is about. */
  readonly user: string
  readonly course: string
  /** Everything that the address says, for links to the same with something else. */
  readonly query: URLSearchParams
}

/** Reads an address. Whatever is missing in it, or is not there any more, is what comes first. */
export function choiceOf(query: URLSearchParams, dev: Dev): Choice {
  const read = Query.parse(Object.fromEntries(query))
  const endpoints = readingEndpoints(dev)
  const chosen = endpoints.find((endpoint) => addressOf(endpoint) === read['dev-show'])
  return {
    endpoint: chosen ?? endpoints[0],
    role: read['dev-role'],
    user: read.user || (dev.events.users[0] ?? ''),
    course: read.course || (dev.events.courses[0] ?? ''),
    query,
  }
}

/** The views of the plugin, and then its queries, as they are written. */
export function readingEndpoints({ workbench: { host, plugin } }: Dev): ReadingEndpoint[] {
  const all = [...(host.plugins.active().get(plugin)?.endpoints.values() ?? [])]
  return [...all.filter((one) => one.kind === 'view'), ...all.filter((one) => one.kind === 'query')]
}

/** `view/popular` */
export function addressOf({ kind, name }: ReadingEndpoint): string {
  return `${kind}/${name}`
}

/** The address of the page with another endpoint. */
export function linkTo(endpoint: ReadingEndpoint, { query }: Choice): string {
  const other = new URLSearchParams(query)
  other.set('dev-show', addressOf(endpoint))
  return `/dev?${other}`
}

/** What a token of the chosen viewer says. */
export function claimsOf({ role, user, course }: Choice): Claims {
  switch (role) {
    case 'student':
      return { role, user: user || 'student', ...(course && { courses: [course] }) }
    case 'instructor':
      return { role, user: TEACHER, courses: [course || 'none'] }
    default:
      return { role }
  }
}

/** The person that the page looks as. */
export function callerOf(choice: Choice): Caller {
  return toCaller(claimsOf(choice))
}

/** What is asked of the chosen endpoint: dimensions and parameters that it has, and of those the viewer may choose. */
export function askedOf({ endpoint, user, course, query }: Choice, caller: Caller): [string, string][] {
  if (endpoint === undefined) return []
  const { dimensions, options } = endpoint
  const values = new Map([...query, ['user', user], ['course', course]] as const)
  const names = [
    ...dimensions.filter((name) => name !== 'user' || mayChooseUser(caller, dimensions)),
    ...options.params.keys(),
  ]
  return names.flatMap((name) => {
    const value = values.get(name)
    return value ? [[name, value]] : []
  })
}
