import { expect } from 'vitest'
import { Binary, Decimal128, Long, ObjectId } from '../../sdk/ejson.ts'
import { contract, refused } from './harness.ts'
import type { Db } from './room.ts'

const PLAYS = [
  { _id: 'a', n: 3, course: 'x', tags: ['intro', 'short'] },
  { _id: 'b', n: 1, course: 'x', tags: [] },
  { _id: 'c', n: 2, course: 'y', at: { minute: 4 } },
]

async function withPlays(db: Db) {
  const plays = db.collection('plays')
  await plays.insertMany(PLAYS)
  return plays
}

contract('writes', (check) => {
  check('insertOne makes an id where there is none, and answers it', async (db) => {
    const things = db.collection('things')
    const { insertedId } = await things.insertOne({ n: 1 })
    expect(insertedId).toBeInstanceOf(ObjectId)
    expect(await things.findOne({ _id: insertedId })).toEqual({ _id: insertedId, n: 1 })
  })

  check('insertMany answers all ids and, where asked, how many there were', async (db) => {
    const answer = await db.collection('things').insertMany([{ _id: 1 }, { _id: 2 }], { ack: true })
    expect(answer).toMatchObject({ acknowledged: true, insertedIds: [1, 2], insertedCount: 2 })
  })

  check('updateOne changes the first that matches and tells of it', async (db) => {
    const plays = await withPlays(db)
    const changed = await plays.updateOne({ course: 'x' }, { $inc: { n: 10 } }, { ack: true })
    expect(changed).toMatchObject({ matchedCount: 1, modifiedCount: 1 })
    const same = await plays.updateOne({ _id: 'c' }, { $set: { n: 2 } }, { ack: true })
    expect(same).toMatchObject({ matchedCount: 1, modifiedCount: 0 })
    const none = await plays.updateOne({ _id: 'z' }, { $set: { n: 2 } }, { ack: true })
    expect(none).toMatchObject({ matchedCount: 0, modifiedCount: 0 })
  })

  check('updateMany changes all that match', async (db) => {
    const plays = await withPlays(db)
    const changed = await plays.updateMany({ course: 'x' }, { $set: { old: true } }, { ack: true })
    expect(changed).toMatchObject({ matchedCount: 2, modifiedCount: 2 })
    expect(await plays.countDocuments({ old: true })).toBe(2)
  })

  check('an upsert makes what the filter says is equal, and answers its id', async (db) => {
    const plays = db.collection('plays')
    const update = { $inc: { n: 1 }, $setOnInsert: { video: 'v' } }
    const made = await plays.updateOne({ _id: 'v1', course: 'x' }, update, { upsert: true, ack: true })
    expect(made).toMatchObject({ matchedCount: 0, modifiedCount: 0, upsertedId: 'v1' })
    const again = await plays.updateOne({ _id: 'v1' }, update, { upsert: true, ack: true })
    expect(again).toMatchObject({ matchedCount: 1, modifiedCount: 1 })
    expect(await plays.findOne({ _id: 'v1' })).toEqual({ _id: 'v1', course: 'x', video: 'v', n: 2 })
  })

  check('replaceOne keeps the id and nothing else', async (db) => {
    const plays = await withPlays(db)
    await plays.replaceOne({ _id: 'a' }, { n: 7 })
    await plays.replaceOne({ _id: 'new' }, { n: 8 }, { upsert: true })
    expect(
      await plays
        .find({ _id: { $in: ['a', 'new'] } })
        .sort({ _id: 1 })
        .toArray(),
    ).toEqual([
      { _id: 'a', n: 7 },
      { _id: 'new', n: 8 },
    ])
  })

  check('deleteOne and deleteMany tell how many went', async (db) => {
    const plays = await withPlays(db)
    expect(await plays.deleteOne({ course: 'x' }, { ack: true })).toMatchObject({ deletedCount: 1 })
    expect(await plays.deleteOne({ _id: 'z' }, { ack: true })).toMatchObject({ deletedCount: 0 })
    expect(await plays.deleteMany({}, { ack: true })).toMatchObject({ deletedCount: 2 })
    expect(await plays.countDocuments()).toBe(0)
  })

  check('bulkWrite does all kinds in order and adds up what they did', async (db) => {
    const plays = await withPlays(db)
    const done = await plays.bulkWrite(
      [
        { insertOne: { document: { _id: 'd', n: 5 } } },
        { updateOne: { filter: { _id: 'd' }, update: { $inc: { n: 1 } } } },
        { updateMany: { filter: { course: 'x' }, update: { $set: { seen: true } } } },
        { replaceOne: { filter: { _id: 'e' }, replacement: { n: 9 }, upsert: true } },
        { deleteOne: { filter: { _id: 'a' } } },
        { deleteMany: { filter: { course: 'y' } } },
      ],
      { ack: true },
    )
    expect(done).toMatchObject({
      insertedCount: 1,
      matchedCount: 3,
      modifiedCount: 3,
      upsertedCount: 1,
      deletedCount: 2,
    })
    expect(await plays.find().sort({ _id: 1 }).project({ n: 1 }).toArray()).toEqual([
      { _id: 'b', n: 1 },
      { _id: 'd', n: 6 },
      { _id: 'e', n: 9 },
    ])
  })

  check('updates by operators reach into documents and arrays', async (db) => {
    const plays = await withPlays(db)
    plays.updateOne({ _id: 'c' }, { $set: { 'at.second': 5 }, $unset: { course: '' }, $min: { n: 1 } })
    plays.updateOne({ _id: 'a' }, { $push: { tags: 'new' }, $mul: { n: 2 }, $rename: { course: 'key' } })
    plays.updateOne({ _id: 'b' }, { $addToSet: { tags: 'one' }, $max: { n: 4 } })
    expect(await plays.find().sort({ _id: 1 }).toArray()).toEqual([
      { _id: 'a', n: 6, key: 'x', tags: ['intro', 'short', 'new'] },
      { _id: 'b', n: 4, course: 'x', tags: ['one'] },
      { _id: 'c', n: 1, at: { minute: 4, second: 5 } },
    ])
  })

  check('an element of an array is changed by an array filter', { needs: 'arrayFilters' }, async (db) => {
    const things = db.collection('things')
    things.insertOne({ _id: 1, marks: [4, 7, 9] })
    things.updateOne({ _id: 1 }, { $set: { 'marks.$[high]': 0 } }, { arrayFilters: [{ high: { $gt: 5 } }] })
    expect(await things.findOne()).toEqual({ _id: 1, marks: [4, 0, 0] })
  })

  check('an update may be a pipeline', { needs: 'updatePipelines' }, async (db) => {
    const plays = await withPlays(db)
    await plays.updateOne({ _id: 'a' }, [{ $set: { twice: { $multiply: ['$n', 2] } } }])
    expect(await plays.findOne({ _id: 'a' })).toMatchObject({ n: 3, twice: 6 })
  })

  check(
    'a thousand upserts and more of one handler are all done, in order',
    { needs: 'a thousand updates' },
    async (db) => {
      const counts = db.collection('counts')
      for (let i = 0; i < 1_100; i++)
        counts.updateOne({ _id: `k${i % 10}` }, { $inc: { n: 1 }, $set: { last: i } }, { upsert: true })
      expect(await counts.countDocuments({ n: 110 })).toBe(10)
      expect(await counts.findOne({ _id: 'k9' })).toEqual({ _id: 'k9', n: 110, last: 1099 })
    },
  )
})

