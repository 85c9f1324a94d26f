import { join } from 'node:path'
import type { Lane } from '../../host/dispatch/lane.ts'
import { bundlePlugin } from '../../workbench/bundle.ts'
import { startHost, type TestHost } from '../support/host.ts'
import { Client } from './client.ts'
import { bodiesOf } from './events.ts'
import { perSecond } from './harness.ts'

const PLUGIN = join(import.meta.dirname, 'plugin')
const SENDERS = 4
const POLL_MS = 1

/** A host in this process with the benchmarks' plugin, and a client that may do everything. */
export interface BenchHost extends TestHost {
  readonly client: Client
}

/** Runs work with a host of its own and takes the host away again. */
export async function withHost<Result>(
  work: (bench: BenchHost) => Promise<Result>,
  dataDir?: string,
): Promise<Result> {
  const started = await startHost(dataDir)
  const client = new Client(started.url, await started.token({ role: 'admin' }))
  try {
    await quiet(started.host.lane)
    const bundled = await bundlePlugin(PLUGIN)
    const answer = await started.call('POST', `/v1/plugins/${bundled.package.name}/versions`, {
      body: bundled,
    })
    if (answer.status !== 201) throw new Error(`the plugin was refused: ${answer.text}`)
    return await work({ ...started, client })
  } finally {
    client.close()
    await started.dispose()
  }
}

/** Events of a type a second, from the first request until their handlers in `lane` have committed. */
export function throughput(bench: BenchHost, lane: Lane, type: string, events: number): Promise<number> {
  const bodies = bodiesOf(type, events)
  return perSecond(events, async () => {
    await bench.client.postAll('/v1/events', bodies, SENDERS)
    await quiet(lane)
  })
}

export async function quiet(lane: Lane): Promise<void> {
  while (!lane.quiet) await new Promise((resolve) => setTimeout(resolve, POLL_MS))
}
