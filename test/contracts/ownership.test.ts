import { expect } from 'vitest'
import type { NewDeadLetter } from '../../host/storage/store-protocol.ts'
import { contract, refused } from './harness.ts'
import { type Db, LOG } from './room.ts'

const letter = (seq: number): NewDeadLetter => ({
  endpoint: 'handler',
  version: '1.0.0',
  seq,
  code: 'plugin_failed',
  message: `failed on ${seq}`,
  stack: 'Error\n at here',
  attempts: 3,
  atMs: 1_700_000_000_000,
})
const insert = (_id: unknown) => async (db: Db) => db.collection('plays').insertOne({ _id })

contract('cursors of handlers', (check) => {
  check.room('begin where they are told to, and are seen without being claimed', async ({ store }) => {
    const cursor = { cursor: 'other/0', version: 3, log: LOG }
    expect(await store.peek('other/0')).toBeUndefined()
    expect(await store.claim({ ...cursor, from: 40, passed: 0 })).toEqual({ epoch: 1, seq: 40 })
    expect(await store.peek('other/0')).toEqual({ log: LOG, seq: 40 })
    expect(await store.claim({ ...cursor, from: 0, passed: 45 })).toEqual({ epoch: 2, seq: 45 })
    expect(await store.claim({ ...cursor, from: 0, passed: 10 })).toEqual({ epoch: 3, seq: 45 })
  })

  check.room('belong to one log', async ({ store }) => {
    await store.claim({ cursor: 'other/0', version: 1, log: LOG, from: 0, passed: 0 })
    const stolen = store.claim({ cursor: 'other/0', version: 1, log: 'another', from: 0, passed: 0 })
    await expect(stolen).rejects.toMatchObject({ code: 'cursor_lost' })
  })

  check.room('move with what their batch has written, by any number of events', async (room) => {
    const cursor = await room.cursor()
    await room.run({ move: { ...cursor, from: 0, to: 2 ** 40 } }, insert('a'))
    expect(await room.store.peek('handler/0')).toEqual({ log: LOG, seq: 2 ** 40 })
    await room.run({ move: { ...cursor, from: 2 ** 40, to: 2 ** 40 + 1 } }, insert('b'))
    expect(await room.view((db) => db.collection('plays').countDocuments())).toBe(2)
  })

  check.room('that somebody else has claimed move no more', async (room) => {
    const cursor = await room.cursor()
    await room.store.claim({ cursor: 'handler/0', version: 2, log: LOG, from: 0, passed: 0 })
    await refused(room.run({ move: { ...cursor, from: 0, to: 1 } }, insert('a')), 'cursor_lost')
    expect(await room.view((db) => db.collection('plays').findOne())).toBeNull()
    expect(await room.store.peek('handler/0')).toMatchObject({ seq: 0 })
  })

  check.room('that stand elsewhere, or are of another version or generation, do not move', async (room) => {
    const cursor = await room.cursor()
    for (const wrong of [{ from: 1 }, { version: 2 }, { generation: 2 }, { epoch: 9 }, { log: 'another' }])
      await refused(room.run({ move: { ...cursor, from: 0, to: 2, ...wrong } }, insert('a')), 'cursor_lost')
    expect(await room.store.peek('handler/0')).toMatchObject({ seq: 0 })
  })

  check.room('stay where a batch that is refused began', async (room) => {
    await room.batch(insert('a'))
    await refused(room.batch(insert('a')), 'duplicate_key')
    expect(await room.store.peek('handler/0')).toMatchObject({ seq: 1 })
    await room.batch(insert('b'))
    expect(await room.store.peek('handler/0')).toMatchObject({ seq: 2 })
  })

  check.room('of a batch that follows wait for the one before', async (room) => {
    const cursor = await room.cursor()
    const before = room.store.begin({ move: { ...cursor, from: 0, to: 1 } })
    const first = before.commit(Buffer.from('[["insertOne","plays",{"_id":"a"}]]'))
    const after = room.store.begin({ move: { ...cursor, from: 1, to: 2 } }, first)
    await after.commit(Buffer.from('[["updateOne","plays",{"_id":"a"},{"$set":{"n":1}}]]'))
    await first
    expect(await room.view((db) => db.collection('plays').findOne())).toEqual({ _id: 'a', n: 1 })
  })
})

