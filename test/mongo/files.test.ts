import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { LIMITS } from '../../host/limits.ts'
import { databaseName } from '../../host/storage/mongo/start.ts'
import { Stores } from '../../host/storage/stores.ts'
import { refused } from '../contracts/harness.ts'
import { Room } from '../contracts/room.ts'
import { TransactionServer } from '../support/wire/server.ts'
import { Refusal } from '../support/wire/transactions.ts'

const KB = 1024
const DAY_MS = 24 * 3_600_000
const server = new TransactionServer()
const secret = randomBytes(32).toString('base64url')
let stores: Stores
let folder: string
let uri: string
let nowMs = Date.now()

const startStores = async (address = uri) => {
  const started = new Stores({
    folder,
    mongo: { uri: address, secret },
    onOutput: (text) => process.stderr.write(text),
    onLoss: () => {},
    nowMs: () => nowMs,
  })
  await started.start()
  return started
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lyceum-mongo-files-'))
  uri = await server.start()
  stores = await startStores()
})
afterEach(() => {
  server.fateOf = () => undefined
  server.delay = () => undefined
})
afterAll(async () => {
  await stores.close()
  await server.stop()
  await rm(folder, { recursive: true, force: true })
})

async function openRoom(on = server, within = stores) {
  const room = new Room(within)
  await room.cursor()
  const name = databaseName(uri, room.store.plugin, 1)
  const database = on.database(name)
  const all = (collection: string) => database.all(collection, undefined)
  const read = (path: string) => room.view((_, fs) => fs.readText(path))
  return { room, name, database, all, read }
}

/** The first so many commands to a collection meet a fate. */
function first(
  times: number,
  named: string,
  collection: unknown,
  fate: ReturnType<typeof server.fateOf>,
  on = server,
) {
  let left = times
  on.fateOf = (command, name) =>
    name === named && command[name] === collection && left-- > 0 ? fate : undefined
}

