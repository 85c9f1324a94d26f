import { LIMITS } from '../host/limits.ts'
import { Checker } from '../host/registry/checker.ts'
import type { PluginPackage } from '../host/registry/package.ts'
import type { Endpoint } from '../host/registry/plugin.ts'
import { derivedName } from '../host/registry/property-names.ts'
import { readBundle } from '../host/registry/read-bundle.ts'
import { shownPlugin } from '../host/registry/shown.ts'
import { endpointsOf } from '../host/registry/version.ts'
import { Supervisor } from '../sandbox/supervisor.ts'
import { bundlePlugin, type PluginBundle } from './bundle.ts'
import { type HostSchema, parseHostSchema } from './host-schema.ts'

/**
 * What a host would tell of the plugin in a folder, without one: its code is read and loaded as at a publish. What it
 * asks for need not be there.
 * @param from the folder, or what was bundled already
 * @throws {LyceumError} what the author has to change, and where
 */
export async function ownSchema(from: string | PluginBundle): Promise<HostSchema> {
  const bundled = typeof from === 'string' ? await bundlePlugin(from) : from
  const { bundle, sourceMap, package: about } = bundled
  const checker = new Checker(() => {})
  const supervisor = new Supervisor({
    sandboxes: 1,
    rssCapMb: LIMITS.sandboxRssMb,
    heartbeatMs: LIMITS.heartbeatLostMs,
    maxIsolates: LIMITS.isolatesPerSandbox,
    probationSandboxes: 1,
    idleMs: LIMITS.sandboxIdleMs,
    onOutput: () => {},
    onLoss: () => {},
  })
  try {
    const { stored } = await readBundle(about.name, Buffer.from(bundle), sourceMap, {
      checker,
      supervisor,
    })
    return schemaOf(about, [...endpointsOf(stored).values()])
  } finally {
    supervisor.close()
    checker.close()
  }
}

/** The same of endpoints that are known. */
export function schemaOf(
  { name, version }: Pick<PluginPackage, 'name' | 'version'>,
  endpoints: readonly Endpoint[],
): HostSchema {
  return parseHostSchema({
    plugins: [shownPlugin(name, version, endpoints)],
    names: [],
    properties: endpoints.flatMap((endpoint) =>
      endpoint.kind === 'property'
        ? [
            {
              name: derivedName(endpoint.options.namespace, endpoint.name),
              providers: [{ plugin: name, description: endpoint.description }],
            },
          ]
        : [],
    ),
  })
}
