import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { Stores } from '../../host/storage/stores.ts'
import { refused } from '../contracts/harness.ts'
import { Room } from '../contracts/room.ts'
import { mountSmallDisk } from './small-disk.ts'

const KB = 1024
const disk = mountSmallDisk(16)
if (disk === undefined) console.log('A small disk cannot be mounted here: its test is skipped.')
afterAll(() => disk?.remove())

test.skipIf(disk === undefined)(
  'on a full disk a batch leaves neither documents nor files, and goes through once there is room',
  async () => {
    if (disk === undefined) return
    const folder = join(disk.folder, 'plugins')
    const stores = new Stores({ folder, onOutput: () => {}, onLoss: () => {} })
    const room = new Room(stores)
    const contents = async () =>
      (await readdir(join(folder, `${room.store.plugin}.1.files`), { recursive: true, withFileTypes: true }))
        .filter((entry) => entry.isFile())
        .map(({ name }) => name)
    const large = randomBytes(900 * KB)
    const batch = () =>
      room.batch(async (db, fs) => {
        await db.collection('kept').insertOne({ _id: 1 })
        await fs.append('log', 'a line\n')
        for (let n = 0; n < 3; n++) await fs.write(`large${n}`, Buffer.concat([large, Buffer.from([n])]))
      })
    try {
      await room.batch((_, fs) => fs.append('log', 'the first line\n'))
      const before = await contents()
      disk.fill(1_500 * KB)
      await refused(batch(), 'disk_full')
      await refused(
        room.view((_, fs) => fs.write('plot', randomBytes(2_000 * KB), { expire: 60 })),
        'disk_full',
      )
      expect(await contents()).toEqual(before)
      expect(await room.view((_, fs) => fs.readText('log'))).toBe('the first line\n')
      expect(await room.view((db) => db.collection('kept').countDocuments())).toBe(0)
      disk.empty()
      await batch()
      expect(await room.view((_, fs) => fs.readText('log'))).toBe('the first line\na line\n')
      expect(await room.view((_, fs) => fs.list('large'))).toHaveLength(3)
      expect(await room.view((db) => db.collection('kept').countDocuments())).toBe(1)
    } finally {
      await stores.close()
    }
  },
)
