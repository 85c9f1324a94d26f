import { createHash, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Stores } from '../../host/storage/stores.ts'
import { refused } from '../contracts/harness.ts'
import { Room } from '../contracts/room.ts'
import { longTest } from '../support/long.ts'

const KB = 1024
const DAY_MS = 24 * 3_600_000

let folder = ''
let stores: Stores
let room: Room
let nowMs = Date.now()
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lyceum-files-'))
  stores = open()
  room = new Room(stores)
})
afterEach(async () => {
  await stores.close()
  await rm(folder, { recursive: true, force: true })
})

function open(): Stores {
  return new Stores({ folder, onOutput: () => {}, onLoss: () => {}, nowMs: () => nowMs })
}

/** Ends the stores, does something to what they left, and starts others. */
async function between(work: () => Promise<void>): Promise<void> {
  await stores.close()
  await work()
  stores = open()
  const { plugin } = room.store
  room = Object.assign(new Room(stores), { store: stores.plugin(plugin, 1) })
}

const contents = () => join(folder, `${room.store.plugin}.1.files`)
const hashOf = (content: string | Buffer) => createHash('sha256').update(content).digest('hex')
const placeOf = (hash: string) => join(contents(), hash.slice(0, 2), hash)
const onDisk = async () =>
  (await readdir(contents(), { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
const bytesOnDisk = async () => {
  const sizes = (await onDisk()).map(
    async ({ parentPath, name }) => (await stat(join(parentPath, name))).size,
  )
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
}
const read = (path: string) => room.view((_, fs) => fs.readText(path))

test('a batch that fails leaves nothing on the disk, however much it wrote', async () => {
  await room.batch((_, fs) => fs.write('a', 'x'))
  const failing = room.batch(async (_, fs) => {
    for (let n = 0; n < 18; n++) await fs.write(`${n}`, randomBytes(300 * KB))
    throw new Error('it fails')
  })
  await expect(failing).rejects.toThrow('it fails')
  expect((await onDisk()).map(({ name }) => name)).toEqual([hashOf('x')])
})

longTest('what is replaced within a batch never stays on the disk', async () => {
  await room.batch(async (_, fs) => {
    for (let n = 0; n < 200; n++) await fs.append('log', `line ${n}\n`)
    for (let n = 0; n < 10; n++) await fs.write('large', randomBytes(500 * KB))
    await fs.write('large', 'small')
  })
  expect(await onDisk()).toHaveLength(2)
})

test('contents that nobody refers to stay where there is room for them, and make room where there is none', async () => {
  room.store.maxFileBytes = 200 * KB
  for (let n = 0; n < 3; n++) await room.batch((_, fs) => fs.write('a', randomBytes(60 * KB)))
  expect(await bytesOnDisk()).toBe(180 * KB)
  for (let n = 0; n < 5; n++) await room.batch((_, fs) => fs.write('a', randomBytes(60 * KB)))
  expect(await bytesOnDisk()).toBe(180 * KB)
  await room.batch((_, fs) => fs.write('b', randomBytes(140 * KB)))
  expect(await bytesOnDisk()).toBe(200 * KB)
  expect((await read('b'))?.length).toBeGreaterThan(0)
})

test('what a killed store had stored is kept where it was committed and is whole, and deleted otherwise', async () => {
  const pending = (name: string) => join(contents(), 'pending', name)
  await room.batch(async (_, fs) => {
    await fs.write('committed', 'committed')
    await fs.write('deleted', 'deleted')
    await fs.write('there', 'there')
  })
  await room.batch((_, fs) => fs.delete('deleted'))
  await between(async () => {
    await mkdir(pending(''), { recursive: true })
    await rename(placeOf(hashOf('committed')), pending(hashOf('committed')))
    // Cut short while it was written again, by a batch that never committed.
    await rm(placeOf(hashOf('deleted')))
    await writeFile(pending(hashOf('deleted')), 'dele')
    await writeFile(pending(hashOf('there')), 'th')
    await writeFile(pending(hashOf('never')), 'never')
  })
  expect(await read('committed')).toBe('committed')
  expect(await read('there')).toBe('there')
  expect(await readdir(pending(''))).toEqual([])
  expect((await onDisk()).map(({ name }) => name).sort()).toEqual(
    [hashOf('committed'), hashOf('there')].sort(),
  )
  // One whose row tells of it still, but that is gone, is written anew.
  await room.store.claim({ cursor: 'handler/0', version: 1, log: 'contract-log', from: 2, passed: 2 })
  const claimed = await room.cursor()
  await room.run({ move: { ...claimed, from: 2, to: 3 } }, (_, fs) => fs.write('again', 'deleted'))
  expect(await read('again')).toBe('deleted')
  expect(await readFile(placeOf(hashOf('deleted')), 'utf8')).toBe('deleted')
})

test('a content that somebody took off the disk is told of as damage', async () => {
  await room.batch((_, fs) => fs.write('a', 'x'))
  await rm(dirname(placeOf(hashOf('x'))), { recursive: true })
  await refused(read('a'), 'data_damaged')
  expect(await read('b')).toBeNull()
})

test('files that have expired are deleted though nobody asks for them, also after a restart', async () => {
  room.nowMs = nowMs
  await room.batch((_, fs) => fs.write('a', 'x', { expire: 60 }))
  nowMs += 59_000
  await stores.sweeper.sweep()
  expect((await room.store.usage()).files).toBe(1)
  nowMs += 1_000
  await stores.sweeper.sweep()
  expect((await room.store.usage()).files).toBe(0)
  expect(await onDisk()).toHaveLength(1)
  await between(async () => {})
  nowMs += DAY_MS
  await stores.sweeper.sweep()
  expect(await onDisk()).toEqual([])
})

test('a sweep takes so many at a time, and goes on until all is gone', async () => {
  room.nowMs = nowMs
  await room.batch(async (_, fs) => {
    for (let n = 0; n < 1_200; n++) await fs.write(`${n}`, '', { expire: 60 })
  })
  expect(await room.store.sweepFiles(nowMs + 60_000)).toMatchObject({ files: 500, dueMs: nowMs + 60_000 })
  nowMs += 60_000
  await stores.sweeper.sweep()
  expect(await room.store.usage()).toMatchObject({ files: 0, fileBytes: 0 })
})
