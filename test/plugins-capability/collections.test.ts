import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LIMITS } from '../../host/limits.ts'
import { startHost, type TestHost } from '../support/host.ts'

const GRADES = `
  import { collection, onEvent, query } from '@lyceum/sdk'
  export const plays = collection({ indexes: [{ course: 1 }], read: ['report'] })
  export const open = collection({ read: '*' })
  export const secret = collection({})
  export const fill = onEvent('fill', async ({ db }) => {
    for (let n = 0; n < 300; n++) await db.collection('plays').insertOne({ _id: n, course: n % 2 ? 'a' : 'b', at: new Date(n) })
    await db.collection('open').insertOne({ _id: 'o', user: 'ann' })
    await db.collection('secret').insertOne({ _id: 's', user: 'ann' })
    await db.collection('unsaid').insertOne({ _id: 'u' })
  })
  export const many = onEvent('many', async ({ db }) => {
    for (let n = 0; n < 2_000; n++) await db.collection('open').insertOne({ _id: n })
  })
  export const count = query(({ db }) => db.collection('open').countDocuments())
`
const REPORT = `
  import { onEvent, query, t } from '@lyceum/sdk'
  const told = async (read) => { try { return await read() } catch (error) { return error.code + ': ' + error.message } }
  export const reads = query(async ({ plugins: { grades } }) => {
    const plays = grades.collection('plays')
    const looped = []
    for await (const play of plays.find({ course: 'a' }).sort({ _id: -1 }).limit(2)) looped.push(play._id)
    return {
      one: (await plays.findOne({ _id: 7 })).at instanceof Date,
      find: (await plays.find({ course: 'a' }, { projection: { course: 1 } }).toArray()).length,
      looped,
      aggregate: await plays.aggregate([{ $group: { _id: '$course', n: { $sum: 1 } } }, { $sort: { _id: 1 } }]).toArray(),
      count: await plays.countDocuments({ course: 'b' }),
      distinct: await plays.distinct('course'),
      other: await grades.collection('open').countDocuments(),
      joined: await grades.collection('open').aggregate([
        { $lookup: { from: 'plays', pipeline: [{ $limit: 1 }], as: 'play' } }, { $unwind: '$play' }]).toArray(),
      writes: typeof plays.insertOne,
    }
  })
  export const denied = query(async ({ plugins: { grades } }) => ({
    secret: await told(() => grades.collection('secret').find().toArray()),
    unsaid: await told(() => grades.collection('unsaid').countDocuments()),
    missing: await told(() => grades.collection('missing').countDocuments()),
    malformed: await told(() => grades.collection('plays').find({ $where: '1' }).toArray()),
    nameless: await told(() => grades.collection(7)),
  }))
  export const named = query({ params: { request: t.string({ max: 4000 }) } }, async ({ plugins: { grades }, params }) => {
    const { collection, pipeline } = JSON.parse(params.request)
    return told(() => grades.collection(collection).aggregate(pipeline).toArray())
  })
  export const keep = onEvent('keep', async ({ events, plugins: { grades }, db }) => {
    const n = await grades.collection('plays').countDocuments()
    await db.collection('kept').insertOne({ n })
  })
  export const kept = query(({ db, plugins: { self } }) =>
    Promise.all([db.collection('kept').countDocuments(), self.collection('kept').find().project({ _id: 0 }).toArray()]))
  const SLOW = [{ $lookup: { from: 'open', let: { x: '$_id' }, as: 'y',
    pipeline: [{ $match: { $expr: { $eq: ['$_id', '$$x'] } } }] } }, { $count: 'n' }]
  export const slow = query(async ({ plugins: { grades } }) => {
    const reads = Array.from({ length: 60 }, () => grades.collection('open').aggregate(SLOW).toArray().catch((error) => error.code))
    return [...new Set((await Promise.all(reads)).map(String))]
  })
`
const STRANGER = `
  import { query } from '@lyceum/sdk'
  export const plays = query(({ plugins: { grades } }) => grades.collection('plays').countDocuments())
  export const open = query(({ plugins: { grades } }) => grades.collection('open').countDocuments())
`

let lyceum: TestHost
beforeAll(async () => {
  lyceum = await startHost()
  for (const [id, source] of [
    ['grades', GRADES],
    ['report', REPORT],
    ['stranger', STRANGER],
  ] as const)
    expect([id, (await lyceum.publish(id, source)).status]).toEqual([id, 201])
  await lyceum.send([{ event_type: 'fill', id: 'f' }])
})
afterAll(() => lyceum.dispose())

const ask = async (path: string) => {
  const { status, json } = await lyceum.call('GET', `/v1/queries/${path}`)
  return status === 200 ? json : [status, json.code, json.detail]
}

