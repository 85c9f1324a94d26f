/**
 * Opens a host on the folder that the first argument names, prints its resident memory in bytes once it
 * rests, and ends. Run with --expose-gc, so that what the start left behind does not count.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { loadConfig } from '../../host/config.ts'
import { openHost } from '../../host/host.ts'

const REST_MS = 300

const host = await openHost(loadConfig({}, { data: process.argv[2], port: '0', logLevel: 'silent' }))
while (!host.lane.quiet) await sleep(5)
for (let turn = 0; turn < 3; turn++) {
  await sleep(REST_MS)
  globalThis.gc?.()
}
console.log(process.memoryUsage.rss())
await host.close()
process.exit(0)
