import type { Quota } from '../../host/limits.ts'

/** What sets a hostile plugin off once it is published. */
export type Trigger = 'query' | 'view' | 'onEvent' | 'cron' | 'rebuild'

/**
 * How an attack may end: the code of a refusal or an error, `ok` where it ran to its end and got nothing, or
 * one of the ends of a handler that is not told by a code: `retrying` and `quarantined`.
 */
export type Ends = readonly string[]

/** One hostile plugin, as data. */
export interface HostilePlugin {
  /** What it does, as a sentence that goes on from "a plugin that …". */
  readonly name: string
  readonly source: string
  readonly trigger: Trigger
  readonly ends: Ends
  readonly quota: Partial<Quota>
  /** How often it is set off; by default once. */
  readonly times?: number
  /** What it is asked with: the query string of its address. */
  readonly asked?: string
  /** It has a handler that fills its database, and is sent an event for that first. */
  readonly isFilled?: boolean
  /** What its answer must be, where it ended with `ok`: a pattern for the text. */
  readonly answers?: RegExp
}

/** A publish that must be refused, or accepted and harmless. */
export interface HostilePublish {
  readonly name: string
  readonly publish: {
    readonly bundle: unknown
    readonly sourceMap?: unknown
    readonly package?: unknown
    /** The body as text, in place of all that. */
    readonly body?: string
    /** The plugin's id in the address, where that is the attack. */
    readonly id?: string
  }
  readonly ends: Ends
}

export type Hostile = HostilePlugin | HostilePublish

/** What the plugins of a family have in common. */
export interface Family {
  /** What they try. */
  readonly title: string
  /** What stops it, as the table in sandbox/README.md says it: Markdown. */
  readonly stoppedBy: string
  readonly plugins: readonly Hostile[]
  /** Names of those that are much like others or take long: they are never in the sample. */
  readonly inSoak?: readonly string[]
  /** While each is at work, and after it, a plugin beside it has a chart drawn. */
  readonly besideCharts?: boolean
}

const SAMPLE = 1

/** The plugins of a family that are let in where not all are. */
export function sampleOf({ plugins, inSoak }: Family): readonly Hostile[] {
  return plugins.filter(({ name }) => !inSoak?.includes(name)).slice(0, SAMPLE)
}

type More = Partial<Pick<HostilePlugin, 'quota' | 'times' | 'asked' | 'answers'>> & {
  /** Code at the top of the module. */
  readonly top?: string
  /** Options of the endpoint, as source text. */
  readonly options?: string
  /** What the handler destructures. */
  readonly takes?: string
  /** Body of a handler that fills its database first. */
  readonly fill?: string
}

const IMPORTS =
  "import { chart, cron, html, Html, onEvent, query, t, table, view, ObjectId, Long, Decimal128, Binary } from '@lyceum/sdk'"

/** A query with this body; `run` is asked, `other` answers 1. */
export function query(name: string, body: string, ends: Ends, more: More = {}): HostilePlugin {
  const handler = `async ({ ${more.takes ?? 'db, log, now, plugins: { self }'} }) => {\n${body}\n}`
  const source = `${IMPORTS}\n${more.top ?? ''}
export const run = query(${more.options ? `${more.options}, ` : ''}${handler})
export const other = query(() => 1)`
  return made(name, 'query', source, ends, more)
}

/** A view with this body. */
export function view(name: string, body: string, ends: Ends, more: More = {}): HostilePlugin {
  const handler = `async ({ ${more.takes ?? 'db, log, now'} }) => {\n${body}\n}`
  const source = `${IMPORTS}\n${more.top ?? ''}
export const run = view(${more.options ? `${more.options}, ` : ''}${handler})`
  return made(name, 'view', source, ends, more)
}

/** A handler with this body, to which one event of its own type is sent. */
export function handler(name: string, body: string, ends: Ends, more: More = {}): HostilePlugin {
  const source = `${IMPORTS}\n${more.top ?? ''}
export const run = onEvent({ where: { event_type: 'TYPE' } }, async ({ ${more.takes ?? 'events, db, log, now'} }) => {
${body}
})`
  return made(name, 'onEvent', source, ends, more)
}

/**
 * A handler with this body, to which one event is sent, and which is then rebuilt by its author. `again` tells it
 * whether it has run before.
 */
export function rebuilt(name: string, body: string, ends: Ends, more: More = {}): HostilePlugin {
  const source = `${IMPORTS}\n${more.top ?? ''}
let runs = 0
export const run = onEvent({ where: { event_type: 'TYPE' } }, async ({ ${more.takes ?? 'events, db, log, now'} }) => {
const again = runs++ > 0
await db.collection('live').updateOne({ _id: 'n' }, { $inc: { n: 1 } }, { upsert: true })
${body}
})`
  return made(name, 'rebuild', source, ends, more)
}

/** A cron job with this body, that has become due. */
export function job(name: string, body: string, ends: Ends, more: More = {}): HostilePlugin {
  const source = `${IMPORTS}\n${more.top ?? ''}
export const run = cron('SCHEDULE', async ({ ${more.takes ?? 'db, log, now'} }) => {\n${body}\n})`
  return made(name, 'cron', source, ends, more)
}

function filling(body: string): string {
  return `export const fill = onEvent({ where: { event_type: 'TYPE' } }, async ({ events, db }) => {\n${body}\n})`
}

function made(name: string, trigger: Trigger, source: string, ends: Ends, more: More): HostilePlugin {
  const { quota = {}, times, asked, answers, fill } = more
  return {
    name,
    trigger,
    source: fill === undefined ? source : `${source}\n${filling(fill)}`,
    ...(fill !== undefined && { isFilled: true }),
    ends,
    quota,
    ...(times !== undefined && { times }),
    ...(asked !== undefined && { asked }),
    ...(answers !== undefined && { answers }),
  }
}

/** A query whose publish is the attack: code at the top of the module. */
export function top(name: string, code: string, ends: Ends): HostilePublish {
  return publish(name, { bundle: `${IMPORTS}\n${code}\nexport const run = query(() => 1)` }, ends)
}

/** A publish that is the attack. */
export function publish(name: string, given: HostilePublish['publish'], ends: Ends): HostilePublish {
  return { name, publish: given, ends }
}

/** Ends of code that uses up its time, where the watch sees it. */
export const LOOP: Ends = ['over_cpu']
/** Ends of native code that does not notice that it was ended: the process goes, and may take the answer along. */
export const NATIVE: Ends = ['over_cpu', 'over_wall', 'sandbox_lost', 'over_memory']
/** Ends of a bomb: whichever limit is reached first. */
export const BOMB: Ends = ['over_memory', 'over_cpu', 'sandbox_lost', 'plugin_failed', 'over_wall']
