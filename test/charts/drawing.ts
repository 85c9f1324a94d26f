import type { OpContext } from '../../host/capabilities/capability.ts'
import { CallTree } from '../../host/dispatch/call-tree.ts'
import { LyceumError } from '../../host/errors.ts'
import type { TestHost } from '../support/host.ts'

/** What is drawn of a chart. */
export interface Drawing {
  readonly svg: string
  readonly vega: Readonly<Record<string, unknown>>
}

/**
 * Draws a specification as the view of a plugin would have it drawn, without the plugin.
 * @param as the plugin that it is charged to
 * @param spec as an object or as its text
 * @param cpuMs what the view has left
 */
export async function draw(lyceum: TestHost, as: string, spec: unknown, cpuMs: number): Promise<Drawing> {
  const active = lyceum.host.plugins.get('charts')
  const plugin = { ...active, id: as, quota: { ...active.quota, cpuMsPerCall: cpuMs } }
  const endpoint = plugin.endpoints.get('empty')
  if (endpoint === undefined) throw new Error('publish DRAWER first')
  const text = typeof spec === 'string' ? spec : JSON.stringify(spec)
  const input = Buffer.from(JSON.stringify({ named: JSON.stringify({ spec: text }) }))
  for (;;) {
    const context: OpContext = {
      plugin,
      endpoint,
      caller: undefined,
      transaction: undefined,
      tree: new CallTree(plugin.quota),
      depth: 0,
      deadlineMs: performance.now() + plugin.quota.wallMs,
      onEnd: () => {},
    }
    try {
      return JSON.parse(String(await lyceum.host.charts.op(input, context)))
    } catch (error) {
      // Its process went for what another did, and a view would be asked again.
      if (!(error instanceof LyceumError && error.code === 'sandbox_lost')) throw error
    }
  }
}

/** The plugin `charts`, for which {@link draw} draws. */
export const DRAWER = `import { view } from '@lyceum/sdk'\nexport const empty = view(() => '')`
