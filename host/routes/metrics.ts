import { createRoute, z } from '@hono/zod-openapi'
import { Counter, Gauge, Registry } from 'prom-client'
import type { App } from '../app.ts'
import type { Host } from '../host.ts'
import { LIMITS, QUOTA_NAMES } from '../limits.ts'
import { quickQuotaUse } from '../plugin-report.ts'
import type { Usage } from '../registry/plugin.ts'

const USAGE: readonly (readonly [name: string, help: string, read: (usage: Usage) => number])[] = [
  ['lyceum_plugin_calls_total', 'Calls of endpoints', (usage) => usage.calls],
  ['lyceum_plugin_failures_total', 'Calls that failed', (usage) => usage.failures],
  ['lyceum_plugin_cpu_seconds_total', 'CPU time in isolates', (usage) => usage.cpuMs / 1000],
  ['lyceum_plugin_store_cpu_seconds_total', 'CPU time in stores', (usage) => usage.storeCpuMs / 1000],
  ['lyceum_plugin_ops_total', 'Operations over the bridge', (usage) => usage.ops],
  ['lyceum_plugin_bytes_total', 'Bytes that guests sent over the bridge', (usage) => usage.bytes],
  ['lyceum_plugin_events_total', 'Events handled', (usage) => usage.events],
]

const route = createRoute({
  method: 'get',
  path: '/metrics',
  summary: 'Counters and gauges, in the text format of Prometheus',
  responses: { 200: { description: 'Metrics', content: { 'text/plain': { schema: z.string() } } } },
})

/** What monitoring scrapes, in the format of Prometheus. Everything is read when asked for. */
export function addMetrics(app: App, host: Host): void {
  app.openAPIRegistry.registerPath(route)
  app.get('/metrics', async (c) => {
    const registry = new Registry()
    const head = host.log.head()
    new Gauge({ name: 'lyceum_log_position', help: 'Newest event of the log', registers: [registry] }).set(
      head,
    )
    new Gauge({ name: 'lyceum_child_processes', help: 'Sandboxes and stores', registers: [registry] }).set(
      host.supervisor.pids.length + host.stores.pids.length,
    )
    new Gauge({
      name: 'lyceum_resident_bytes',
      help: 'Memory of the host process',
      registers: [registry],
    }).set(process.memoryUsage.rss())
    addPluginMetrics(registry, host)
    c.header('Content-Type', registry.contentType)
    return c.body(await registry.metrics())
  })
}

/**
 * Of each plugin that has done anything since the start; the others say nothing that changes. Beyond a number of
 * plugins the rest is only counted, so that no monitoring drowns.
 */
function addPluginMetrics(registry: Registry, host: Host): void {
  const registers = [registry]
  const used = [...host.plugins.active()].filter(([, { usage }]) => usage.calls > 0 || usage.storeCpuMs > 0)
  const shown = used.slice(0, LIMITS.pluginsMeasured)
  new Gauge({ name: 'lyceum_plugins', help: 'Active plugins', registers }).set(host.plugins.active().size)
  new Gauge({
    name: 'lyceum_plugins_unlisted',
    help: 'Plugins at work that are left out of what is told by plugin',
    registers,
  }).set(used.length - shown.length)
  for (const [name, help, read] of USAGE) {
    const counter = new Counter({ name, help, labelNames: ['plugin'], registers })
    for (const [plugin, { usage }] of shown) counter.inc({ plugin }, read(usage))
  }
  const lag = new Gauge({
    name: 'lyceum_handler_lag_events',
    help: 'Events of the log that a handler is behind',
    labelNames: ['plugin', 'endpoint'],
    registers,
  })
  const quarantined = new Gauge({
    name: 'lyceum_plugin_quarantined',
    help: '1 where a plugin was stopped for misbehaving',
    labelNames: ['plugin'],
    registers,
  })
  const quotas = new Gauge({
    name: 'lyceum_plugin_quota',
    help: 'What a plugin may use, in the unit of the quota',
    labelNames: ['plugin', 'quota'],
    registers,
  })
  const use = new Gauge({
    name: 'lyceum_plugin_quota_used',
    help: 'What a plugin uses of its quota now, in the unit of the quota',
    labelNames: ['plugin', 'quota'],
    registers,
  })
  const head = host.log.head()
  for (const [plugin, { quota }] of shown) {
    quarantined.set({ plugin }, host.conduct.of(plugin).quarantined === undefined ? 0 : 1)
    for (const { endpoint, cursor } of host.lane.status(plugin)) lag.set({ plugin, endpoint }, head - cursor)
    const measured = quickQuotaUse(host, plugin)
    for (const name of QUOTA_NAMES) {
      const value = measured[name]
      if (value === undefined) continue
      quotas.set({ plugin, quota: name }, quota[name])
      use.set({ plugin, quota: name }, value)
    }
  }
}
