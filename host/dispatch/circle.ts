import { encode } from '@lyceum/sdk/ejson'
import type { CallContext } from '../capabilities/capability.ts'
import { LyceumError } from '../errors.ts'
import type { ActivePlugin } from '../registry/plugin.ts'

/**
 * Refuses a call that could only go on for ever: one that comes back to an endpoint through another plugin, which
 * neither of the two authors sees, or that asks again what it was asked. A query that asks itself for something
 * else ends by itself, or is too deep.
 * @throws {LyceumError} call_circle, which names the way
 */
export function refuseCircle(context: CallContext): void {
  const way = [context]
  let leaves = false
  for (let by = context.asking; by !== undefined; by = by.asking) {
    way.unshift(by)
    leaves ||= by.plugin.id !== context.plugin.id
    if (by.plugin.id !== context.plugin.id || by.endpoint.name !== context.endpoint.name) continue
    if (leaves || encode({ ...by.named }) === encode({ ...context.named }))
      throw new LyceumError(
        'call_circle',
        `Plugins call each other in a circle: ${wayOf(way)}. Take one of these calls out.`,
      )
  }
}

/**
 * A plugin as it is known where a call is made: while it is rebuilt, whatever its handlers ask of it, on whatever way,
 * is answered from the data that are being built.
 */
export function knownIn(context: CallContext | undefined, id: string): ActivePlugin | undefined {
  for (let by = context; by !== undefined; by = by.asking) if (by.plugin.id === id) return by.plugin
  return undefined
}

/**
 * Tells apart the data that a call answers from, where what it makes of them is kept: those of its plugin, and where
 * it is asked on behalf of one that is rebuilt, those that are being built, which others must not see.
 */
export function dataOf(context: CallContext): string {
  const { generation } = context.plugin.store
  let first = context
  while (first.asking !== undefined) first = first.asking
  const { id, isBuilding, store } = first.plugin
  return isBuilding && first !== context ? `${generation}~${id}.${store.generation}` : String(generation)
}

/** `report.page → grades.top → report.page` */
function wayOf(way: readonly CallContext[]): string {
  return way.map(({ plugin, endpoint }) => `${plugin.id}.${endpoint.name}`).join(' → ')
}
