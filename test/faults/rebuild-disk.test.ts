import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { ask, ended, opened, plays, rebuilt } from '../rebuild/support.ts'
import { startHost } from '../support/host.ts'
import { mountSmallDisk } from './small-disk.ts'

const disk = process.env.LYCEUM_SOAK === undefined ? undefined : mountSmallDisk(96)
afterAll(() => disk?.remove())

const PLUGIN = `import { onEvent, query } from '@lyceum/sdk'
export const keep = onEvent('play_video', ({ events, db }) =>
  db.collection('plays').insertMany(events.map((e) => ({ _id: e.id, text: 'x'.repeat(2_000) }))))
export const kept = query(({ db }) => db.collection('plays').countDocuments())`

test.runIf(disk !== undefined)(
  'a rebuild that ends with a disk that is full to the last byte gives back what it took, and is over for good',
  async () => {
    if (disk === undefined) return
    const dataDir = join(disk.folder, 'data')
    const databases = async () =>
      (await readdir(join(dataDir, 'plugins'))).filter((file) => file.endsWith('.db'))
    let lyceum = await startHost(dataDir)
    const { plugins } = lyceum.host
    try {
      await lyceum.publish('keeper', PLUGIN)
      await lyceum.send(plays(1_024))
      const door = opened(lyceum, 'keeper', 2)
      await lyceum.call('POST', '/v1/plugins/keeper/rebuild')
      await door.reached(256)
      disk.fill(0)
      door.open()
      expect(await ended(lyceum, 'keeper')).toMatchObject({ state: 'failed', problem: { code: 'disk_full' } })
      expect(await databases()).toEqual(['keeper.1.db'])
      disk.empty()

      const flip = plugins.flip.bind(plugins)
      plugins.flip = (...asked) => {
        disk.fill(0)
        return flip(...asked)
      }
      expect(await rebuilt(lyceum, 'keeper')).toMatchObject({
        state: 'failed',
        problem: { code: 'disk_full' },
      })
      expect(await databases()).toEqual(['keeper.1.db'])
      plugins.flip = flip
      disk.empty()

      expect(await rebuilt(lyceum, 'keeper')).toMatchObject({ state: 'done', generation: 4 })
      await lyceum.close()
      lyceum = await startHost(dataDir)
      await expect.poll(databases).toEqual(['keeper.4.db'])
      expect((await lyceum.call('GET', '/v1/plugins/keeper/rebuild')).json).toBeNull()
      expect(await ask(lyceum, 'keeper', 'kept')).toBe(1_024)
    } finally {
      await lyceum.close()
    }
  },
)
