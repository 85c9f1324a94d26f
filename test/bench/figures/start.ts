import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { spawnHost } from '../../support/spawned-host.ts'
import { type Figure, median, tookMs } from '../harness.ts'

const TURNS = 5

/** From starting the process to the line that says where it listens, on a folder that it knows. */
export const start: Figure = {
  name: 'start to ready',
  unit: 'ms',
  goal: 600,
  better: 'lower',
  measure: async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lyceum-start-'))
    const turn = () =>
      tookMs(async () => {
        running = await spawnHost(folder)
      })
    let running: Awaited<ReturnType<typeof spawnHost>> | undefined
    try {
      const took: number[] = []
      for (let at = 0; at <= TURNS; at++) {
        took.push(await turn())
        await running?.stop('SIGTERM')
      }
      return median(took.slice(1)) // the first one installed the plugins
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
}
