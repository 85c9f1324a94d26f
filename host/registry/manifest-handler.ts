import type { AnyNode, AssignmentProperty, Function as FunctionNode, ObjectPattern, Property } from 'acorn'
import {
  DIMENSIONS,
  type Dimension,
  didYouMean,
  FACILITIES,
  type Facility,
  type Kind,
  LATER_FACILITIES,
  nameProblem,
  printable,
} from './manifest-names.ts'
import { MAX_PLUGIN_ID } from './package.ts'

/** The most names in one pattern: a handler that many endpoints share is read for each of them. */
const MAX_ASKED = 64

/** What a handler asks for. */
export interface Needs {
  readonly facilities: readonly Facility[]
  readonly dimensions: readonly Dimension[]
  /** The plugins that it calls, `self` among them. */
  readonly plugins: readonly string[]
  /** The replicas that it reads. */
  readonly replicas: readonly string[]
}

/** Of an endpoint that asks for nothing. */
export const NO_NEEDS: Needs = { facilities: [], dimensions: [], plugins: [], replicas: [] }

/** Reports what is wrong at a node: the end of a sentence that begins with the endpoint's name. */
export type Report = (node: AnyNode, message: string) => void

const EXAMPLES: Record<Kind, string> = {
  view: '({ db, course }) => …',
  query: '({ db, course }) => …',
  onEvent: '({ events, db }) => …',
  cron: '({ db, log }) => …',
  collection: '',
  property: '({ event }) => …',
}

/**
 * Reads what a handler destructures from its one parameter.
 * @param argumentsUse where the handler says `arguments`, which would reach what the pattern does not name
 */
export function readNeeds(
  kind: Kind,
  handler: FunctionNode & AnyNode,
  argumentsUse: AnyNode | undefined,
  report: Report,
): Needs {
  if (handler.generator) report(handler, 'is a generator. Write a plain or an async function')
  if (argumentsUse !== undefined)
    report(argumentsUse, `reads \`arguments\`. Name what it needs: \`${EXAMPLES[kind]}\``)
  if (kind === 'property' && handler.async)
    report(handler, 'is async. A property is worked out at once: write a plain function')
  const [first, second] = handler.params
  if (second !== undefined)
    report(
      second,
      `takes a second parameter, but the host passes one. Name what it needs in the first: \`${EXAMPLES[kind]}\``,
    )
  if (first === undefined) return NO_NEEDS
  if (first.type === 'ObjectPattern') return readPattern(kind, first, report)
  const write = `Name what it needs: \`${EXAMPLES[kind]}\``
  if (first.type === 'Identifier')
    report(first, `takes its parameter whole, as \`${printable(first.name)}\`. ${write}`)
  else if (first.type === 'RestElement') report(first, `collects its parameters with \`...\`. ${write}`)
  else if (first.type === 'AssignmentPattern')
    report(
      first,
      `gives its whole parameter a default, but the host always passes one. Take the default away: \`${EXAMPLES[kind]}\``,
    )
  else report(first, `takes its parameter in a way that cannot be read. ${write}`)
  return NO_NEEDS
}

function readPattern(kind: Kind, pattern: ObjectPattern, report: Report): Needs {
  const facilities = new Set<Facility>()
  const dimensions = new Set<Dimension>()
  const plugins = new Set<string>()
  const replicas = new Set<string>()
  if (pattern.properties.length > MAX_ASKED)
    report(pattern, `asks for more than ${MAX_ASKED} things. Name each thing once`)
  for (const property of pattern.properties.slice(0, MAX_ASKED)) {
    const name = readKey(property, report)
    if (name === undefined || property.type === 'RestElement') continue
    const facility = FACILITIES[kind].find((known) => known === name)
    const dimension = isReading(kind) ? DIMENSIONS.find((known) => known === name) : undefined
    if (facility !== undefined) facilities.add(facility)
    else if (dimension !== undefined) dimensions.add(dimension)
    else report(property.key, refusal(kind, name))
    if (facility === 'plugins')
      for (const plugin of readNames(PLUGINS, property.value, report)) plugins.add(plugin)
    if (facility === 'replica')
      for (const replica of readNames(REPLICAS, property.value, report)) replicas.add(replica)
  }
  if (facilities.has('events') && facilities.has('event'))
    report(
      pattern,
      'asks for both `events` and `event`. Choose one: `events` is a batch, `event` is one at a time',
    )
  return {
    facilities: [...facilities],
    dimensions: [...dimensions],
    plugins: [...plugins],
    replicas: [...replicas],
  }
}