contract('reads', (check) => {
  check('find filters, sorts, skips, limits and projects', async (db) => {
    const plays = await withPlays(db)
    const rows = plays
      .find({ n: { $gte: 1 } })
      .sort({ n: -1 })
      .skip(1)
      .limit(1)
      .project({ n: 1, _id: 0 })
    expect(await rows.toArray()).toEqual([{ n: 2 }])
    expect(
      await plays
        .find({ $or: [{ course: 'y' }, { tags: 'intro' }] })
        .sort({ _id: 1 })
        .toArray(),
    ).toEqual([PLAYS[0], PLAYS[2]])
  })

  check('findOne gives one, or null', async (db) => {
    const plays = await withPlays(db)
    expect(await plays.findOne({ 'at.minute': 4 })).toEqual(PLAYS[2])
    expect(await plays.findOne({ _id: 'z' })).toBeNull()
  })

  check('there is nothing in a collection that nobody has written', async (db) => {
    const none = db.collection('none')
    expect(await none.find().toArray()).toEqual([])
    expect(await none.countDocuments()).toBe(0)
    expect(await none.estimatedDocumentCount()).toBe(0)
    expect(await none.distinct('n')).toEqual([])
    expect(await none.aggregate([{ $match: {} }]).toArray()).toEqual([])
  })

  check('counts', async (db) => {
    const plays = await withPlays(db)
    expect(await plays.countDocuments()).toBe(3)
    expect(await plays.countDocuments({ course: 'x' })).toBe(2)
    expect(await plays.countDocuments({}, { skip: 1, limit: 1 })).toBe(1)
    expect(await plays.estimatedDocumentCount()).toBe(3)
  })

  check('distinct unfolds arrays', async (db) => {
    const plays = await withPlays(db)
    expect(new Set(await plays.distinct('tags'))).toEqual(new Set(['intro', 'short']))
    expect(await plays.distinct('course', { n: { $lt: 2 } })).toEqual(['x'])
  })

  check('aggregate groups, sorts and limits', { needs: 'several sums' }, async (db) => {
    const plays = await withPlays(db)
    const rows = plays.aggregate([
      { $match: { n: { $gt: 0 } } },
      { $group: { _id: '$course', plays: { $sum: '$n' }, videos: { $sum: 1 } } },
      { $sort: { plays: -1 } },
      { $limit: 1 },
    ])
    expect(await rows.toArray()).toEqual([{ _id: 'x', plays: 4, videos: 2 }])
  })

  check('$lookup joins collections of the plugin', { needs: '$lookup' }, async (db) => {
    const plays = await withPlays(db)
    db.collection('courses').insertOne({ _id: 'x', title: 'X' })
    const join = { from: 'courses', localField: 'course', foreignField: '_id', as: 'of' }
    expect(await plays.aggregate([{ $match: { _id: 'a' } }, { $lookup: join }]).toArray()).toEqual([
      { ...PLAYS[0], of: [{ _id: 'x', title: 'X' }] },
    ])
  })

  check('more rows than a page has come all, in order, and once', async (db) => {
    const rows = db.collection('rows')
    for (let i = 0; i < 3_000; i++) rows.insertOne({ _id: i, text: 'x'.repeat(100) })
    let next = 0
    for await (const row of rows.find().sort({ _id: 1 })) expect(row).toMatchObject({ _id: next++ })
    expect(next).toBe(3_000)
  })

  check.room('views read pages while a handler writes', async (room) => {
    await room.batch(async (db) => {
      for (let i = 0; i < 1_500; i++) db.collection('rows').insertOne({ _id: i })
    })
    await room.view(async (db) => {
      const cursor = db.collection('rows').find().sort({ _id: 1 })
      expect(await cursor.next()).toEqual({ _id: 0 })
      await room.batch(async (other) => other.collection('rows').insertOne({ _id: -1 }))
      let seen = 1
      for await (const row of cursor) expect(row).toEqual({ _id: seen++ })
      expect(seen).toBe(1_500)
    })
  })
})

