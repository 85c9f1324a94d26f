import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
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