describe('a collection that its plugin lets another read', () => {
  test('is read like one of its own, with the types of its values, and only read', async () => {
    expect(await ask('report/reads')).toMatchObject({
      one: true,
      find: 150,
      looped: [299, 297],
      aggregate: [
        { _id: 'a', n: 150 },
        { _id: 'b', n: 150 },
      ],
      count: 150,
      distinct: expect.arrayContaining(['a', 'b']),
      other: 1,
      joined: [{ _id: 'o', play: { _id: 0 } }],
      writes: 'undefined',
    })
  })

  test('is all that is read: others are refused, be they there or not', async () => {
    const { secret, unsaid, missing, malformed, nameless } = await ask('report/denied')
    expect(secret).toMatch(/^op_denied: .*'secret'/)
    expect(unsaid).toMatch(/^op_denied: /)
    expect(missing).toMatch(/^op_denied: /)
    expect(malformed).toMatch(/^operator_unknown: /)
    expect(nameless).toMatch(/^op_malformed: /)
  })

  test('cannot be left by any stage of a pipeline, however deep', async () => {
    const name = fc.constantFrom('secret', 'unsaid', 'lyceum_cursors', 'Secret', 'secret ', '__proto__')
    const away = name.map((from) => ({ $lookup: { from, pipeline: [], as: 'x' } }))
    const stage = fc.letrec<{ stage: object }>((tie) => ({
      stage: fc.oneof(
        { maxDepth: 3 },
        away,
        tie('stage').map((inner) => ({ $lookup: { from: 'open', pipeline: [inner], as: 'x' } })),
        tie('stage').map((inner) => ({ $facet: { x: [inner] } })),
        name.map((coll) => ({ $unionWith: { coll, pipeline: [] } })),
        name.map((into) => ({ $out: into })),
        name.map((from) => ({
          $graphLookup: { from, startWith: '$_id', connectFromField: '_id', connectToField: '_id', as: 'x' },
        })),
      ),
    })).stage
    await fc.assert(
      fc.asyncProperty(stage, fc.constantFrom('plays', 'open'), async (hostile, collection) => {
        const request = JSON.stringify({ collection, pipeline: [{ $limit: 1 }, hostile] })
        const answer = await ask(`report/named?request=${encodeURIComponent(request)}`)
        expect(answer).toMatch(/^(op_denied|operator_unknown|query_invalid|op_malformed): /)
      }),
      { numRuns: 40 },
    )
  })

  test('is refused to whom it does not name, and to whom no admin lets ask', async () => {
    expect(await ask('stranger/open')).toBe(1)
    expect(await ask('stranger/plays')).toEqual([403, 'op_denied', expect.stringContaining("'plays'")])
    lyceum.host.catalogue.setGranted('stranger', [])
    await lyceum.call('PATCH', '/v1/plugins/stranger/quota', { body: {} })
    expect(await ask('stranger/open')).toEqual([403, 'op_denied', expect.stringContaining('not approved')])
  })

  test('is read by handlers too, and by the plugin itself', async () => {
    await lyceum.send([{ event_type: 'keep', id: 'k' }])
    expect(await ask('report/kept')).toEqual([1, [{ n: 300 }]])
  })

  test('is nobody else’s once a version does not name them any more', async () => {
    const narrowed = GRADES.replace("read: ['report']", 'read: []').replace("read: '*'", 'read: []')
    await lyceum.publish('grades', narrowed, { version: '1.0.1' })
    expect((await ask('report/denied')).secret).toMatch(/^op_denied: grades lets report read none/)
    await lyceum.publish('grades', GRADES, { version: '1.0.2' })
    expect((await ask('report/reads')).count).toBe(150)
  })

  test('counts on the reader’s quota of ops and bytes', async () => {
    await lyceum.call('PATCH', '/v1/plugins/report/quota', { body: { bytesPerCall: 2_000 } })
    expect((await ask('report/reads'))[1]).toBe('over_bytes')
    await lyceum.call('PATCH', '/v1/plugins/report/quota', {
      body: { bytesPerCall: 1_000_000, opsPerCall: 3 },
    })
    expect((await ask('report/reads'))[1]).toBe('over_ops')
    await lyceum.call('PATCH', '/v1/plugins/report/quota', { body: { opsPerCall: 10_000 } })
  })

  test('is not kept from its owner by a reader whose reads are slow', async () => {
    await lyceum.send([{ event_type: 'many', id: 'm' }])
    await lyceum.call('PATCH', '/v1/plugins/report/quota', { body: { wallMs: 4_000 } })
    const owner = lyceum.host.plugins.storeOf('grades')
    const hostile = ask('report/slow')
    let asked = 0
    let ended = false
    void hostile.finally(() => {
      ended = true
    })
    while (!ended) {
      expect(await ask('grades/count')).toBe(2_001)
      asked += 1
    }
    // A few were cut short; the others did not get a turn: of the time that passed the owner had most.
    expect((await hostile).toSorted()).toEqual(['over_concurrency', 'time_limit'])
    expect(asked).toBeGreaterThan(5)
    // The owner stays where it is: only its reader moves.
    expect(owner.mostReadMs).toBe(LIMITS.slowStoreOpMs)
  })
})
