import type { Delivered, SendOptions } from './send.ts'

/** How to reach a host. */
export interface ConnectOptions {
  /** A token of the host: `npx lyceum token researcher --course …`. */
  readonly token: string
  /** How long one call may take in all, in ms; 30,000 unless told. */
  readonly timeoutMs?: number
}

/** Dimensions and parameters of a query, by name. */
export type Arguments = Readonly<Record<string, string | number | boolean | Date | undefined>>

/** What somebody wants of one call. */
export interface CallOptions {
  readonly signal?: AbortSignal
  /** In place of the client's. */
  readonly timeoutMs?: number
  /** Where answers are kept: `refresh` for a new one, `only` for none but a kept one. */
  readonly cache?: 'refresh' | 'only'
  /** The sample that the author of the query gave, in place of data. */
  readonly sample?: boolean
}

/** A result, and where it comes from. */
export interface Answer<Result = unknown> {
  readonly result: Result
  readonly plugin: string
  readonly version: string
  /** The number of the event up to which the data are; undefined for a sample. */
  readonly logPosition: number | undefined
  /** For how long the answer was kept, in seconds; undefined where it was made for this call. */
  readonly ageSeconds: number | undefined
  readonly isSample: boolean
}

type Given<Args extends object> = Record<never, never> extends Args ? [args?: Args] : [args: Args]

/** A query that the host has; or a common name, which is called itself. */
export type Ask<Args extends object = Arguments, Result = unknown> = <T = Result>(
  ...given: [...Given<Args>, options?: CallOptions]
) => Promise<T>

/** A plugin of which nothing is known; it may be a common name. */
export type AnyPlugin = Ask & { readonly [query: string]: Ask }

/**
 * The plugins and common names of a host, for TypeScript. It is empty, and any may be asked, until
 * `lyceum types --client FILE` writes a declaration that adds them.
 */
// biome-ignore lint/suspicious/noEmptyInterface: generated types add to it
export interface HostPlugins {}

/** What of a host is known: its plugins, or anything. */
type Known<Plugins> = keyof Plugins extends never ? { readonly [plugin: string]: AnyPlugin } : Plugins

/** A parameter of a query. */
export interface ParamInfo {
  readonly type: 'string' | 'number' | 'boolean' | 'date' | 'enum'
  readonly required: boolean
  readonly default?: string | number | boolean
  readonly values?: readonly string[]
  readonly min?: number
  readonly max?: number
}

/** A query or a view, as a host tells. */
export interface EndpointInfo {
  readonly name: string
  readonly title: string
  readonly description: string
  /** All are needed but `user`, which may be left out where there is only one that it can be. */
  readonly dimensions: readonly string[]
  readonly params: Readonly<Record<string, ParamInfo>>
  /** Its address on the host. */
  readonly href: string
}

/** A plugin that a token reaches, with what may be asked of it. */
export interface PluginInfo {
  readonly id: string
  readonly version: string
  readonly queries: readonly EndpointInfo[]
  readonly views: readonly EndpointInfo[]
}

/** What a token reaches on a host. */
export interface HostInfo {
  readonly plugins: readonly PluginInfo[]
  readonly names: readonly { readonly name: string; readonly plugin: string; readonly query: string }[]
}

/** What every client can, whatever plugins there are. A plugin of the same name is asked with {@link Calls.query}. */
export interface Calls {
  /** The address of the host. */
  readonly url: string
  /**
   * The result of a query, as JSON: dates are texts. Without a query the first name is a common name.
   *
   * @example await lyceum.query('grades', 'top', { course, limit: 5 })
   * @throws {HostError} what the host refused; `timed_out`, `server_unreachable`
   */
  query<T = unknown>(plugin: string, query: string, args?: Arguments, options?: CallOptions): Promise<T>
  query<T = unknown>(commonName: string, args?: Arguments, options?: CallOptions): Promise<T>
  /** The result of a query, and where it comes from. */
  answer<T = unknown>(
    plugin: string,
    query: string,
    args?: Arguments,
    options?: CallOptions,
  ): Promise<Answer<T>>
  /** The result as CSV, for a spreadsheet: a row for each item. */
  csv(plugin: string, query: string, args?: Arguments, options?: CallOptions): Promise<string>
  /** The plugins that the token reaches, with their queries and views. From then on `Object.keys` lists them. */
  plugins(options?: Pick<CallOptions, 'signal' | 'timeoutMs'>): Promise<readonly PluginInfo[]>
  /** All that the host tells of itself. */
  schema(options?: Pick<CallOptions, 'signal' | 'timeoutMs'>): Promise<HostInfo>
  /** Sends events: objects, or lines of a log. See {@link SendOptions}. */
  send(events: Iterable<Event> | AsyncIterable<Event>, options?: SendOptions): Promise<Delivered>
}

/** An event: an object, or its text. */
export type Event = object | string

/** A host: `await lyceum.grades.top({ course })`, and {@link Calls}. */
export type Client<Plugins = HostPlugins> = Calls & Known<Plugins>