contract('values', (check) => {
  const VALUES: Readonly<Record<string, unknown>> = {
    'a date': new Date('2026-03-01T12:00:00.123Z'),
    'a date before 1970': new Date(-1),
    'an ObjectId': new ObjectId('0123456789abcdef01234567'),
    'a 64-bit integer beyond 2^53': new Long(2n ** 62n + 1n),
    'the least 64-bit integer': new Long(-(2n ** 63n)),
    'a decimal': new Decimal128('0.10'),
    bytes: new Binary(new Uint8Array([0, 1, 255])),
    'bytes of another subtype': new Binary(new Uint8Array([7]), 128),
    'a regular expression': /^a.c/im,
    'minus zero': -0,
    'a large integer': 2 ** 53 - 1,
    'a fraction': 0.1 + 0.2,
    'what is no number': Number.NaN,
    infinity: Number.POSITIVE_INFINITY,
    'a text of all planes': 'ä€𝄞\u0001',
    'an empty text': '',
    'null, false and nothing in it': { a: null, b: false, c: {}, d: [], e: [[], [null]] },
    'keys that look like others': { __proto: 1, constructor: 2, toString: 3, _bsontype: 'ObjectId', id: 'x' },
  }
  for (const [name, value] of Object.entries(VALUES))
    check(`${name} comes back as it was`, { needs: name }, async (db) => {
      const things = db.collection('things')
      await things.insertOne({ _id: 1, value, list: [value] })
      expect(await things.findOne({ _id: 1 })).toEqual({ _id: 1, value, list: [value] })
    })

  check('ids of other types than text name their documents', async (db) => {
    const things = db.collection('things')
    const ids = [7, new Date(5), new ObjectId('0123456789abcdef01234567'), { course: 'x', n: 1 }, true]
    for (const [n, _id] of ids.entries()) things.insertOne({ _id, n })
    for (const [n, _id] of ids.entries()) expect(await things.findOne({ _id })).toEqual({ _id, n })
  })

  check('sums that outgrow 32 bits are numbers still', async (db) => {
    const things = db.collection('things')
    things.insertOne({ _id: 1, ms: 2 ** 31 - 1 })
    things.updateOne({ _id: 1 }, { $inc: { ms: 10 } })
    expect(await things.findOne()).toEqual({ _id: 1, ms: 2 ** 31 + 9 })
  })

  check('a date is compared with dates', async (db) => {
    const things = db.collection('things')
    things.insertMany([
      { _id: 1, at: new Date(1_000) },
      { _id: 2, at: new Date(2_000) },
      { _id: 3, at: 1_500 },
    ])
    expect(await things.find({ at: { $gt: new Date(1_000) } }).toArray()).toEqual([
      { _id: 2, at: new Date(2_000) },
    ])
  })
})

