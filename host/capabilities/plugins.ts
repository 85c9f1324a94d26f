import { decode } from '@lyceum/sdk/ejson'
import { z } from 'zod'
import { LyceumError } from '../errors.ts'
import type { CallContext, OpImplementation } from './capability.ts'

/** Arguments of a query are parameters, not data: a few short values. */
const REQUEST_BYTES = 16 * 1024

const Request = z.tuple([z.string(), z.string(), z.record(z.string(), z.unknown())])

/** Answers a query for another plugin, as the same caller. Resolves with EJSON. */
export type AskQuery = (
  plugin: string,
  query: string,
  args: Readonly<Record<string, unknown>>,
  asking: CallContext,
) => Promise<Buffer>

/** `plugins.<name>.<query>(args)`: only the names that the handler listed, and of others only what was approved. */
export function pluginQueryOp(ask: AskQuery): OpImplementation {
  return (payload, context) => {
    if (payload.length > REQUEST_BYTES)
      throw new LyceumError('op_malformed', `The arguments of a query have at most ${REQUEST_BYTES} bytes.`)
    const parsed = Request.safeParse(ejsonOf(payload))
    if (!parsed.success)
      throw new LyceumError('op_malformed', 'Call a query with one object: plugins.self.top({ course })')
    const [name, query, args] = parsed.data
    const { endpoint, plugin } = context
    if (!endpoint.plugins.includes(name))
      throw new LyceumError(
        'op_denied',
        `"${name}" is not among the plugins that ${endpoint.name} destructures.`,
      )
    if (name !== 'self' && name !== plugin.id && !plugin.granted.includes(`plugins.${name}`))
      throw new LyceumError(
        'op_denied',
        `An admin has not approved that ${plugin.id} asks the plugin "${name}".`,
      )
    return ask(name === 'self' ? plugin.id : name, query, args, context).catch(withoutDetails)
  }
}

/** Details are for people: among them is the stack of the plugin that was asked, which is not the asker's to see. */
function withoutDetails(error: unknown): never {
  throw error instanceof LyceumError ? new LyceumError(error.code, error.message) : error
}

function ejsonOf(payload: Buffer): unknown {
  try {
    return decode(payload.toString())
  } catch {
    throw new LyceumError('op_malformed', 'The arguments of a query are not well formed.')
  }
}
