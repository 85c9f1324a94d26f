import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { RebuildStatus } from '../../host/dispatch/rebuild.ts'
import { counted, countingPlugin } from './counting.ts'
import { moments, startLoad } from './load.ts'
import { integrity, Machine } from './spawned.ts'

/** So often while handlers run under load, and as often at the head of the log, where data take the place of others. */
const KILLS = process.env.LYCEUM_SOAK === undefined ? 1 : 12
const MINUTE_MS = 60_000

let dataDir: string
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'lyceum-'))
})
afterEach(() => rm(dataDir, { recursive: true, force: true }))

const REBUILD = '/v1/plugins/counting/rebuild'

test(
  'a host that is killed while it rebuilds, at whatever moment, goes on with that; its data are never a mix',
  async () => {
    const { below } = moments('rebuild')
    const machine = await Machine.start(dataDir)
    try {
      await machine.publish('counting', countingPlugin())
      const load = startLoad((events) => machine.post(events))
      await load.more(400)
      const status = async () => (await machine.call('GET', REBUILD)).json as RebuildStatus | null
      const kill = async (when: () => Promise<void>) => {
        expect((await machine.call('POST', REBUILD)).status).toBe(202)
        await when()
        await machine.kill()
        await machine.restart()
      }
      for (let kills = 0; kills < KILLS; kills++) await kill(() => sleep(below(300)))
      const events = await load.stop()
      for (let kills = 0; kills < KILLS; kills++)
        await kill(async () => {
          for (
            let now = await status();
            now?.state === 'running' && now.events < now.head;
            now = await status()
          )
            await sleep(5)
          await sleep(below(40))
        })
      await machine.call('POST', REBUILD)
      while ((await status())?.state === 'running') await sleep(20)
      expect(await status()).toMatchObject({ state: 'done' })
      await machine.caughtUp('counting')
      const { versions, ...rest } = (await machine.call('GET', '/v1/queries/counting/counts'))
        .json as ReturnType<typeof counted>
      expect({ ...rest, versions }).toEqual(counted(events))
      await machine.kill()
      // What is deleted late is deleted at the next start.
      await machine.restart()
      const databases = async () =>
        (await readdir(join(dataDir, 'plugins'))).filter((file) => file.endsWith('.db'))
      await expect.poll(databases).toHaveLength(1)
      await machine.stop('SIGTERM')
      expect(new Set(Object.values(await integrity(dataDir)))).toEqual(new Set(['ok']))
    } finally {
      await machine.kill().catch(() => {}) // it has stopped
    }
  },
  2 * KILLS * MINUTE_MS,
)
