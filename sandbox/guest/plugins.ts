import { Html, html } from '@lyceum/sdk'
import { decode, encode } from '@lyceum/sdk/ejson'
import { type Bridge, OpError } from './bridge.ts'
import type { Source } from './cursor.ts'
import { ReadCollection } from './read-collection.ts'

const { parse } = JSON

/** What stands before the markup of a view. */
interface ViewLine {
  readonly title: string
  /** Whether it is a view of the plugin that asks. */
  readonly own: boolean
}

/**
 * Only what the handler named: `plugins.<plugin>.<query or view>(args)`, `plugins.<plugin>.collection(name)` and
 * `plugins.<common name>(args)`. Which of them there are, the host knows.
 */
export function openPlugins(bridge: Bridge, names: readonly string[]): Record<string, unknown> {
  const plugins: Record<string, unknown> = Object.create(null)
  for (const name of names) plugins[name] = openPlugin(bridge, name)
  return plugins
}

function openPlugin(bridge: Bridge, name: string): unknown {
  const ask = async (endpoint: string, args: unknown = {}, options?: unknown) => {
    bridge.flush()
    const request = [name, endpoint, args]
    if (options !== undefined) request.push(options)
    return answerOf(await bridge.call('pluginAsk', encode(request)))
  }
  const clear = async (query: string) => {
    await bridge.call('queryClear', encode([name, query]))
  }
  // A function, since a common name is called itself; what functions inherit is not among a plugin's queries.
  const callable: () => void = Object.setPrototypeOf(() => {}, null)
  return new Proxy(callable, {
    apply: (_, __, [args, options]) => ask('', args, options),
    get: (_, endpoint) => {
      // A promise that resolves with this object would otherwise ask for `then`.
      if (typeof endpoint !== 'string' || endpoint === 'then') return undefined
      if (endpoint === 'collection') return (collection: unknown) => openCollection(bridge, name, collection)
      const call = (args: unknown, options?: unknown) => ask(endpoint, args, options)
      return Object.assign(call, { clear: () => clear(endpoint) })
    },
  })
}

/** A collection that its plugin lets this one read. Its rows come whole: no store keeps a cursor for a stranger. */
function openCollection(bridge: Bridge, name: string, collection: unknown): ReadCollection {
  if (typeof collection !== 'string')
    throw new OpError({ code: 'op_malformed', message: 'collection(name): the name is a string.' })
  const read = (request: string) => bridge.call('pluginRead', `${name}\n${request}`)
  const source: Source = {
    read,
    open: async (request) => `0\n${await read(request)}`,
    more: () => Promise.resolve('0\n[]'),
    close: () => {},
  }
  return new ReadCollection(source, collection)
}

/** What a query returned; or a view, behind a line that says which. */
function answerOf(text: string): unknown {
  if (text.startsWith('\n')) return decode(text)
  const end = text.indexOf('\n')
  const { title, own }: ViewLine = parse(text.slice(0, end))
  const inside = text.slice(end + 1)
  // Another plugin's markup gets a document of its own: in this one its script could read what this view shows.
  return own
    ? new Html(inside)
    : html`<iframe sandbox="allow-scripts" title="${title}" data-lyceum-view="${inside}"></iframe>`
}
