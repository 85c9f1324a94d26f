import { decode, encode, encodeFilter } from '@lyceum/sdk/ejson'
import type { Bridge } from './bridge.ts'
import { OpError } from './bridge.ts'

/** `replica.<name>`: the replicas that the handler named; which there are, the host knows. */
export function openReplicas(bridge: Bridge): Record<string, unknown> {
  return new Proxy(Object.create(null), {
    get: (_, name) => (typeof name === 'string' && name !== 'then' ? openReplica(bridge, name) : undefined),
  })
}

function openReplica(bridge: Bridge, name: string) {
  const ask = (request: () => string) => new Rows(bridge, () => `${name}\n${request()}`)
  return {
    sql: (texts: unknown, ...values: readonly unknown[]) => {
      // A plain call would make text of what a plugin was given, which is what the template is there to prevent.
      if (!Array.isArray(texts) || !Object.hasOwn(texts, 'raw'))
        throw new OpError({
          code: 'op_malformed',
          message: `Write the statement as a template: ${name}.sql\`SELECT …\`, with values as \${value}.`,
        })
      return ask(() => encode({ sql: [...texts], values: values.map(givenValue) }))
    },
    collection: (collection: unknown) => ({
      find: (filter: unknown = {}, options: object = {}) =>
        ask(() => encodeFilter({ ...options, op: 'find', collection, filter })),
      aggregate: (pipeline: unknown = []) =>
        ask(() => encodeFilter({ op: 'aggregate', collection, pipeline })),
    }),
  }
}

function givenValue(value: unknown, index: number): unknown {
  if (value !== undefined) return value
  throw new OpError({
    code: 'op_malformed',
    message: `Value ${index + 1} of the statement is undefined: use null, or leave it out.`,
  })
}

/**
 * The rows of a query: awaited all at once, or page by page by `for await`. Nothing is asked before either.
 */
export class Rows<Row = unknown> implements PromiseLike<Row[]> {
  readonly #bridge: Bridge
  readonly #request: () => string
  #all: Promise<Row[]> | undefined

  constructor(bridge: Bridge, request: () => string) {
    this.#bridge = bridge
    this.#request = request
  }

  toArray(): Promise<Row[]> {
    this.#all ??= this.#collect()
    return this.#all
  }

  // biome-ignore lint/suspicious/noThenProperty: a query is awaited like the promise of its rows
  then<Kept = Row[], Caught = never>(
    onKept?: ((rows: Row[]) => Kept | PromiseLike<Kept>) | null,
    onCaught?: ((error: unknown) => Caught | PromiseLike<Caught>) | null,
  ): Promise<Kept | Caught> {
    return this.toArray().then(onKept, onCaught)
  }

  catch<Caught = never>(
    onCaught?: ((error: unknown) => Caught | PromiseLike<Caught>) | null,
  ): Promise<Row[] | Caught> {
    return this.toArray().catch(onCaught)
  }

  finally(onEnd?: (() => void) | null): Promise<Row[]> {
    return this.toArray().finally(onEnd)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Row> {
    for await (const page of this.#pages()) yield* page
  }

  async #collect(): Promise<Row[]> {
    const rows: Row[] = []
    for await (const page of this.#pages()) for (const row of page) rows.push(row)
    return rows
  }

  async *#pages(): AsyncGenerator<Row[]> {
    let reply = await this.#bridge.call('replicaQuery', this.#request())
    for (;;) {
      const end = reply.indexOf('\n')
      const more = reply.slice(0, end)
      let wasLeft = true
      try {
        yield decode(reply.slice(end + 1)) as Row[]
        wasLeft = false
      } finally {
        if (wasLeft && more !== '') this.#bridge.post('replicaEnd', more)
      }
      if (more === '') return
      reply = await this.#bridge.call('replicaNext', more)
    }
  }
}