/** A facility that is destructured one level, so that the host knows whom a handler reaches. */
interface Named {
  readonly facility: 'plugins' | 'replica'
  readonly things: string
  readonly reaches: string
  readonly write: string
  readonly problem: (name: string) => string | undefined
}

const PLUGINS: Named = {
  facility: 'plugins',
  things: 'plugins',
  reaches: 'calls the plugin',
  write: 'Name the plugins, and nothing inside them: `plugins: { self, grades }`, then call `grades.top(…)`',
  problem: (name) => (name === 'self' ? undefined : nameProblem(name, MAX_PLUGIN_ID)),
}
const REPLICAS: Named = {
  facility: 'replica',
  things: 'replicas',
  reaches: 'reads the replica',
  write: 'Name the replicas, and nothing inside them: `replica: { lms }`, then write lms.sql`SELECT …`',
  problem: (name) => nameProblem(name, MAX_PLUGIN_ID),
}

/** `plugins: { self, grades: g }`, `replica: { lms }`. */
function readNames(named: Named, value: AnyNode, report: Report): string[] {
  const { facility, things, reaches, write } = named
  if (value.type !== 'ObjectPattern') {
    report(value, `takes \`${facility}\` whole. ${write}`)
    return []
  }
  const names: string[] = []
  if (value.properties.length > MAX_ASKED) report(value, `asks for more than ${MAX_ASKED} ${things}`)
  for (const property of value.properties.slice(0, MAX_ASKED)) {
    const name = readKey(property, report)
    if (name === undefined || property.type === 'RestElement') continue
    const problem = named.problem(name)
    if (problem !== undefined)
      report(property.key, `${reaches} \`${printable(name)}\`, a name that ${problem}`)
    else if (property.value.type !== 'Identifier')
      report(
        property.value,
        `reaches into the ${facility === 'plugins' ? 'plugin' : 'replica'} \`${printable(name)}\`. ${write}`,
      )
    else names.push(name)
  }
  return names
}

function readKey(property: AssignmentProperty | Property | AnyNode, report: Report): string | undefined {
  if (property.type === 'RestElement') {
    report(property, 'collects the rest with `...`. Name each thing that it needs: `({ db, course }) => …`')
    return undefined
  }
  if (property.type !== 'Property') return undefined
  if (property.computed) {
    report(property.key, 'computes a name with `[…]`. Write the name out: `({ db }) => …`')
    return undefined
  }
  const { key } = property
  if (key.type === 'Identifier') return key.name
  return key.type === 'Literal' ? String(key.value) : ''
}

function refusal(kind: Kind, name: string): string {
  const shown = `\`${printable(name)}\``
  if (LATER_FACILITIES.has(name)) return `asks for ${shown}, which is not available yet in this version`
  if (name === 'fetch')
    return `asks for ${shown}: a plugin has no network, so that nothing of what it sees can leave by it. Read an LMS’s databases by \`replica\`; have other data sent in as events, and results asked for at /v1/queries`
  const offered = [...FACILITIES[kind], ...(isReading(kind) ? DIMENSIONS : [])]
  const article = kind === 'onEvent' ? 'an' : 'a'
  const offer = `${article === 'an' ? 'An' : 'A'} ${kind} handler may ask for ${offered.join(', ')}`
  if (!isReading(kind) && DIMENSIONS.some((known) => known === name))
    return `asks for ${shown}, which only views and queries are about. ${OF_EVENTS[kind] ?? ''}${offer}`
  const elsewhere = Object.values(FACILITIES).some((names) => names.some((known) => known === name))
  if (elsewhere || DIMENSIONS.some((known) => known === name))
    return `asks for ${shown}, which ${article} ${kind} does not have. ${offer}`
  const meant = didYouMean(name, offered)
  const own = ` A parameter is declared in params: { … }, and read so: \`({ params }) => params.${printable(name)}\`.`
  return `asks for ${shown}, which does not exist.${meant === '' && isReading(kind) ? own : meant} ${offer}`
}

/** Where what a dimension would say is to be had. */
const OF_EVENTS: Partial<Record<Kind, string>> = {
  onEvent: 'Each event says whose it is: `e.props.user`, `e.props.course`. ',
  property: 'The event says whose it is: `event.props.user`, `event.props.course`. ',
}

function isReading(kind: Kind): boolean {
  return kind === 'view' || kind === 'query'
}
