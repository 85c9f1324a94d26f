import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseReplicas } from '../../host/replicas/config.ts'
import { MongodbSource, mayWrite } from '../../host/replicas/mongodb.ts'
import { BSON, MongoClient } from '../../host/storage/mongo/driver.ts'
import { Binary, decode, Long, ObjectId } from '../../sdk/ejson.ts'
import { type WireServer, wireServers } from '../support/mongo.ts'
import { asked, ReplicaBench } from './support.ts'

/** What a source without a server says of a request: it is checked before anybody connects. */
async function refusal(request: object): Promise<string> {
  const config = { kind: 'mongodb' as const, url: 'mongodb://127.0.0.1:1/lms', tables: ['mine'] }
  const rows = new MongodbSource(config).read(request, 1, AbortSignal.abort())
  return rows.next().then(
    () => 'not refused',
    (error: { code: string; message: string }) => `${error.code}: ${error.message}`,
  )
}
const find = (filter: object) => refusal({ op: 'find', collection: 'mine', filter })
const aggregate = (...pipeline: unknown[]) => refusal({ op: 'aggregate', collection: 'mine', pipeline })

describe('a query of a replica that is MongoDB', () => {
  test('is taken where nothing is wrong with it', async () => {
    expect(await find({ a: { $gt: 1 } })).toMatch(/^time_limit: /)
    expect(await aggregate({ $match: { a: 1 } }, { $group: { _id: '$a' } })).toMatch(/^time_limit: /)
  })

  test.each([
    { $where: 'sleep(1000)' },
    { a: { $where: '1' } },
    { $expr: { $function: { body: 'x', args: [], lang: 'js' } } },
    { $or: [{ a: 1 }, { $and: [{ $jsonSchema: {} }] }] },
    { a: { $elemMatch: { $where: '1' } } },
    { $text: { $search: 'x' } },
  ])('is refused as a filter %j', async (filter) => {
    expect(await find(filter)).toMatch(/^(?:operator_unknown|query_invalid): /)
  })

  test.each([
    { $out: 'grades' },
    { $merge: { into: 'grades' } },
    { $match: { $where: '1' } },
    { $collStats: {} },
    { $currentOp: {} },
    { $listSessions: {} },
    { $facet: { a: [{ $out: 'grades' }] } },
    { $lookup: { from: 'mine', pipeline: [{ $merge: 'x' }], as: 'a' } },
    { $group: { _id: 1, a: { $accumulator: {} } } },
  ])('is refused as a stage %j', async (stage) => {
    expect(await aggregate(stage)).toMatch(/^(?:operator_unknown|query_invalid): /)
  })

  const secret = { from: 'secret', localField: 'a', foreignField: 'b', as: 'c' }
  test.each([
    { $lookup: secret },
    { $facet: { a: [{ $lookup: secret }] } },
    { $lookup: { from: 'mine', as: 'a', pipeline: [{ $lookup: secret }] } },
    { $unionWith: 'secret' },
    { $unionWith: { coll: 'secret', pipeline: [] } },
    { $unionWith: { coll: 'mine', pipeline: [{ $unionWith: 'secret' }] } },
    {
      $graphLookup: { from: 'secret', startWith: '$a', connectFromField: 'a', connectToField: 'b', as: 'c' },
    },
  ])('reads by %j only what it may name', async (stage) => {
    expect(await aggregate(stage)).toMatch(/^statement_refused: "secret" is not among the collections/)
  })

  test('is refused where it is too deep, too large, or no query', async () => {
    let deep: object = { a: 1 }
    for (let i = 0; i < 150; i++) deep = { $and: [deep] }
    expect(await find(deep)).toMatch(/^query_invalid: /)
    expect(await find({ a: { $in: Array.from({ length: 30_000 }, () => 1) } })).toMatch(/^query_invalid: /)
    expect(await find(JSON.parse('{"__proto__":{"a":1}}'))).toMatch(/^query_invalid: /)
    for (const stage of [7, {}, { $match: {}, $limit: 1 }, { match: {} }])
      expect(await aggregate(stage)).toMatch(/^(?:query_invalid|operator_unknown): /)
  })
})

const user = { user: 'lyceum', db: 'lms' }
const status = (actions: string[], users: object[] = [user]) => ({
  authInfo: {
    authenticatedUsers: users,
    authenticatedUserPrivileges: [{ resource: { db: 'lms', collection: '' }, actions }],
  },
})

test('an account that may do more than read is told by what it may', () => {
  expect(mayWrite(status(['find', 'listCollections', 'killCursors']))).toBeUndefined()
  expect(mayWrite(status(['find', 'insert', 'update']))).toBe('it may insert, update')
  expect(mayWrite(status(['anyAction']))).toBe('it may anyAction')
  expect(mayWrite(status(['find'], []))).toMatch(/without an account/)
  expect(mayWrite({ ok: 1 })).toMatch(/does not tell/)
})

const servers = wireServers()
if (servers.length === 0)
  console.warn(
    'There is no MongoDB server (LYCEUM_TEST_MONGODB_URI, mongod or ferretdb): replicas that are MongoDB are not read',
  )

