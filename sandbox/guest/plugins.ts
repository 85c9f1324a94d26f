import { decode, encode } from '@lyceum/sdk/ejson'
import type { Bridge } from './bridge.ts'

/** `plugins.<name>.<query>(args)`: only the plugins that the handler named; which queries they have, the host knows. */
export function openPlugins(bridge: Bridge, names: readonly string[]): Record<string, unknown> {
  const plugins: Record<string, unknown> = Object.create(null)
  for (const name of names)
    plugins[name] = new Proxy(Object.create(null), {
      get: (_, query) => {
        // A promise that resolves with this object would otherwise ask for `then`.
        if (typeof query !== 'string' || query === 'then') return undefined
        return async (args: unknown = {}) => {
          bridge.flush()
          return decode(await bridge.call('pluginQuery', encode([name, query, args])))
        }
      },
    })
  return plugins
}