contract('dead letters', (check) => {
  check.room('are put aside with the move of the cursor, and listed in order', async (room) => {
    for (const seq of [1, 2, 3]) await room.batch(async () => {}, letter(seq))
    const { total, letters } = await room.store.deadLetters('handler', 2)
    expect([total, letters.map(({ seq }) => seq)]).toEqual([3, [1, 2]])
    expect(letters[0]).toEqual({ id: 1, ...letter(1) })
    expect(await room.store.deadLetters('handler', 0)).toEqual({ total: 3, letters: [] })
    expect(await room.store.deadLetters('nobody', 10)).toEqual({ total: 0, letters: [] })
    expect(await room.store.peek('handler/0')).toMatchObject({ seq: 3 })
  })

  check.room('are found by their events', async (room) => {
    for (const seq of [1, 2, 3]) await room.batch(async () => {}, letter(seq))
    expect(await room.store.deadLettersAt('handler', [[3, 9]])).toMatchObject([{ seq: 3 }])
    expect(await room.store.deadLettersAt('handler', [[4, 9]])).toEqual([])
    expect(await room.store.deadLettersAt('handler', [])).toEqual([])
  })

  check.room('end with the effects of their retry, and only once', async (room) => {
    await room.batch(async () => {}, letter(1))
    await room.run({ deadLetter: 1 }, insert('a'))
    await refused(room.run({ deadLetter: 1 }, insert('b')), 'cursor_lost')
    expect(await room.store.deadLetters('handler', 10)).toEqual({ total: 0, letters: [] })
    expect(await room.view((db) => db.collection('plays').distinct('_id'))).toEqual(['a'])
  })

  check.room('that fail again keep their place, and come last when retried', async (room) => {
    for (const seq of [1, 2]) await room.batch(async () => {}, letter(seq))
    const again = { id: 1, ...letter(1), attempts: 4, message: 'failed again' }
    await room.run({ deadLetter: 1 }, async () => {}, again)
    const { letters } = await room.store.deadLetters(undefined, 10)
    expect(letters).toEqual([again, { id: 2, ...letter(2) }])
    const retried = await room.store.deadLetters(undefined, 10, {})
    expect(retried.letters.map(({ id }) => id)).toEqual([2, 1])
    expect((await room.store.deadLetters(undefined, 10, { ids: [2] })).letters).toHaveLength(1)
  })
})

contract('indexes that are declared', (check) => {
  const unique = [{ name: 'plays', indexes: [{ keys: { video: 1 }, unique: true }] }] as const

  check.room('keep documents from having the same key', async (room) => {
    await room.declare(unique)
    await room.batch(async (db) => db.collection('plays').insertOne({ _id: 1, video: 'a' }))
    const second = room.batch((db) => db.collection('plays').insertOne({ _id: 2, video: 'a' }, { ack: true }))
    const error = await second.catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'duplicate_key', details: { collection: 'plays' } })
    await room.batch(async (db) => db.collection('plays').insertOne({ _id: 2, video: 'b' }))
  })

  check.room(
    'are refused where documents break them, and nothing has changed then',
    { needs: 'broken unique indexes' },
    async (room) => {
      await room.batch(async (db) => db.collection('plays').insertMany([{ video: 'a' }, { video: 'a' }]))
      await expect(room.declare(unique)).rejects.toMatchObject({ code: 'duplicate_key' })
      await room.batch(async (db) => db.collection('plays').insertOne({ video: 'a' }))
      expect(await room.view((db) => db.collection('plays').countDocuments())).toBe(3)
    },
  )

  check.room('go when they are declared no more', async (room) => {
    await room.declare(unique)
    await room.batch(async (db) => db.collection('plays').insertOne({ _id: 1, video: 'a' }))
    await room.declare([{ name: 'plays', indexes: [{ keys: { n: -1 } }] }])
    await room.batch(async (db) => db.collection('plays').insertOne({ _id: 2, video: 'a' }))
    await room.declare([])
    expect(await room.view((db) => db.collection('plays').countDocuments())).toBe(2)
  })

  check.room('are declared again without harm', async (room) => {
    const declared = [
      { name: 'plays', indexes: [{ keys: { course: 1, n: -1 } }, { keys: { 'at.day': 1 } }] },
    ] as const
    await room.declare(declared)
    await room.declare(declared)
    await room.batch(async (db) => db.collection('plays').insertOne({ _id: 1, course: 'x', n: 3 }))
    const found = room.view((db) => db.collection('plays').find({ course: 'x' }).sort({ n: -1 }).toArray())
    expect(await found).toEqual([{ _id: 1, course: 'x', n: 3 }])
  })
})
