import { execFile } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { throughput, withHost } from '../bench-host.ts'
import { type Figure, median, pairs, ratio } from '../harness.ts'
import { idleFolder } from '../idle-folder.ts'

const PLUGINS = 1_000
const EVENTS = 20_000
const TURNS = 5
const MEMORY_TURNS = 1
const BYTES_PER_MB = 1024 * 1024
const HOST_MEMORY = join(import.meta.dirname, '../host-memory.ts')
const run = promisify(execFile)

/** What plugins cost the others that have nothing to do. */
export const idleThroughput: Figure = {
  name: 'pipeline beside 1,000 idle plugins ÷ alone',
  unit: 'ratio',
  goal: 0.97,
  better: 'higher',
  measure: async () => {
    const folder = await idleFolder(PLUGINS)
    return withHost(
      (crowded) =>
        withHost(async (alone) =>
          ratio(
            await pairs(
              TURNS,
              () => throughput(crowded, crowded.host.lane, 'bench_loop', EVENTS),
              () => throughput(alone, alone.host.lane, 'bench_loop', EVENTS),
            ),
          ),
        ),
      folder,
    )
  },
}

/** Memory that they take in the host. */
export const idleMemory: Figure = {
  name: 'host memory for 1,000 idle plugins',
  unit: 'MB',
  goal: 20,
  better: 'lower',
  measure: async () => {
    const [crowded, alone] = [await idleFolder(PLUGINS), await idleFolder(0)]
    try {
      const both = await pairs(
        MEMORY_TURNS,
        () => residentMb(crowded),
        () => residentMb(alone),
      )
      return median(both.map(({ a, b }) => a - b))
    } finally {
      await rm(crowded, { recursive: true, force: true })
      await rm(alone, { recursive: true, force: true })
    }
  },
}

async function residentMb(folder: string): Promise<number> {
  const { stdout } = await run(process.execPath, ['--expose-gc', HOST_MEMORY, folder])
  return Number(stdout) / BYTES_PER_MB
}
