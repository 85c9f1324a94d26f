import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Stores } from '../../host/storage/stores.ts'
import { OpError } from '../../sandbox/guest/bridge.ts'
import { Room } from '../contracts/room.ts'

/** With LYCEUM_SOAK=1 as many as are promised. */
const TRIES = process.env.LYCEUM_SOAK !== undefined ? 10_000 : 1_500
/** Reads under way at the same time. */
const AT_ONCE = 50

let folder = ''
let stores: Stores
let mine: Room
let theirs: Room
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lyceum-paths-'))
  stores = new Stores({ folder: join(folder, 'plugins'), onOutput: () => {}, onLoss: () => {} })
  await stores.start()
  mine = new Room(stores)
  theirs = new Room(stores)
  for (const room of [mine, theirs])
    await room.batch(async (_, fs) => {
      const text = room === mine ? 'mine' : 'theirs'
      for (const path of ['a', 'a/b', 'same.txt', 'plots/week 1.png', '__proto__', 'pending/x'])
        await fs.write(path, text)
      if (room === theirs) await fs.write('only/theirs', text)
    })
})
afterAll(async () => {
  await stores.close()
  await rm(folder, { recursive: true, force: true })
})

/** Names on the disk, and whatever might lead from one key to another. */
async function inventions(): Promise<fc.Arbitrary<string>> {
  const onDisk = await readdir(folder, { recursive: true })
  const names = onDisk.flatMap((path) => [path, ...path.split('/'), join(folder, path)])
  const known = [
    'a',
    'b',
    'same.txt',
    'only',
    'theirs',
    'pending',
    '__proto__',
    'constructor',
    theirs.store.plugin,
  ]
  const tricks = [
    '..',
    '.',
    '',
    '~',
    '%2e%2e',
    '%00',
    '*',
    '?',
    "' OR 1=1 --",
    '\\..',
    'file:',
    '\u0000',
    '\u202e',
    'ａ',
    'A',
  ]
  const segment = fc.oneof(
    fc.constantFrom(...known, ...tricks),
    fc.constantFrom(...names),
    fc.string({ unit: 'binary-ascii', maxLength: 12 }),
    fc.string({ unit: 'binary', maxLength: 4 }),
  )
  return fc
    .array(segment, { minLength: 1, maxLength: 6 })
    .chain((segments) => fc.constantFrom('/', '//', '\\', '/../').map((by) => segments.join(by)))
}

const outside = async () =>
  (await readdir(folder, { recursive: true })).filter((path) => !path.includes(mine.store.plugin)).sort()

test(`${TRIES} invented paths lead a plugin to its own files only`, async () => {
  const before = await outside()
  const paths = fc.sample(await inventions(), TRIES)
  const found = new Set<unknown>()
  const valid = new Set<string>()
  for (let at = 0; at < paths.length; at += AT_ONCE)
    await Promise.all(
      paths.slice(at, at + AT_ONCE).map((path) =>
        mine
          .view(async (_, fs) => {
            found.add(await fs.readText(path))
            for (const { path: listed } of await fs.list(path.slice(0, 512)))
              found.add(listed.startsWith('only'))
            valid.add(path)
          })
          .catch((error: unknown) => found.add(error instanceof OpError ? error.code : error)),
      ),
    )
  expect(found).toEqual(new Set([null, 'mine', 'file_path_invalid', false]))

  // Those that are paths can be written, and lie beside what others have.
  const some = [...valid].slice(0, 60)
  expect(some.length).toBeGreaterThan(30)
  await mine.batch(async (_, fs) => {
    for (const path of some) await fs.write(path, `mine: ${path}`)
  })
  for (const path of some)
    expect(await mine.view((_, fs) => fs.readText(path))).toBe(`mine: ${path}`.toWellFormed())
  for (const path of ['a', 'a/b', 'same.txt', 'only/theirs', 'pending/x'])
    expect(await theirs.view((_, fs) => fs.readText(path))).toBe('theirs')
  expect(await outside()).toEqual(before)
  for (const name of await readdir(folder)) expect(name).toBe('plugins')
})
