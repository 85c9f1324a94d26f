import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startHost, type TestHost } from '../../support/host.ts'

/** 250 documents are three pages of a cursor: 100, and the rest; 2500 are more. */
const PLUGIN = `
import { cron, onEvent, query } from '@lyceum/sdk'
export const fill = onEvent('fill', async ({ events, db }) => {
  const rows = db.collection('rows')
  for (let i = 0; i < 2500; i++) rows.insertOne({ _id: i, n: i % 7, text: 'x'.repeat(200) })
})
export const inside = onEvent('inside', async ({ events, db }) => {
  const rows = db.collection('rows')
  const seen = []
  for await (const { _id } of rows.find({ _id: { $gte: 0 } })) {
    seen.push(_id)
    // A page later the cursor still stands in the middle of what was written meanwhile.
    await rows.updateOne({ _id }, { $set: { seen: true } })
  }
  await db.collection('told').insertOne({ _id: 'inside', count: seen.length, first: seen[0], last: seen.at(-1) })
})
export const count = query(async ({ db }) => {
  let n = 0
  for await (const row of db.collection('rows').find({})) n += 1
  return n
})
export const broken = query(async ({ db }) => {
  const seen = []
  for (let i = 0; i < 100; i++)
    for await (const row of db.collection('rows').find({}).sort({ _id: -1 })) { seen.push(row._id); break }
  return seen.length
})
export const tooMany = query(async ({ db }) => {
  const open = []
  for (let i = 0; i < 17; i++) { const c = db.collection('rows').find({}); await c.next(); open.push(c) }
  return open.length
})
export const mixed = query(async ({ db }) => {
  const c = db.collection('rows').find({}).sort({ n: 1, _id: 1 })
  const first = [await c.next(), await c.next()].map((row) => row._id)
  const rest = (await c.toArray()).length
  return { first, rest, after: await c.next(), again: (await c.toArray()).length, has: await c.hasNext() }
})
export const each = query(async ({ db }) => {
  const ids = []
  await db.collection('rows').aggregate([{ $match: { n: 3 } }, { $sort: { _id: -1 } }]).forEach(({ _id }) => { ids.push(_id); return ids.length < 150 })
  return [ids.length, ids[0], ids.at(-1)]
})
export const empty = query(async ({ db }) => {
  const c = db.collection('nothing').find({})
  return [await c.hasNext(), await c.next(), await c.toArray()]
})
export const refused = query(async ({ db }) => {
  const c = db.collection('rows').find({ $where: '1' })
  try { await c.next() } catch (error) { return [error.code, error.details.mongoCode, await c.next()] }
})
export const late = query(async ({ db }) => {
  const c = db.collection('rows').find({})
  await c.next()
  try { c.sort({ n: 1 }) } catch (error) { return error.code }
})
export const told = query(({ db }) => db.collection('told').find({}).toArray())
export const marked = query(({ db }) => db.collection('rows').countDocuments({ seen: true }))
`

describe('a cursor', () => {
  let lyceum: TestHost
  beforeAll(async () => {
    lyceum = await startHost()
    await lyceum.publish('paged', PLUGIN)
    await lyceum.send([{ event_type: 'fill', time: '2026-01-01T00:00:00Z', event: {} }])
  })
  afterAll(() => lyceum.dispose())

  const ask = async (name: string) => (await lyceum.call('GET', `/v1/queries/paged/${name}`)).json

  test('gives all documents in pages', async () => {
    expect(await ask('count')).toBe(2500)
  })

  test('that is broken out of is closed: a hundred of them are never too many', async () => {
    expect(await ask('broken')).toBe(100)
  })

  test('is one of at most sixteen that a call has open', async () => {
    expect(await ask('tooMany')).toMatchObject({ code: 'cursor_limit' })
    expect(await ask('count')).toBe(2500)
  })

  test('may be read by next, toArray and hasNext in turn', async () => {
    expect(await ask('mixed')).toEqual({ first: [0, 7], rest: 2498, after: null, again: 0, has: false })
  })

  test('of an aggregation stops where forEach says false', async () => {
    expect(await ask('each')).toEqual([150, 2495, 2495 - 149 * 7])
  })

  test('of nothing is at its end at once', async () => {
    expect(await ask('empty')).toEqual([false, null, []])
  })

  test('that is refused tells why, once', async () => {
    expect(await ask('refused')).toEqual(['operator_unknown', 2, null])
  })

  test('is not shaped any more once it is read', async () => {
    expect(await ask('late')).toBe('query_invalid')
  })

  test('of a handler sees its transaction and stays in order while that writes', async () => {
    await lyceum.send([{ event_type: 'inside', time: '2026-01-01T00:00:01Z', event: {} }])
    expect(await ask('told')).toEqual([{ _id: 'inside', count: 2500, first: 0, last: 2499 }])
    expect(await ask('marked')).toBe(2500)
  })

  test('is lost with its store, and says so; the next one is not', async () => {
    const { plugins, stores } = lyceum.host
    const { store } = plugins.get('paged')
    const inTenSeconds = () => performance.now() + 10_000
    const open = () => store.openCursor(Buffer.from('{"op":"find","collection":"rows"}'), inTenSeconds())
    const { rest } = await open()
    for (const pid of stores.pids) process.kill(pid, 'SIGKILL')
    await expect(rest?.more(inTenSeconds())).rejects.toMatchObject({ code: 'store_lost' })
    rest?.close()
    expect((await open()).rest).toBeDefined()
    expect(await ask('count')).toBe(2500)
  })
})
