import { expect } from 'vitest'
import { contract, refused } from './harness.ts'

contract('writes and reads', (check) => {
  check('a handler reads its own writes in program order', async (db) => {
    const plays = db.collection('plays')
    plays.insertOne({ _id: 'a', n: 1 })
    plays.updateOne({ _id: 'a' }, { $inc: { n: 1 } })
    plays.updateOne({ _id: 'b' }, { $inc: { n: 5 }, $setOnInsert: { course: 'x' } }, { upsert: true })
    expect(await plays.find().sort({ _id: 1 }).toArray()).toEqual([
      { _id: 'a', n: 2 },
      { _id: 'b', n: 5, course: 'x' },
    ])
  })

  check.room('what a handler commits is there for views', async (room) => {
    await room.batch(async (db) => db.collection('plays').insertOne({ _id: 'a', n: 1 }))
    expect(await room.view((db) => db.collection('plays').findOne({ _id: 'a' }))).toEqual({ _id: 'a', n: 1 })
  })

  check.room(
    'nothing is kept of a batch with a write that is refused',
    { needs: 'transactions' },
    async (room) => {
      await room.batch(async (db) => db.collection('plays').insertOne({ _id: 'a' }))
      const batch = room.batch(async (db) => {
        db.collection('plays').insertOne({ _id: 'b' })
        db.collection('plays').insertOne({ _id: 'a' })
      })
      await refused(batch, 'duplicate_key', 11000)
      expect(await room.view((db) => db.collection('plays').countDocuments())).toBe(1)
    },
  )

  check.room('a second document with the same _id is refused', async (room) => {
    await room.batch(async (db) => db.collection('plays').insertOne({ _id: 'a' }))
    const batch = room.batch(async (db) => db.collection('plays').insertOne({ _id: 'a' }))
    await refused(batch, 'duplicate_key', 11000)
    expect(await room.view((db) => db.collection('plays').countDocuments())).toBe(1)
  })
})
