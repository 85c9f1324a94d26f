import type { Html } from './html.ts'
import type { ParamsSchema, ParamValues } from './t.ts'
import type { Cache } from './types-cache.ts'
import type { Database, ReadOnlyDatabase } from './types-db.ts'
import type { CheckedProps, CheckedWhere, EventWhere, Fields, LmsEvent } from './types-events.ts'
import type { Files, TransientFiles } from './types-fs.ts'
import type { Plugins } from './types-plugins.ts'
import type { Replicas } from './types-replica.ts'

/** A value, or a promise of it. */
export type Awaitable<T> = T | Promise<T>

/** Writes a line to the plugin's log, which its author reads. */
export interface Log {
  (...values: readonly unknown[]): void
  info(...values: readonly unknown[]): void
  warn(...values: readonly unknown[]): void
  error(...values: readonly unknown[]): void
}

/** What a token says its bearer is. */
export type Role = 'student' | 'instructor' | 'researcher' | 'author' | 'admin' | 'ingest'

/** Who asks, as the host verified it. */
export interface Viewer {
  readonly user: string
  readonly role: Role
  /** The courses that they are limited to. */
  readonly courses: readonly string[]
}

/** An `AbortSignal`, as far as a handler needs one. */
export interface Signal {
  readonly aborted: boolean
  readonly reason: unknown
  onabort: ((event: { readonly type: 'abort' }) => void) | null
  throwIfAborted(): void
  addEventListener(type: 'abort', listener: (event: { readonly type: 'abort' }) => void): void
  removeEventListener(type: 'abort', listener: (event: { readonly type: 'abort' }) => void): void
}

interface Common {
  readonly cache: Cache
  /** The LMS's databases. Name them: `({ replica: { lms } })`, then ask lms.sql`SELECT …`. */
  readonly replica: Replicas
  readonly log: Log
  /**
   * Tells how far this call is, from 0 to 1, to whoever waits for the page, or looks at the job.
   *
   * @example progress(0.5, 'half of the courses')
   */
  readonly progress: (fraction: number, text?: string) => void
  /** Aborted shortly before the call's time is over, so that it can give what it has. */
  readonly signal: Signal
  /** The time, as the host says it: in a handler it stands still for the whole batch. */
  readonly now: () => Date
  /** Other plugins' queries. Name them: `({ plugins: { self, grades } })`. */
  readonly plugins: Plugins
}

/** Who and what a result is about. Each name that a handler takes becomes a parameter of its address. */
export interface Dimensions {
  /** The person that the result is about: for a student always the viewer. */
  readonly user: string
  readonly course: string
  readonly section: string
  readonly problem: string
  readonly video: string
  readonly page: string
  readonly cohort: string
  readonly session: string
}

interface ReadContext<P extends ParamsSchema> extends Common, Dimensions {
  readonly db: ReadOnlyDatabase
  /** The plugin's own files: it reads them, and writes some that expire. */
  readonly fs: TransientFiles
  readonly params: ParamValues<P>
  readonly viewer: Viewer
}

/** What a view may take. */
export interface ViewContext<P extends ParamsSchema = Record<never, never>> extends ReadContext<P> {}

/** What a query may take. */
export interface QueryContext<P extends ParamsSchema = Record<never, never>> extends ReadContext<P> {}

/** What a handler of events may take: `events`, a batch in order, or `event`, to be called for each. */
export interface OnEventContext<E = LmsEvent> extends Common {
  readonly db: Database
  /** The plugin's own files. */
  readonly fs: Files
  readonly events: readonly E[]
  readonly event: E
}

/** What a cron job may take. */
export interface CronContext extends Common {
  readonly db: Database
  /** The plugin's own files. */
  readonly fs: Files
}

/** What a property may take: one event, and what cannot make it another one the next time. */
export interface PropertyContext<E = LmsEvent> {
  /** As any LMS may have sent it: a field that edX's events do not have is there, too, but of no known type. */
  readonly event: E & Fields
  readonly log: Log
  /** When the event arrived. */
  readonly now: () => Date
}

/** What JSON can say; `undefined` where the event has no such property. */
export type PropertyResult =
  | string
  | number
  | boolean
  | null
  | undefined
  | (object & { readonly apply?: never; readonly then?: never })

