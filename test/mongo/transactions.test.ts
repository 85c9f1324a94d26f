import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { databaseName } from '../../host/storage/mongo/start.ts'
import { Stores } from '../../host/storage/stores.ts'
import { refused } from '../contracts/harness.ts'
import { Room } from '../contracts/room.ts'
import { TransactionServer } from '../support/wire/server.ts'
import { Refusal } from '../support/wire/transactions.ts'

const CONFLICT = new Refusal(112, 'WriteConflict', ['TransientTransactionError'])
const server = new TransactionServer()
let stores: Stores
let folder: string
let uri: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lyceum-transactions-'))
  uri = await server.start()
  const mongo = { uri, secret: randomBytes(32).toString('base64url') }
  stores = new Stores({ folder, mongo, onOutput: (text) => process.stderr.write(text), onLoss: () => {} })
  await stores.start()
})
afterEach(() => {
  server.fateOf = () => undefined
})
afterAll(async () => {
  await stores.close()
  await server.stop()
  await rm(folder, { recursive: true, force: true })
})

/** A room whose database is open and whose cursor is claimed, with its database on the server. */
async function openRoom() {
  const room = new Room(stores)
  await room.cursor()
  const name = databaseName(uri, room.store.plugin, 1)
  const documents = server.database(name)
  return { room, name, plays: () => documents.all('plays', undefined), documents }
}
/** The first so many commands of a name meet a fate. */
function first(times: number, named: string, fate: Awaited<ReturnType<typeof server.fateOf>>) {
  let left = times
  server.fateOf = (_, name) => (name === named && left-- > 0 ? fate : undefined)
}

