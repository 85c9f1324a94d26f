import { HostError } from './error.ts'
import { csvOf, hostInfoOf, jsonOf } from './read.ts'
import { type Asked, request, type Target } from './request.ts'
import { sendEvents } from './send.ts'
import type { Answer, Arguments, CallOptions, Calls, Client, ConnectOptions, HostPlugins } from './types.ts'

const TIMEOUT_MS = 30_000

/**
 * A Lyceum host, for programs. Nothing is asked yet.
 *
 * @param url such as `https://lyceum.example.edu`
 * @example
 * const lyceum = connect('https://lyceum.example.edu', { token })
 * const best = await lyceum.grades.top({ course: 'course-v1:edX+DemoX+2026', limit: 5 })
 * @throws {HostError} bad_parameter where that is no address, or no token
 */
export function connect<Plugins = HostPlugins>(url: string, options: ConnectOptions): Client<Plugins> {
  if (!/^https?:$/.test(URL.parse(url)?.protocol ?? ''))
    throw new HostError('bad_parameter', `The address "${url}" must look like https://lyceum.example.edu.`)
  const { timeoutMs = TIMEOUT_MS } = options
  // In JavaScript it may be a variable of the environment that is not there.
  const token = options.token?.trim() ?? ''
  // Where it cannot be sent the error would show it, and errors come into logs.
  if (!/^[\w.~+/-]+=*$/.test(token))
    throw new HostError(
      'bad_parameter',
      'The token is one word of letters, digits, dots and dashes; this one is not, or is missing.',
    )
  const known: Known = { queries: new Map(), names: [] }
  const calls = callsOf({ url: url.replace(/\/+$/, ''), token, timeoutMs }, known)
  return namesOf<Client<Plugins>>(
    calls,
    () => [...known.queries.keys(), ...known.names],
    (name) => pluginOf(name, calls, known),
  )
}

/** What the host has told so far. */
interface Known {
  queries: ReadonlyMap<string, readonly string[]>
  names: readonly string[]
}

function callsOf(target: Target, known: Known): Calls {
  const get = (path: string, { signal, timeoutMs }: CallOptions, headers: Asked['headers']): Asked => ({
    path,
    signal,
    timeoutMs,
    ...(headers && { headers }),
  })
  const ask = <T>(path: string, args: Arguments = {}, options: CallOptions = {}): Promise<Answer<T>> =>
    request(target, get(path + searchOf(args), options, headersOf(options)), async (answer) => ({
      result: await jsonOf(answer),
      plugin: answer.headers.get('lyceum-plugin') ?? decodeURIComponent(path.split('/')[3] ?? ''),
      version: answer.headers.get('lyceum-version') ?? '',
      logPosition: numberOf(answer.headers.get('lyceum-log-position')),
      ageSeconds: numberOf(answer.headers.get('age')),
      isSample: answer.headers.get('lyceum-sample') === 'true',
    }))
  const schema: Calls['schema'] = async (options = {}) => {
    const told = await request(target, get('/v1/schema', options, undefined), hostInfoOf)
    known.queries = new Map(told.plugins.map(({ id, queries }) => [id, queries.map(({ name }) => name)]))
    known.names = told.names.map(({ name }) => name)
    return told
  }
  async function query<T>(name: string, ...rest: OfPlugin | OfCommonName): Promise<T> {
    const [path, args, options] = isOfPlugin(rest)
      ? [pathOf(name, rest[0]), rest[1], rest[2]]
      : [pathOf(name), rest[0], rest[1]]
    return (await ask<T>(path, args, options)).result
  }
  return {
    url: target.url,
    query,
    answer: (plugin, name, args, options) => ask(pathOf(plugin, name), args, options),
    csv: (plugin, name, args = {}, options = {}) =>
      request(
        target,
        get(pathOf(plugin, name) + searchOf(args), options, { ...headersOf(options), accept: 'text/csv' }),
        csvOf,
      ),
    schema,
    plugins: async (options) => (await schema(options)).plugins,
    send: (events, options = {}) => sendEvents(target, events, options),
  }
}

/** `lyceum.grades`: its queries by name; called itself, it is a common name. */
function pluginOf(name: string, calls: Calls, known: Known): unknown {
  const callable: () => void = Object.setPrototypeOf(
    (args?: Arguments, options?: CallOptions) => calls.query(name, args, options),
    null,
  )
  return namesOf(
    callable,
    () => known.queries.get(name) ?? [],
    (query) => (args?: Arguments, options?: CallOptions) => calls.query(name, query, args, options),
  )
}

/** An object that has whatever name it is asked for, which no type of a Proxy can say, and lists those that are known. */
export function namesOf<Result extends object>(
  own: object,
  list: () => readonly string[],
  get: (name: string) => unknown,
): Result {
  const keys = () => [...new Set([...Object.keys(own), ...list()])]
  return new Proxy(own, {
    get: (target, name) => {
      if (Object.hasOwn(target, name) && typeof target !== 'function') return Reflect.get(target, name)
      // A promise that resolves with this object asks for `then`, JSON for `toJSON`; no plugin is called so.
      return typeof name === 'string' && NAME.test(name) && !RESERVED.has(name) ? get(name) : undefined
    },
    has: (_, name) => typeof name === 'string' && keys().includes(name),
    ownKeys: keys,
    getOwnPropertyDescriptor: (_, name) => {
      if (typeof name !== 'string' || !keys().includes(name)) return undefined
      const listed = { configurable: true, enumerable: true }
      // Whoever lists names does not ask for what they stand for, which may be refused.
      return Object.hasOwn(own, name)
        ? { ...listed, value: Reflect.get(own, name) }
        : { ...listed, get: () => get(name) }
    },
  }) as Result
}

const NAME = /^[a-z][A-Za-z0-9]*$/
const RESERVED: ReadonlySet<string> = new Set(['then', 'toJSON', 'constructor', 'prototype', 'arguments'])

type OfPlugin = [query: string, args?: Arguments, options?: CallOptions]
type OfCommonName = [args?: Arguments, options?: CallOptions]

function isOfPlugin(rest: OfPlugin | OfCommonName): rest is OfPlugin {
  return typeof rest[0] === 'string'
}

function pathOf(...names: readonly string[]): string {
  return `/v1/queries/${names.map(encodeURIComponent).join('/')}`
}

function searchOf(args: Arguments): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(args))
    if (value !== undefined) search.append(name, value instanceof Date ? value.toISOString() : String(value))
  return search.size === 0 ? '' : `?${search}`
}

function headersOf({ cache, sample }: CallOptions): Record<string, string> {
  return {
    ...(cache !== undefined && { 'cache-control': cache === 'refresh' ? 'no-cache' : 'only-if-cached' }),
    ...(sample === true && { prefer: 'sample' }),
  }
}

function numberOf(header: string | null): number | undefined {
  return header === null ? undefined : Number(header)
}