contract('refusals', (check) => {
  const things = (db: Db) => db.collection('things')
  const REFUSED: Readonly<Record<string, readonly [string, (db: Db) => Promise<unknown>]>> = {
    'an unknown query operator': [
      'operator_unknown',
      (db) =>
        things(db)
          .find({ n: { $near: 1 } })
          .toArray(),
    ],
    $where: ['operator_unknown', (db) => things(db).find({ $where: 'true' }).toArray()],
    $function: [
      'operator_unknown',
      (db) =>
        things(db)
          .find({ $expr: { $function: { body: 'x', args: [], lang: 'js' } } })
          .toArray(),
    ],
    $out: [
      'operator_unknown',
      (db) =>
        things(db)
          .aggregate([{ $out: 'other' }])
          .toArray(),
    ],
    $merge: [
      'operator_unknown',
      (db) =>
        things(db)
          .aggregate([{ $merge: { into: 'x' } }])
          .toArray(),
    ],
    'a stage that looks into the server': [
      'operator_unknown',
      (db) =>
        things(db)
          .aggregate([{ $currentOp: {} }])
          .toArray(),
    ],
    'a join with another database': [
      'query_invalid',
      (db) =>
        things(db)
          .aggregate([{ $lookup: { from: { db: 'admin', coll: 'x' }, pipeline: [], as: 'a' } }])
          .toArray(),
    ],
    'a filter that is no object': ['op_malformed', (db) => things(db).deleteOne('all')],
    'an unknown update operator': [
      'operator_unknown',
      (db) => things(db).updateOne({}, { $where: { n: 1 } }, { ack: true }),
    ],
    'an update without operators': [
      'update_invalid',
      (db) => things(db).updateOne({}, { n: 1 }, { ack: true }),
    ],
    'a replacement with operators': [
      'update_invalid',
      (db) => things(db).replaceOne({}, { $set: { n: 1 } }, { ack: true }),
    ],
    'a field that starts with $': [
      'document_invalid',
      (db) => things(db).insertOne({ a: { $b: 1 } }, { ack: true }),
    ],
    'a document that is too large': [
      'document_too_large',
      (db) => things(db).insertOne({ text: 'x'.repeat(1_100_000) }, { ack: true }),
    ],
    'an id that is an array': ['document_invalid', (db) => things(db).insertOne({ _id: [1] }, { ack: true })],
    'two operators on one path': [
      'update_invalid',
      (db) => things(db).updateOne({}, { $set: { a: 1 }, $inc: { a: 1 } }, { ack: true }),
    ],
    'a regular expression with a backreference': [
      'query_invalid',
      (db) => things(db).find({ t: /(a)\1/ }).toArray(),
    ],
    'the name of a collection that is the host’s own': [
      'op_malformed',
      (db) => db.collection('lyceum:cursors').find().toArray(),
    ],
    'a name that no collection can have': [
      'op_malformed',
      (db) => db.collection('a$b').insertOne({}, { ack: true }),
    ],
  }
  for (const [name, [code, work]] of Object.entries(REFUSED))
    check.room(`${name}`, async (room) => refused(room.batch(work), code))

  check.room('an addition to a text', async (room) => {
    await room.batch(async (db) => things(db).insertOne({ _id: 1, n: 'text' }))
    await refused(
      room.batch((db) => things(db).updateOne({ _id: 1 }, { $inc: { n: 1 } }, { ack: true })),
      'update_invalid',
      14,
    )
  })

  check.room('a change of an id', { needs: 'immutable ids' }, async (room) => {
    await room.batch(async (db) => things(db).insertOne({ _id: 1 }))
    await refused(
      room.batch((db) => things(db).updateOne({ _id: 1 }, { $set: { _id: 2 } }, { ack: true })),
      'update_invalid',
      66,
    )
  })

  check.room('a join with what is the host’s own', async (room) => {
    const join = (from: string) => [{ $lookup: { from, localField: 'a', foreignField: '_id', as: 'b' } }]
    const read = (from: string) => room.view((db) => things(db).aggregate(join(from)).toArray())
    if (room.isEmbedded) expect(await read('lyceum:cursors')).toEqual([])
    else await refused(read('lyceum:cursors'), 'op_malformed')
  })

  check.room('writes of views', async (room) => {
    await refused(
      room.view((db) => things(db).insertOne({ _id: 1 })),
      'write_denied',
    )
  })

  check.room('one write among many is told by its place', async (room) => {
    const batch = room.batch(async (db) => {
      for (let i = 0; i < 1_200; i++) things(db).insertOne({ _id: i })
      db.collection('others').insertOne({ _id: 1 })
      things(db).insertOne({ _id: 600 })
    })
    const error = await batch.catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'duplicate_key', details: { index: 1_201, collection: 'things' } })
  })
})