describe('files on a server with transactions', () => {
  test('are in the transaction of their batch, and their contents are stored before it', async () => {
    const { room, read } = await openRoom()
    const since = server.commands.length
    await room.batch(async (db, fs) => {
      db.collection('plays').insertOne({ _id: 'a' })
      await fs.write('a.txt', 'whole')
    })
    expect(await read('a.txt')).toBe('whole')
    const sent = server.commands.slice(since).map((command) => {
      const name = Object.keys(command)[0] ?? ''
      return { to: `${name} ${command[name]}`, isInside: command.autocommit === false }
    })
    const inside = sent.filter(({ isInside }) => isInside).map(({ to }) => to)
    expect(inside).toEqual([
      'update lyceum:cursors',
      'insert plays',
      'update lyceum:numbers',
      'update lyceum:files',
      'commitTransaction 1',
    ])
    const stored = sent.findIndex(({ to }) => to === 'insert lyceum:contents.files')
    expect(stored).toBeGreaterThan(-1)
    expect(stored).toBeLessThan(sent.findIndex(({ isInside }) => isInside))
  })

  test('are written again by the store where others were faster, and appended to once', async () => {
    const { room, read } = await openRoom()
    await room.batch((_, fs) => fs.write('log', 'a'))
    let runs = 0
    first(1, 'commitTransaction', 1, new Refusal(251, 'NoSuchTransaction', ['TransientTransactionError']))
    await room.batch(async (_, fs) => {
      runs += 1
      await fs.append('log', 'b')
    })
    expect([runs, await read('log')]).toEqual([1, 'ab'])
    expect((await room.store.usage()).files).toBe(1)
  })

  test('are not written where somebody else has changed files of the plugin meanwhile', async () => {
    const { room, database, all, read } = await openRoom()
    await room.batch((_, fs) => fs.write('a', 'x'))
    const others = room.batch(async (db, fs) => {
      await fs.write('b', 'y')
      db.collection('plays').insertOne({ _id: 'a' })
      const [totals] = all('lyceum:numbers').filter(({ _id }) => _id === 'lyceum:files')
      database.put('lyceum:numbers', 'lyceum:files', { ...totals, version: 99 }, undefined)
    })
    await refused(others, 'store_busy')
    expect([await read('b'), all('plays')]).toEqual([null, []])
  })

  test('that were never committed leave contents for a day', async () => {
    const { room, all, read } = await openRoom()
    await room.batch((_, fs) => fs.write('kept', 'x'))
    const doomed = new Refusal(11_000, 'DuplicateKey')
    first(1, 'update', 'lyceum:files', doomed)
    await refused(
      room.batch((_, fs) => fs.write('lost', 'y')),
      'duplicate_key',
    )
    expect(all('lyceum:contents.chunks')).toHaveLength(2)
    await room.store.sweepFiles(room.nowMs + DAY_MS - 1)
    expect(all('lyceum:contents.chunks')).toHaveLength(2)
    expect(await room.store.sweepFiles(room.nowMs + DAY_MS)).toEqual({ files: 0, contents: 1, dueMs: null })
    expect([all('lyceum:contents.chunks').length, all('lyceum:contents.files').length]).toEqual([1, 1])
    expect(await read('kept')).toBe('x')
  })

  test('whose content was needed again a moment before the sweep keep it', async () => {
    const { room, all, read } = await openRoom()
    await room.batch((_, fs) => fs.write('a', 'x'))
    await room.batch((_, fs) => fs.delete('a'))
    room.nowMs += DAY_MS
    const since = server.commands.length
    const doomed = new Refusal(11_000, 'DuplicateKey')
    first(1, 'update', 'lyceum:files', doomed)
    await refused(
      room.batch((_, fs) => fs.write('b', 'x')),
      'duplicate_key',
    )
    const inserted = server.commands.slice(since).filter((command) => 'insert' in command)
    expect(inserted).toEqual([])
    await room.store.sweepFiles(room.nowMs)
    expect(all('lyceum:contents.files')).toHaveLength(1)
    await room.batch((_, fs) => fs.write('b', 'x'))
    expect(await read('b')).toBe('x')
  })

  test('whose content was lost halfway are stored anew, and nothing of the half stays', async () => {
    const { room, all, read } = await openRoom()
    first(2, 'insert', 'lyceum:contents.files', 'lost')
    await refused(
      room.batch((_, fs) => fs.write('a', 'x')),
      'store_lost',
    )
    expect([all('lyceum:contents.chunks').length, all('lyceum:contents.files').length]).toEqual([1, 0])
    await room.batch((_, fs) => fs.write('a', 'x'))
    expect([all('lyceum:contents.chunks').length, all('lyceum:contents.files').length]).toEqual([1, 1])
    expect(await read('a')).toBe('x')
  })

  test('that are replaced again and again take no more than the quota', async () => {
    const { room, all } = await openRoom()
    room.store.maxFileBytes = 100 * KB
    for (let n = 0; n < 10; n++) await room.batch((_, fs) => fs.write('plot', randomBytes(30 * KB)))
    expect(all('lyceum:contents.chunks').length).toBeLessThanOrEqual(3)
    for (let n = 0; n < 10; n++)
      await room.view((_, fs) => fs.write('drawn', randomBytes(30 * KB), { expire: 60 }))
    expect(all('lyceum:contents.chunks').length).toBeLessThanOrEqual(3)
    // Those of batches that fail are no exception.
    for (let n = 0; n < 5; n++) {
      const failing = room.batch(async (db, fs) => {
        await fs.write('plot', randomBytes(30 * KB))
        db.collection('plays').insertOne({ _id: 'a' })
        db.collection('plays').insertOne({ _id: 'a' })
      })
      await refused(failing, 'duplicate_key')
    }
    expect(all('lyceum:contents.chunks').length).toBeLessThanOrEqual(3)
    expect((await room.view((_, fs) => fs.read('plot')))?.length).toBe(30 * KB)
  })

  test('that replace each other in one batch are not all kept', async () => {
    const { room, all, read } = await openRoom()
    await room.batch(async (_, fs) => {
      for (let n = 0; n < 50; n++) await fs.append('log', `${n},`)
    })
    expect(all('lyceum:contents.chunks')).toHaveLength(1)
    expect((await read('log'))?.split(',')).toHaveLength(51)
  })

  test('that are replaced while they are read are read as they are then', async () => {
    const { room, read } = await openRoom()
    room.store.maxFileBytes = 40 * KB
    await room.batch((_, fs) => fs.write('plot', 'a'.repeat(30 * KB)))
    let replacing: Promise<void> | undefined
    const { promise: isReplaced, resolve } = Promise.withResolvers<void>()
    server.delay = (command, name) => {
      if (name !== 'find' || command.find !== 'lyceum:contents.files' || replacing !== undefined) return
      replacing = room.batch((_, fs) => fs.write('plot', 'b'.repeat(30 * KB)))
      void replacing.then(resolve)
      return isReplaced
    }
    expect(await read('plot')).toBe('b'.repeat(30 * KB))
  })

  test('that have expired are swept after a restart, when their plugin is used again', async () => {
    const { room, all } = await openRoom()
    await room.batch((_, fs) => fs.write('soon', 'x', { expire: 60 }))
    await stores.close()
    stores = await startStores()
    const store = stores.plugin(room.store.plugin, 1)
    expect((await store.usage()).files).toBe(1)
    nowMs = room.nowMs + 60_000
    await stores.sweeper.sweep()
    expect(all('lyceum:files')).toEqual([])
    nowMs += LIMITS.unreferencedHours * 3_600_000
    await stores.sweeper.sweep()
    expect([all('lyceum:contents.chunks').length, all('lyceum:touched').length]).toEqual([0, 0])
  })
})

describe('files on a server without transactions', () => {
  const single = new TransactionServer(false)
  let others: Stores
  beforeAll(async () => {
    others = await startStores(await single.start())
  })
  afterAll(async () => {
    await others.close()
    await single.stop()
  })

  test('come after the documents of their batch and before its cursor, and are counted anew where that was cut short', async () => {
    expect(others.guarantee).toBe('at-least-once')
    const { room, all, read } = await openRoom(single, others)
    await room.batch((_, fs) => fs.write('a', 'x'))
    const batch = () =>
      room.batch(async (db, fs) => {
        db.collection('plays').updateOne({ _id: 'a' }, { $inc: { n: 1 } }, { upsert: true })
        await fs.write('b', 'y'.repeat(10 * KB))
      })
    // The row is written; the totals after it are not.
    let writesOfTotals = 0
    single.fateOf = (command, name) =>
      name === 'update' && command[name] === 'lyceum:numbers' && ++writesOfTotals > 1 ? 'lost' : undefined
    await refused(batch(), 'store_lost')
    single.fateOf = () => undefined
    expect(all('plays')).toMatchObject([{ n: 1 }])
    expect(await room.store.usage()).toMatchObject({ files: 2, fileBytes: LIMITS.fileLeastBytes + 10 * KB })
    await batch()
    expect(all('plays')).toMatchObject([{ n: 2 }])
    expect(await room.store.usage()).toMatchObject({ files: 2, fileBytes: LIMITS.fileLeastBytes + 10 * KB })
    expect((await read('b'))?.length).toBe(10 * KB)
  })
})
