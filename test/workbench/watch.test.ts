import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { FolderWatch } from '../../workbench/dev/watch.ts'

test('what a link in a plugin’s folder leads to is not watched, however much that is', async () => {
  const parent = await realpath(await mkdtemp(join(tmpdir(), 'lyceum-watch-')))
  const [dir, data] = [join(parent, 'plays'), join(parent, 'data')]
  await mkdir(dir)
  await mkdir(data)
  await symlink(data, join(dir, 'data'))
  const seen: string[] = []
  const saved = Promise.withResolvers<void>()
  const watching = await FolderWatch.open(dir, {
    onSaved: (files) => {
      seen.push(...files)
      if (files.includes('plugin.ts')) saved.resolve()
    },
    onError: saved.reject,
  })
  await writeFile(join(data, 'events.json'), '{}')
  await writeFile(join(dir, 'plugin.ts'), '')
  await saved.promise
  expect(seen).toEqual(['plugin.ts'])
  await watching.close()
  await rm(parent, { recursive: true })
})

test('what tools write is not watched, and a linked package is, as soon as a bundle holds it', async () => {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'lyceum-watch-')))
  // What the folders above are called has no say.
  const parent = join(folder, 'snapshots')
  const [dir, library] = [join(parent, 'plays'), join(parent, 'library')]
  const installed = join(parent, 'node_modules/other')
  const ignored = ['node_modules', '.lyceum', 'snapshots', '.git']
  for (const made of [dir, library, installed]) await mkdir(made, { recursive: true })
  for (const name of ignored) await mkdir(join(dir, name))
  const seen: (readonly string[])[] = []
  const watching = await FolderWatch.open(dir, {
    onSaved: (files) => seen.push(files),
    onError: (error) => expect.unreachable(error.message),
  })
  onTestFinished(async () => {
    await watching.close()
    await rm(folder, { recursive: true })
  })
  const all = () => new Set(seen.flat())
  for (const name of ignored) await writeFile(join(dir, name, 'x.ts'), '')
  await writeFile(join(dir, 'plugin.ts'), '')
  await writeFile(join(dir, 'lib.ts'), '')
  await vi.waitFor(() => expect(all()).toEqual(new Set(['plugin.ts', 'lib.ts'])), 10_000)

  await writeFile(join(library, 'a.ts'), '')
  await writeFile(join(installed, 'b.ts'), '')
  watching.also([join(library, 'a.ts'), join(installed, 'b.ts'), join(dir, 'plugin.ts')])
  let saves = 0
  await vi.waitFor(async () => {
    saves += 1
    await writeFile(join(installed, 'b.ts'), `${saves}`)
    await writeFile(join(library, 'a.ts'), `${saves}`)
    expect(all()).toContain('../library/a.ts')
  }, 10_000)
  expect(all()).toEqual(new Set(['plugin.ts', 'lib.ts', '../library/a.ts']))
  // Each save is told once.
  expect(seen.at(-1)).toEqual(['../library/a.ts'])
})
