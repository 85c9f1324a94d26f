import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Generations } from '../../host/registry/generations.ts'
import { openRegistry } from '../../host/registry/registry-file.ts'

test('data take the place only of those that are read, and only as the activation built them that runs', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'lyceum-generations-'))
  const db = openRegistry(join(folder, 'registry.db'))
  onTestFinished(() => {
    db.close()
    return rm(folder, { recursive: true })
  })
  db.prepare("INSERT INTO plugins (id, owner, activation) VALUES ('counting', 'ann', 3)").run()
  const generations = new Generations(db)
  const flip = {
    plugin: 'counting',
    from: 1,
    to: generations.begin('counting', 3, 5),
    activation: 3,
    madeBy: [],
  }
  const building = generations.others()
  expect(generations.flip({ ...flip, activation: 2 })).toBe(false)
  expect(generations.flip({ ...flip, from: flip.to })).toBe(false)
  expect(generations.others()).toEqual(building)
  expect(generations.flip(flip)).toBe(true)
  expect(generations.others()).toMatchObject([{ generation: 1, state: 'dropping' }])
})
