/** Opens a workbench, uses it, and never closes it. With an argument it stays until it is told to stop. */
import { openWorkbench } from '../../workbench/workbench.ts'

const [dir = '', stays] = process.argv.slice(2)
const bench = await openWorkbench({ dir })
await bench.publish()
const { dataDir } = bench.host.config
const pids = [...bench.host.supervisor.pids, ...bench.host.stores.pids]
if (stays) setInterval(() => {}, 60_000)
process.stdout.write(`${JSON.stringify({ dataDir, pids })}\n`)
