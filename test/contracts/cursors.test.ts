import { expect } from 'vitest'
import { LIMITS } from '../../host/limits.ts'
import { contract, refused } from './harness.ts'
import type { Db, Room } from './room.ts'

const ROWS = 2_345
/** Those of three pages and more. */
const fill = (room: Room) =>
  room.batch(async (db) => {
    for (let _id = 0; _id < ROWS; _id++) db.collection('rows').insertOne({ _id, n: _id % 7 })
  })

async function read(db: Db, filter = {}): Promise<number[]> {
  const ids: number[] = []
  for await (const row of db.collection('rows').find(filter).sort({ _id: 1 }))
    ids.push(Number(Reflect.get(Object(row), '_id')))
  return ids
}

contract('cursors', (check) => {
  check.room('give each document once, in pages', async (room) => {
    await fill(room)
    expect(await room.view((db) => read(db))).toEqual(Array.from({ length: ROWS }, (_, i) => i))
    const grouped = await room.view(async (db) => {
      const found: unknown[] = []
      const pipeline = [{ $group: { _id: '$n', n: { $sum: 1 } } }, { $sort: { _id: 1 } }]
      await db
        .collection('rows')
        .aggregate(pipeline)
        .forEach((row) => {
          found.push(row)
        })
      return found
    })
    expect(grouped).toEqual(Array.from({ length: 7 }, (_, _id) => ({ _id, n: 335 })))
  })

  check.room('of a handler see what it has written', async (room) => {
    await fill(room)
    const seen = await room.batch(async (db) => {
      await db.collection('rows').deleteMany({ n: { $gt: 0 } })
      return read(db)
    })
    expect(seen).toHaveLength(335)
  })

  check.room('of a handler go on while it writes', { needs: 'a thousand updates' }, async (room) => {
    await fill(room)
    await room.batch(async (db) => {
      for (const _id of await read(db))
        await db.collection('rows').updateOne({ _id }, { $set: { seen: true } })
    })
    expect(await room.view((db) => db.collection('rows').countDocuments({ seen: true }))).toBe(ROWS)
  })

  check.room('of a view see nothing that is not committed', async (room) => {
    await fill(room)
    await room.view(async (db) => {
      const cursor = db.collection('rows').find().sort({ _id: 1 })
      await cursor.next()
      await refused(
        room.batch(async (other) => {
          await other.collection('rows').insertOne({ _id: ROWS }, { ack: true })
          await other.collection('rows').insertOne({ _id: 0 }, { ack: true })
        }),
        'duplicate_key',
      )
      expect(await cursor.toArray()).toHaveLength(ROWS - 1)
    })
  })

  check.room('are so many, and those that were left do not count', async (room) => {
    await fill(room)
    await room.view(async (db) => {
      for (let i = 0; i < LIMITS.cursorsPerCall * 2; i++)
        for await (const _ of db.collection('rows').find()) break
      const open = Array.from({ length: LIMITS.cursorsPerCall }, () => db.collection('rows').find())
      for (const cursor of open) await cursor.next()
      await refused(db.collection('rows').find().next(), 'cursor_limit')
      await open[0]?.close()
      expect(await db.collection('rows').find().hasNext()).toBe(true)
    })
  })

  check.room('that are refused tell why, and are at their end', async (room) => {
    await fill(room)
    await room.view(async (db) => {
      const cursor = db.collection('rows').find({ n: { $near: 5 } })
      await refused(cursor.next(), 'operator_unknown', 2)
      expect(await cursor.next()).toBeNull()
    })
  })

  check.room('skip, limit and project over pages', async (room) => {
    await fill(room)
    await room.view(async (db) => {
      const rows = db.collection('rows').find().sort({ _id: -1 }).skip(5).limit(500).project({ _id: 1 })
      const ids: unknown[] = []
      for await (const row of rows) ids.push(row)
      expect(ids).toHaveLength(500)
      expect(ids[0]).toEqual({ _id: ROWS - 6 })
    })
  })
})
