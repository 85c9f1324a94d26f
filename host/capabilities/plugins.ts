import { decode } from '@lyceum/sdk/ejson'
import { z } from 'zod'
import type { CacheUse } from '../cache/answers.ts'
import { knownIn } from '../dispatch/circle.ts'
import { LyceumError } from '../errors.ts'
import type { CommonNames } from '../registry/common-names.ts'
import { type ActivePlugin, readableBy } from '../registry/plugin.ts'
import type { Plugins } from '../registry/plugins.ts'
import type { CallContext, OpImplementation } from './capability.ts'

/** Arguments of a query are parameters, not data: a few short values. */
const REQUEST_BYTES = 16 * 1024
/** A name, before a read of a collection. */
const NAME_BYTES = 64
const NEWLINE = 10

const Options = z.strictObject({ cache: z.enum(['refresh', 'only']).optional() })
const Request = z.tuple([z.string(), z.string(), z.record(z.string(), z.unknown()), Options.optional()])
const ClearRequest = z.tuple([z.string(), z.string()])

/** What another plugin answered. */
export interface PluginAnswer {
  /** A query's result as EJSON, or a view's markup. From a plugin: never trusted. */
  readonly result: Buffer
  readonly plugin: string
  readonly kind: 'view' | 'query'
  readonly title: string
}

/** Asks a query or view for another plugin, as the same caller. */
export type AskPlugin = (
  plugin: string,
  endpoint: string,
  args: Readonly<Record<string, unknown>>,
  asking: CallContext,
  use?: CacheUse,
) => Promise<PluginAnswer>

export interface PluginServices {
  readonly ask: AskPlugin
  /** Forgets the kept answers of a query. */
  readonly clear: (plugin: ActivePlugin, query: string) => void
  readonly plugins: Pick<Plugins, 'get'>
  readonly names: Pick<CommonNames, 'has' | 'resolve'>
}

/** `plugins.<plugin>.<query or view>(args)` and `plugins.<common name>(args)`. */
export function pluginAskOp({ ask, names }: PluginServices): OpImplementation {
  const targetOf = (name: string, endpoint: string, context: CallContext): [string, string] => {
    if (names.has(name)) {
      if (endpoint !== '')
        throw new LyceumError(
          'op_malformed',
          `"${name}" is a common name of queries. Call it: ${name}({ … })`,
        )
      const { plugin, query } = names.resolve(name)
      return [plugin.id, query.name]
    }
    if (endpoint === '')
      throw new LyceumError(
        'op_malformed',
        `"${name}" is a plugin. Call one of its queries or views: ${name}.top({ … })`,
      )
    return [name === 'self' ? context.plugin.id : name, endpoint]
  }
  return async (payload, context) => {
    if (payload.length > REQUEST_BYTES)
      throw new LyceumError('op_malformed', `The arguments of a query have at most ${REQUEST_BYTES} bytes.`)
    const parsed = Request.safeParse(ejsonOf(payload))
    if (!parsed.success)
      throw new LyceumError('op_malformed', 'Call a query with one object: plugins.self.top({ course })')
    const [name, endpoint, args, options] = parsed.data
    checkApproved(name, context)
    try {
      const { result, plugin, kind, title } = await ask(
        ...targetOf(name, endpoint, context),
        args,
        context,
        options?.cache,
      )
      const own = plugin === context.plugin.id
      return [kind === 'view' ? JSON.stringify({ title, own }) : '', result]
    } catch (error) {
      // Details are for people: among them is the stack of the plugin that was asked, not the asker's to see.
      throw error instanceof LyceumError ? new LyceumError(error.code, error.message) : error
    }
  }
}

/** `plugins.<plugin>.collection(name)`: the plugin's name, and behind a newline a read op as of `db`. */
export function pluginReadOp({ plugins, names }: PluginServices): OpImplementation {
  return async (payload, context) => {
    const end = payload.subarray(0, NAME_BYTES).indexOf(NEWLINE)
    if (end < 0) throw new LyceumError('op_malformed', 'A read of a collection begins with a plugin.')
    const name = payload.toString('latin1', 0, end)
    const op = payload.subarray(end + 1)
    checkApproved(name, context)
    const { plugin, tree } = context
    if (name === 'self' || name === plugin.id) return plugin.store.read(op, tree.deadlineMs)
    if (names.has(name))
      throw new LyceumError('op_denied', `"${name}" is a common name of queries: it has no collections.`)
    const active = plugins.get(name)
    const owner = knownIn(context, name) ?? active
    const collections = readableBy(owner, plugin.id)
    if (collections.length === 0)
      throw new LyceumError(
        'op_denied',
        `${name} lets ${plugin.id} read none of its collections. Its author names who may: collection({ read: ['${plugin.id}'] }).`,
      )
    const rows = await owner.store.readBy(plugin.store, op, collections, tree.deadlineMs)
    if (owner.isOfSamples) tree.isSample = true
    return rows
  }
}

/** `plugins.self.<query>.clear()`: only of one's own, since whoever clears makes others compute. */
export function queryClearOp({ clear }: Pick<PluginServices, 'clear'>): OpImplementation {
  return (payload, context) => {
    if (payload.length > REQUEST_BYTES) throw new LyceumError('op_malformed', 'The request is too long.')
    const parsed = ClearRequest.safeParse(ejsonOf(payload))
    if (!parsed.success)
      throw new LyceumError('op_malformed', 'Clear a query by its name: plugins.self.top.clear()')
    const [name, query] = parsed.data
    checkApproved(name, context)
    const { plugin, transaction } = context
    if (name !== 'self' && name !== plugin.id)
      throw new LyceumError('op_denied', `The answers of ${name} are not ${plugin.id}'s to clear.`)
    const forget = () => clear(plugin, query)
    forget()
    // Until it commits, others read what was, and their answers may be kept again.
    transaction?.onEnd(forget)
    return ''
  }
}

/** Only the names that the handler listed, and of others only what was approved. */
function checkApproved(name: string, { endpoint, plugin }: CallContext): void {
  if (!endpoint.plugins.includes(name))
    throw new LyceumError(
      'op_denied',
      `"${name}" is not among the plugins that ${endpoint.name} destructures.`,
    )
  if (name !== 'self' && name !== plugin.id && !plugin.granted.includes(`plugins.${name}`))
    throw new LyceumError('op_denied', `An admin has not approved that ${plugin.id} asks "${name}".`)
}

function ejsonOf(payload: Buffer): unknown {
  try {
    return decode(payload.toString())
  } catch {
    throw new LyceumError('op_malformed', 'The arguments of a query are not well formed.')
  }
}