describe.each(servers)('over $server', (wire: WireServer) => {
  const database = `lms${process.pid}`
  let client: MongoClient
  let url: string
  beforeAll(async () => {
    const server = new URL(await wire.start())
    server.pathname = `/${database}`
    url = server.href
    client = new MongoClient(url)
    const db = client.db()
    await db
      .collection<{ _id: number; n: number }>('many')
      .insertMany(Array.from({ length: 3_000 }, (_, n) => ({ _id: n, n })))
    await db.collection('secret').insertOne({ a: 1 })
    await db.collection('kinds').insertOne({
      _id: new BSON.ObjectId('64b000000000000000000001'),
      big: BSON.Long.fromString('9007199254740993'),
      small: BSON.Long.fromNumber(7),
      bytes: new BSON.Binary(Buffer.from([0, 255])),
      at: new Date('2026-02-03'),
      double: 1.5,
      nested: { list: [1, { a: null }] },
    })
  })
  afterAll(async () => {
    await client.db().dropDatabase()
    await client.close()
    await wire.stop()
  })

  async function read(request: object, timeMs = 10_000): Promise<unknown[]> {
    const config = parseReplicas(
      JSON.stringify({ lms: { kind: 'mongodb', url, tables: ['many', 'kinds'] } }),
      {},
    ).get('lms')
    if (config?.kind !== 'mongodb') throw new Error('a database of another kind')
    const source = new MongodbSource(config)
    const rows: unknown[] = []
    // Without the look at the account: the servers of tests let anybody in, which is what it refuses.
    for await (const row of source.read(request, timeMs, new AbortController().signal)) rows.push(decode(row))
    return rows
  }

  test('a server that lets anybody in is refused, with what to do', async () => {
    const bench = new ReplicaBench({ lms: { kind: 'mongodb', url } })
    await bench.replicas.settled()
    expect(bench.replicas.status()).toMatchObject([
      {
        state: 'refused',
        reason: expect.stringMatching(/(?:without an account|does not tell what it may).*role: 'read'/),
      },
    ])
    expect(await bench.refusal(Buffer.from('{"op":"find","collection":"many","filter":{}}'))).toMatch(
      /^replica_unavailable: /,
    )
    bench.close()
  })

  test('documents come as they are documented', async () => {
    expect(await read({ op: 'find', collection: 'kinds', filter: {} })).toEqual([
      {
        _id: new ObjectId('64b000000000000000000001'),
        big: new Long('9007199254740993'),
        small: 7,
        bytes: new Binary(new Uint8Array([0, 255])),
        at: new Date('2026-02-03'),
        double: 1.5,
        nested: { list: [1, { a: null }] },
      },
    ])
    expect(
      await read({ op: 'find', collection: 'kinds', filter: { big: new Long('9007199254740993') } }),
    ).toHaveLength(1)
    expect(
      await read({
        op: 'find',
        collection: 'kinds',
        filter: { _id: new ObjectId('64b000000000000000000002') },
      }),
    ).toEqual([])
  })

  test('finds and aggregates are shaped as asked', async () => {
    expect(
      await read({
        op: 'find',
        collection: 'many',
        filter: { n: { $gte: 10 } },
        sort: { n: -1 },
        limit: 2,
        skip: 1,
        projection: { n: 1, _id: 0 },
      }),
    ).toEqual([{ n: 2_998 }, { n: 2_997 }])
    expect(await read({ op: 'find', collection: 'many', filter: {} })).toHaveLength(3_000)
    expect(
      await read({
        op: 'aggregate',
        collection: 'many',
        pipeline: [{ $match: { n: { $lt: 10 } } }, { $group: { _id: null, n: { $sum: '$n' } } }],
      }),
    ).toMatchObject([{ n: 45 }])
  })

  test('other collections, statements and values that are no query are refused', async () => {
    const codeOf = (request: object) =>
      read(request).then(
        () => 'read',
        (error: { code: string }) => error.code,
      )
    expect(await codeOf({ op: 'find', collection: 'secret', filter: {} })).toBe('statement_refused')
    expect(await codeOf({ op: 'find', collection: 'system.users', filter: {} })).toBe('statement_refused')
    expect(
      await codeOf({
        op: 'aggregate',
        collection: 'many',
        pipeline: [{ $lookup: { from: 'secret', as: 'a', localField: 'n', foreignField: 'a' } }],
      }),
    ).toBe('statement_refused')
    expect(await codeOf(JSON.parse(asked`SELECT 1`.toString()))).toBe('op_malformed')
    expect(await codeOf({ op: 'find', collection: 'many', filter: {}, hint: 'x' })).toBe('op_malformed')
    expect(await codeOf({ op: 'find', collection: 'many', filter: {}, limit: -1 })).toBe('op_malformed')
    expect(await codeOf({ op: 'find', collection: 'many', filter: { _bsontype: 'Code', code: 'x' } })).toBe(
      'read',
    )
    expect(await codeOf({ op: 'distinct', collection: 'many', field: 'n' })).toBe('op_malformed')
    expect(await client.db().collection('secret').countDocuments()).toBe(1)
  })
})
