import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Generations } from '../../host/registry/generations.ts'
import { Halts } from '../../host/registry/halts.ts'
import { openRegistry } from '../../host/registry/registry-file.ts'

async function openOne() {
  const folder = await mkdtemp(join(tmpdir(), 'lyceum-generations-'))
  const db = openRegistry(join(folder, 'registry.db'))
  onTestFinished(() => {
    db.close()
    return rm(folder, { recursive: true })
  })
  db.prepare("INSERT INTO plugins (id, owner, activation) VALUES ('counting', 'ann', 3)").run()
  return db
}

test('data take the place only of those that are read, and only as the activation built them that runs', async () => {
  const db = await openOne()
  const generations = new Generations(db)
  const flip = {
    plugin: 'counting',
    from: 1,
    to: generations.begin('counting', 3, 5),
    activation: 3,
    madeBy: [],
    fromStart: [],
  }
  const building = generations.others()
  expect(generations.flip({ ...flip, activation: 2 })).toBe(false)
  expect(generations.flip({ ...flip, from: flip.to })).toBe(false)
  expect(generations.others()).toEqual(building)
  expect(generations.flip(flip)).toBe(true)
  expect(generations.others()).toMatchObject([{ generation: 1, state: 'dropping' }])
})

test('data that are made of samples are known as such, also after a restart, for as long as they are there', async () => {
  const db = await openOne()
  const generations = new Generations(db)
  const known = (of = new Generations(db)) =>
    ['counting', 'else'].flatMap((plugin) =>
      [1, 2].filter((n) => of.isOfSamples(plugin, n)).map((n) => plugin + n),
    )
  for (const n of [1, 1, 2]) generations.markOfSamples('counting', n)
  generations.markOfSamples('else', 1)
  expect(known()).toEqual(['counting1', 'counting2', 'else1'])
  expect(known(generations)).toEqual(known())
  generations.dropped('counting', 1)
  expect(known()).toEqual(['counting2', 'else1'])
  expect(known(generations)).toEqual(known())
  generations.forget('counting')
  expect(known()).toEqual(['else1'])
  expect(known(generations)).toEqual(known())
})

test('with the data of before goes what was known of them: who made them, and which handlers stand still', async () => {
  const db = await openOne()
  const [generations, halts] = [new Generations(db), new Halts(db)]
  const [before, now] = ['1', '2'].map((version) => ({ endpoint: 'count', codeHash: `c${version}`, version }))
  if (before === undefined || now === undefined) throw new Error('there are two')
  generations.made('counting', [before])
  halts.set('counting', 'count', 3, { message: 'it failed', atMs: 5 })
  const to = generations.begin('counting', 3, 5)
  expect(generations.madeBy('counting')).toEqual([before])
  expect(halts.find('counting', 'count', 3)).toBeDefined()
  const flip = { plugin: 'counting', from: 1, to, activation: 3, madeBy: [now], fromStart: [] }
  expect(generations.flip(flip)).toBe(true)
  expect(generations.madeBy('counting')).toEqual([now])
  expect(halts.find('counting', 'count', 3)).toBeUndefined()
})

test('what was left of a rebuild is deleted when another begins, whose number is another', async () => {
  const generations = new Generations(await openOne())
  const first = generations.begin('counting', 3, 5)
  const second = generations.begin('counting', 3, 6)
  expect(generations.others()).toMatchObject([
    { generation: first, state: 'dropping' },
    { generation: second, state: 'building' },
  ])
  generations.dropped('counting', second)
  expect(generations.begin('counting', 3, 7)).toBeGreaterThan(second)
})