describe('a batch on a server with transactions', () => {
  test('is one transaction, whose first statement moves the cursor', async () => {
    const { room, name, plays } = await openRoom()
    expect(stores.guarantee).toBe('exactly-once')
    const since = server.commands.length
    await room.batch(async (db) => {
      db.collection('plays').updateOne({ _id: 'a' }, { $inc: { n: 1 } }, { upsert: true })
      db.collection('plays').updateOne({ _id: 'a' }, { $inc: { n: 1 } }, { upsert: true })
    })
    expect(plays()).toEqual([{ _id: 'a', n: 2 }])
    const sent = server.commands.slice(since).filter((command) => command.autocommit === false)
    expect(sent.map((command) => Object.keys(command)[0])).toEqual(['update', 'update', 'commitTransaction'])
    const [move, writes, commit] = sent
    expect(move).toMatchObject({
      update: 'lyceum:cursors',
      startTransaction: true,
      readConcern: { level: 'snapshot' },
    })
    expect(writes).toMatchObject({ update: 'plays', lsid: move?.lsid, txnNumber: move?.txnNumber })
    expect(writes).not.toHaveProperty('startTransaction')
    expect(commit).toMatchObject({
      lsid: move?.lsid,
      txnNumber: move?.txnNumber,
      writeConcern: { w: 'majority' },
    })
    expect(server.database(name).openTransactions).toBe(0)
  })

  test('moves a cursor alone without one: a single statement is all or nothing by itself', async () => {
    const { room } = await openRoom()
    const since = server.commands.length
    await room.batch(async () => {})
    expect(server.commands.slice(since).some((command) => command.autocommit === false)).toBe(false)
  })

  test('asks for its commit again, and for nothing else, until the outcome is known', async () => {
    const { room, plays } = await openRoom()
    first(3, 'commitTransaction', 'carried out, answer lost')
    const since = server.commands.length
    await room.batch(async (db) => db.collection('plays').insertOne({ _id: 'a' }))
    expect(plays()).toEqual([{ _id: 'a' }])
    const names = server.commands.slice(since).map((command) => Object.keys(command)[0])
    expect(names.filter((name) => name === 'commitTransaction').length).toBeGreaterThan(3)
    expect(names.filter((name) => name === 'insert')).toHaveLength(1)
  })

  test('is run again by the store where others were faster, while its handler knows nothing of it', async () => {
    const { room, plays } = await openRoom()
    let runs = 0
    first(2, 'insert', CONFLICT)
    await room.batch(async (db) => {
      runs += 1
      db.collection('plays').insertOne({ _id: 'a' })
    })
    expect([runs, plays()]).toEqual([1, [{ _id: 'a' }]])
  })

  test('is run again where its commit was refused', async () => {
    const { room, plays } = await openRoom()
    first(1, 'commitTransaction', new Refusal(251, 'NoSuchTransaction', ['TransientTransactionError']))
    await room.batch(async (db) => {
      db.collection('plays').updateOne({ _id: 'a' }, { $inc: { n: 1 } }, { upsert: true })
    })
    expect(plays()).toEqual([{ _id: 'a', n: 1 }])
  })

  test('is left to its handler to run again once that has read', async () => {
    const { room, plays } = await openRoom()
    await room.batch(async (db) => db.collection('plays').insertOne({ _id: 'a', n: 1 }))
    first(1, 'update', undefined)
    let moves = 0
    server.fateOf = ({ update }, name) =>
      name === 'update' && update === 'plays' && moves++ === 0 ? CONFLICT : undefined
    const increase = () =>
      room.batch(async (db) => {
        const { n } = (await db.collection('plays').findOne({ _id: 'a' })) as { n: number }
        db.collection('plays').updateOne({ _id: 'a' }, { $set: { n: n + 1 } })
      })
    await refused(increase(), 'store_busy')
    expect(plays()).toEqual([{ _id: 'a', n: 1 }])
    await increase()
    expect(plays()).toEqual([{ _id: 'a', n: 2 }])
  })

  test('sees what it has written, and nobody else does', async () => {
    const { room, plays } = await openRoom()
    await room.batch(async (db) => {
      db.collection('plays').insertOne({ _id: 'a' })
      expect(await db.collection('plays').find().toArray()).toEqual([{ _id: 'a' }])
      expect(await room.view((view) => view.collection('plays').find().toArray())).toEqual([])
      expect(plays()).toEqual([])
    })
    expect(plays()).toEqual([{ _id: 'a' }])
  })

  test('that loses its cursor leaves nothing', async () => {
    const { room, plays, documents } = await openRoom()
    const move = { ...(await room.cursor()), from: 0, to: 1 }
    const work = async (db: Parameters<Parameters<Room['run']>[1]>[0]) =>
      db.collection('plays').insertOne({ _id: 'a' })
    for (const other of [{ epoch: move.epoch - 1 }, { from: 5 }, { version: 9 }, { log: 'another' }])
      await refused(room.run({ move: { ...move, ...other } }, work), 'cursor_lost')
    expect([plays(), documents.openTransactions]).toEqual([[], 0])
  })

  test('that is refused leaves nothing, whatever came before', async () => {
    const { room, plays, documents } = await openRoom()
    const batch = room.batch(async (db) => {
      for (let i = 0; i < 1_500; i++) db.collection('plays').insertOne({ _id: i })
      db.collection('plays').insertOne({ _id: 7 })
    })
    await refused(batch, 'duplicate_key')
    expect([plays(), documents.openTransactions]).toEqual([[], 0])
  })

  test('of two that change the same document is run after the other', async () => {
    const { room, plays } = await openRoom()
    await room.batch(async (db) => db.collection('plays').insertOne({ _id: 'a', n: 0 }))
    const other = server.database(databaseName(uri, room.store.plugin, 1))
    other.begin('somebody')
    other.put('plays', 'a', { _id: 'a', n: 10 }, 'somebody')
    let conflicts = 0
    server.fateOf = ({ update }, name) => {
      if (name === 'update' && update === 'plays' && conflicts++ === 1) other.commit('somebody')
      return undefined
    }
    await room.batch(async (db) => db.collection('plays').updateOne({ _id: 'a' }, { $inc: { n: 1 } }))
    expect(conflicts).toBeGreaterThan(1)
    expect(plays()).toEqual([{ _id: 'a', n: 11 }])
  })

  test('whose store is killed in the middle leaves nothing, and its cursor stands', async () => {
    const { room, plays, documents } = await openRoom()
    const batch = room.batch(async (db) => {
      db.collection('plays').insertOne({ _id: 'a' })
      await db.collection('plays').countDocuments()
      const [pid = 0] = stores.pids
      process.kill(pid, 'SIGKILL')
      await db.collection('plays').countDocuments()
    })
    await refused(batch, 'store_lost')
    expect(plays()).toEqual([])
    expect(documents.all('lyceum:cursors', undefined)).toMatchObject([{ seq: 0 }])
    // The server gives up what its client left behind; until then those documents are held.
    documents.rollBackAll()
    await room.batch(async (db) => db.collection('plays').insertOne({ _id: 'a' }))
    expect(plays()).toEqual([{ _id: 'a' }])
  })

  test('puts an event aside and moves over it at once', async () => {
    const { room, documents } = await openRoom()
    const letter = {
      endpoint: 'handler',
      version: '1.0.0',
      seq: 1,
      code: 'plugin_failed',
      message: 'no',
      attempts: 3,
      atMs: 5,
    }
    first(1, 'commitTransaction', CONFLICT)
    await room.batch(async () => {}, letter)
    expect(await room.store.deadLetters('handler', 10)).toEqual({ total: 1, letters: [{ id: 1, ...letter }] })
    expect(documents.all('lyceum:cursors', undefined)).toMatchObject([{ seq: 1 }])
  })
})
