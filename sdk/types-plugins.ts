import type { Property, Query, View } from './endpoints.ts'
import type { Html } from './html.ts'
import type { Document, ReadOnlyCollection } from './types-db.ts'

/** What a query of a plugin takes: its dimensions and its parameters, by name. */
export type QueryArguments = Readonly<Record<string, string | number | boolean | Date | undefined>>

/** What a caller wants of a query that keeps its answers. */
export interface CallOptions {
  /**
   * `refresh`: a new answer, which is then kept. For people at most every few seconds; a job keeps answers warm so.
   * `only`: none but a kept one; else the call fails with the code `not_cached`.
   */
  readonly cache?: 'refresh' | 'only'
}

/** An object that may be left out where nothing in it has to be given. */
type Given<Args extends object> = Record<never, never> extends Args ? [given?: Args] : [given: Args]

/**
 * Calls a query that the host has. It resolves with `Result`, which is known for one's own queries and where a
 * sample was recorded; else say what comes back: `grades.list<Grade[]>({ course })`.
 */
export type QueryCall<Args extends object, Result = unknown> = <T = Result>(
  ...given: [...Given<Args>, options?: CallOptions]
) => Promise<T>

/** Calls a query of the plugin itself. */
export type OwnQueryCall<Args extends object, Result = unknown> = QueryCall<Args, Result> & Clears

/** Calls a view that the host has: what it shows goes into an `html` of your own as it is. */
export type ViewCall<Args extends object> = <T extends Html = Html>(...given: Given<Args>) => Promise<T>

interface Clears {
  /**
   * Forgets the answers of a query of one's own that are kept; in handlers and jobs, once more when they have
   * committed.
   */
  readonly clear: () => Promise<void>
}

/**
 * Calls a query or a view of which nothing is known. Say what comes back: `grades.list<Grade[]>({ course })`, and
 * for a view `grades.chart<Html>({ course })`.
 */
export type AnyCall = (<T = unknown>(given?: QueryArguments, options?: CallOptions) => Promise<T>) & Clears

/**
 * One of the plugin's collections that its author lets this plugin read, as `collection({ read: […] })` says.
 * All of it comes, whoever asks; and it comes whole, without pages.
 */
export type CollectionCall = <T = Document>(name: string) => ReadOnlyCollection<T>

/** The queries and views of a plugin of which nothing is known. */
export interface AnyQueries {
  readonly collection: AnyCall & CollectionCall
  readonly [query: string]: AnyCall
}

/**
 * The plugins and common names that the host has. It is empty, and a handler may name whatever it likes, until
 * `lyceum types` writes them into `.lyceum/types.d.ts`; from then on a name that is not there is a mistake.
 */
// biome-ignore lint/suspicious/noEmptyInterface: generated types add to it
export interface KnownPlugins {}

/** The plugin's own queries and views, as {@link KnownPlugins}. */
// biome-ignore lint/suspicious/noEmptyInterface: generated types add to it
export interface Self {}

/** The plugins that a handler may call, and common names, which are called themselves. */
export type Plugins = (keyof KnownPlugins extends never
  ? { readonly [pluginOrName: string]: AnyQueries & AnyCall }
  : KnownPlugins) & {
  readonly self: keyof Self extends never ? AnyQueries : Self
}

/** What an export is that is neither a query nor a view: nobody calls it. */
export interface NeitherQueryNorView {
  readonly kind: string
}

/**
 * The queries and views among a plugin's own exports. Those of `Known` are called as that says; one that was
 * written since is called as {@link AnyCall}.
 */
export type SelfOf<Exports, Known> = {
  readonly [Name in keyof Exports]: Name extends keyof Known
    ? Known[Name]
    : Exports[Name] extends Query | View
      ? AnyCall
      : NeitherQueryNorView
} & { readonly collection: CollectionCall }

/** What a query of the plugin itself resolves with. */
export type ResultOf<Endpoint> = Endpoint extends Query<infer Result> ? Result : unknown

/** What a property of the plugin itself comes to, in an event. */
export type DerivedBy<Endpoint> = Endpoint extends Property<infer Result> ? AsJson<Result> : unknown

/** What is left of a value in JSON. */
type AsJson<Value> = Value extends Date
  ? string
  : Value extends readonly (infer Item)[]
    ? readonly AsJson<Item>[]
    : Value extends object
      ? { readonly [Key in keyof Value]: AsJson<Value[Key]> }
      : Value
