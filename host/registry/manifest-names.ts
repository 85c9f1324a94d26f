/** What an export can be: the functions of `@lyceum/sdk` that make an endpoint. */
export const KINDS = ['view', 'query', 'onEvent', 'cron', 'collection', 'property'] as const

export type Kind = (typeof KINDS)[number]

/** Who and what a result is about: request parameters, from which the host infers where a view belongs. */
export const DIMENSIONS = [
  'user',
  'course',
  'section',
  'problem',
  'video',
  'page',
  'cohort',
  'session',
] as const

export type Dimension = (typeof DIMENSIONS)[number]

const READS = [
  'db',
  'fs',
  'cache',
  'log',
  'now',
  'progress',
  'signal',
  'plugins',
  'replica',
  'params',
  'viewer',
] as const
const WRITES = ['db', 'fs', 'cache', 'log', 'now', 'progress', 'signal', 'plugins', 'replica'] as const

/** The facilities that a handler of each kind may destructure. */
export const FACILITIES = {
  view: READS,
  query: READS,
  onEvent: ['events', 'event', ...WRITES],
  cron: WRITES,
  collection: [],
  property: ['event', 'log', 'now'],
} as const satisfies Record<Kind, readonly string[]>

export type Facility = (typeof FACILITIES)[Kind][number]

/** Facilities of the design that no version offers yet. */
export const LATER_FACILITIES: ReadonlySet<string> = new Set(['emit'])

/** Functions of the design that no version of the SDK has yet. */
export const LATER_FUNCTIONS: ReadonlySet<string> = new Set(['consumer'])

/** Everything else that a bundle may import from the SDK; a test holds this to the SDK itself. */
export const SDK_VALUES = [
  'html',
  'Html',
  'chart',
  'table',
  't',
  'ObjectId',
  'Long',
  'Decimal128',
  'Binary',
] as const

/** Names that would mean something else where endpoints and plugins are looked up by name. */
const RESERVED: ReadonlySet<string> = new Set([
  ...Object.getOwnPropertyNames(Object.prototype),
  'self',
  'collection',
  'then',
  'default',
  'prototype',
  'arguments',
  'eval',
  'toJSON',
  'lyceum',
])

/** A text of the bundle as a message may show it: short, on one line, nothing that a terminal would obey. */
export function printable(text: string, maxLength = 64): string {
  return text.slice(0, maxLength).replace(/[^\x20-\x7e]/g, '?')
}

/**
 * Why a name cannot be a camelCase identifier of at most `maxLength` characters; undefined where it can.
 * @returns the end of a sentence that begins with the name
 */
export function nameProblem(name: string, maxLength: number): string | undefined {
  if (RESERVED.has(name)) return 'is reserved; choose another name'
  if (name.length > maxLength) return `is longer than ${maxLength} characters; choose a shorter name`
  if (/^\d/.test(name)) return 'begins with a digit; begin with a letter'
  if (!/^[a-z][a-zA-Z0-9]*$/.test(name)) {
    const better = camelCase(name)
    const hint =
      better !== undefined && better.length <= maxLength && !RESERVED.has(better) ? `: \`${better}\`` : ''
    return `is not a camelCase name of letters and digits${hint === '' ? '' : '; write it so'}${hint}`
  }
  return undefined
}

function camelCase(name: string): string | undefined {
  const [first, ...rest] = name.slice(0, 100).match(/[a-zA-Z0-9]+/g) ?? []
  if (first === undefined) return undefined
  const joined =
    first.charAt(0).toLowerCase() +
    first.slice(1) +
    rest.map((w) => w.charAt(0).toUpperCase() + w.slice(1)).join('')
  return /^[a-z]/.test(joined) ? joined : undefined
}

/** The one of `known` that `name` was probably meant to be, as the end of a message; '' where none is near. */
export function didYouMean(name: string, known: readonly string[]): string {
  const near = nearest(name, known)
  return near === undefined ? '' : ` Did you mean \`${near}\`?`
}

/** The one of `known` that `name` was probably meant to be; undefined where none is near. */
export function nearest<Known extends string>(name: string, known: readonly Known[]): Known | undefined {
  if (name.length > 64) return undefined
  return known
    .map((candidate) => ({ candidate, distance: editDistance(name.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ candidate, distance }) => distance <= Math.max(1, Math.floor(candidate.length / 3)))
    .sort((a, b) => a.distance - b.distance)[0]?.candidate
}

/** How many characters to insert, remove, replace or swap with their neighbour, to get from `a` to `b`. */
function editDistance(a: string, b: string): number {
  let before: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let cost = Math.min(
        (row[j - 1] ?? 0) + 1,
        (previous[j] ?? 0) + 1,
        (previous[j - 1] ?? 0) + (same ? 0 : 1),
      )
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, (before[j - 2] ?? 0) + 1)
      row.push(cost)
    }
    before = previous
    previous = row
  }
  return previous[b.length] ?? 0
}
