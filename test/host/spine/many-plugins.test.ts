import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Stores } from '../../../host/storage/stores.ts'

let folder: string
let stores: Stores
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lyceum-many-'))
  stores = new Stores({ folder, onOutput: () => {}, onLoss: () => {} })
  await stores.start()
})
afterAll(async () => {
  await stores.close()
  await rm(folder, { recursive: true, force: true })
})

const CLAIM = { cursor: 'count/0', version: 1, log: 'log', from: 0, passed: 0 }
const insert = (n: number) => Buffer.from(`[["insertOne","seen",{"_id":${n}}]]`)

test('more databases than a store holds open lose neither data nor open transactions', async () => {
  const plugins = Array.from({ length: 120 }, (_, n) => stores.plugin(`p${n}`, 1))
  const held = plugins.slice(0, 3).map(async (plugin) => {
    const { epoch } = await plugin.claim(CLAIM)
    const move = { ...CLAIM, generation: 1, epoch, to: 1 }
    const transaction = plugin.begin({ move })
    await transaction.write(insert(1), false)
    return transaction
  })
  const transactions = await Promise.all(held)
  for (const plugin of plugins.slice(3)) {
    const { epoch } = await plugin.claim(CLAIM)
    await plugin.begin({ move: { ...CLAIM, generation: 1, epoch, to: 1 } }).commit(insert(1))
  }
  for (const transaction of transactions) await transaction.commit(insert(2))
  const counts = await Promise.all(
    plugins.map(async (plugin) =>
      JSON.parse(
        (
          await plugin.read(
            Buffer.from('{"op":"find","collection":"seen","filter":{}}'),
            Number.POSITIVE_INFINITY,
          )
        ).toString(),
      ),
    ),
  )
  expect(counts.map((rows) => rows.length)).toEqual(plugins.map((_, n) => (n < 3 ? 2 : 1)))
})

test('looking where a cursor stands makes no file and takes nothing over', async () => {
  const [absent, there] = [stores.plugin('absent', 1), stores.plugin('p5', 1)]
  expect(await absent.peek('count/0')).toBe(undefined)
  expect((await readdir(folder)).filter((name) => name.startsWith('absent'))).toEqual([])
  expect(await there.peek('count/0')).toEqual({ log: 'log', seq: 1 })
  expect(await there.peek('other/0')).toBe(undefined)
  expect((await there.claim(CLAIM)).epoch).toBe(2)
})

test('indexes that the data forbid are not what a database is opened with the next time', async () => {
  const refused = stores.plugin('refused', 1)
  const claimed = await refused.claim(CLAIM)
  const move = { ...CLAIM, generation: 1, epoch: claimed.epoch, to: 1 }
  await refused
    .begin({ move })
    .commit(Buffer.from('[["insertOne","seen",{"k":1}],["insertOne","seen",{"k":1}]]'))
  await expect(
    refused.declare([{ name: 'seen', indexes: [{ keys: { k: 1 }, unique: true }] }]),
  ).rejects.toMatchObject({ code: 'duplicate_key' })
  for (let n = 0; n < 40; n++) await stores.plugin(`other${n}`, 1).claim(CLAIM)
  const rows = await refused.read(
    Buffer.from('{"op":"find","collection":"seen","filter":{}}'),
    Number.POSITIVE_INFINITY,
  )
  expect(JSON.parse(rows.toString())).toHaveLength(2)
})
