import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** An author's folder in a temporary place. */
export interface Author {
  readonly dir: string
  write(file: string, text: string): Promise<void>
  remove(): Promise<void>
}

/** Makes the folder of a plugin. */
export async function authorOf(name: string, source: string): Promise<Author> {
  const dir = await mkdtemp(join(tmpdir(), 'lyceum-author-'))
  const write = (file: string, text: string) => writeFile(join(dir, file), text)
  await write('package.json', JSON.stringify({ name, version: '1.0.0', type: 'module' }))
  await write('plugin.ts', source)
  return { dir, write, remove: () => rm(dir, { recursive: true }) }
}