/**
 * What a view shows: markup, a chart, a table, or a list of these, one below the other. Text that starts with `<`
 * counts as markup too, any other is shown as text; `null` and `false` show nothing.
 */
export type ViewResult = Html | string | null | false | readonly ViewResult[]

/**
 * Data: what JSON can say, dates and ids of documents included.
 *
 * **Common mistake:** returning a cursor; its data comes with `toArray()`.
 */
export type QueryResult =
  | string
  | number
  | boolean
  | null
  | undefined
  | (object & { readonly apply?: never; readonly then?: never; readonly toArray?: never })

interface Described {
  /** The name that people see; the export's name unless told. */
  readonly title?: string
  /** What it shows, in a sentence or two; the export's comment unless told. */
  readonly description?: string
}

interface ReadOptions<P extends ParamsSchema> extends Described {
  /** What may be asked for in the address: `{ limit: t.number({ default: 10 }) }`. */
  readonly params?: P
}

/** Options of a `view`. */
export interface ViewOptions<P extends ParamsSchema = Record<never, never>> extends ReadOptions<P> {}

/** Options of a `query`. */
export interface QueryOptions<P extends ParamsSchema = Record<never, never>> extends ReadOptions<P> {
  /**
   * For how long an answer is kept, for all who may ask the same: then it is given at once, and asked only one at a
   * time. For as long again an old answer stands in while a new one is computed.
   *
   * **Common mistake:** expecting that viewers share the answer of a query that names `plugins`: each has their own.
   */
  readonly cacheSeconds?: number
  /**
   * What it returns, made up: for whoever builds on this query before there are data. Any JSON, a few rows are enough.
   * Without it, `lyceum test --update` records one from the sample course.
   */
  readonly sample?: unknown
  /**
   * Names that queries of several plugins share: whoever asks for one gets this query, or another plugin's that an
   * admin chose. As `GET /v1/queries/NAME`, and in `({ plugins: { NAME } }) => NAME({ … })`.
   */
  readonly names?: readonly string[]
}

/** Options of an `onEvent` handler. */
export interface OnEventOptions<
  W extends EventWhere = EventWhere,
  P extends readonly string[] = readonly string[],
> extends Described {
  /** Which events; all of them unless told. */
  readonly where?: W & CheckedWhere<W>
  /** Derived properties that it uses, be it in `where`: `['tincan.actor']`. An admin approves them. */
  readonly props?: P & CheckedProps<P>
  /**
   * How soon: `realtime` before a sender that waits gets its answer, `soft` (unless told) within milliseconds,
   * `queued` when there is time.
   */
  readonly mode?: 'realtime' | 'soft' | 'queued'
  /**
   * Whether a new handler reads the log from its `start` (unless told) or from `now`. One that began `now` and says
   * `start` later sees what came before in a rebuild.
   */
  readonly from?: 'start' | 'now'
  /** Whether it asks other plugins about people, whom it names: an admin has to approve that. */
  readonly asUsers?: boolean
}

/** Options of a `property`. */
export interface PropertyOptions<W extends EventWhere = EventWhere> extends Described {
  /** The key of `event.props` under which it stands: `tincan` makes it `event.props.tincan.NAME`. */
  readonly namespace?: string
  /** Which events have it; all of them unless told. */
  readonly when?: W & CheckedWhere<W>
}

/** Options of a `cron` job. */
export interface CronOptions extends Described {
  /** Minute, hour, day of the month, month, day of the week, in UTC: `'0 4 * * *'`. */
  readonly schedule: string
  /** Whether it asks other plugins about people, whom it names: an admin has to approve that. */
  readonly asUsers?: boolean
}

/** Fields in order, `1` ascending and `-1` descending. */
export type IndexKeys = Readonly<Record<string, 1 | -1>>

/** Options of a `collection`. */
export interface CollectionOptions {
  /** The indexes: their fields, and `unique` where no two documents may agree in all of them. */
  readonly indexes?: readonly (IndexKeys | { readonly keys: IndexKeys; readonly unique?: boolean })[]
  /** The plugins that may read all of it, by their ids; `'*'` for any that an admin lets ask this one. */
  readonly read?: readonly string[] | '*'
}
