/**
 * Makes the package of the SDK in a folder, unless it holds that very one, and prints its file name.
 *
 * Arguments: `[folder]`. Nothing in it belongs to anybody else.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { setPriority } from 'node:os'
import { join } from 'node:path'
import { create } from 'tar'
import packageJson from '../../package.json' with { type: 'json' }
import { ROOT } from '../../process/own-files.ts'
import { compileInto } from './compile.ts'
import { contentHash, filesOfPackage, isPackage, sourcesOfClone } from './contents.ts'

/** Events go first. */
const NICE = 10
/** The same content gives the same bytes, whenever it is packed. */
const MTIME = new Date('2020-01-01T00:00:00Z')
const HASH_CHARS = 16

setPriority(NICE)
const [folder = ''] = process.argv.slice(2)
mkdirSync(folder, { recursive: true })
const sources = isPackage ? { compiled: [], copied: filesOfPackage() } : sourcesOfClone()
const hash = contentHash([...sources.compiled, ...sources.copied, 'package.json'])
const name = `sdk-${packageJson.version}-${hash.slice(0, HASH_CHARS)}.tgz`
if (!existsSync(join(folder, name))) {
  // What an earlier version or an interrupted build has left.
  for (const entry of readdirSync(folder)) rmSync(join(folder, entry), { recursive: true })
  const stage = mkdtempSync(join(folder, 'building-'))
  const content = join(stage, 'package')
  try {
    if (isPackage) await pack(ROOT, sources.copied)
    else {
      mkdirSync(content)
      compileInto(content, sources)
      await pack(content, filesOfPackage(content))
    }
    renameSync(join(stage, name), join(folder, name))
  } finally {
    rmSync(stage, { recursive: true })
  }

  async function pack(cwd: string, paths: readonly string[]): Promise<void> {
    const options = {
      cwd,
      file: join(stage, name),
      prefix: 'package',
      portable: true,
      mtime: MTIME,
      gzip: true,
    }
    await create({ ...options, noDirRecurse: true }, [...paths])
  }
}
process.stdout.write(name)
