import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ROOT } from '../../process/own-files.ts'
import { PACKAGES } from '../../process/packages.js'
import { packageOfSdk, type Sources } from './contents.ts'

/** Where the sources lie in the package. Not beside the JavaScript: an author's editor would check them. */
const SOURCE_FOLDER = 'src'
const CONFIG = 'tsconfig.json'
/** Whatever the user's mask is, the same files give the same bytes. */
const MODE = 0o644

/**
 * Writes the package's files into a folder: JavaScript and declarations with their maps, the sources that these
 * point to, and what is copied.
 * @param folder an empty one
 * @throws with what the compiler said
 */
export function compileInto(folder: string, { compiled, copied }: Sources): void {
  writeFileSync(join(folder, CONFIG), JSON.stringify(config(folder, compiled)))
  const ran = spawnSync(process.execPath, [tsc(), '-p', join(folder, CONFIG)], { env: {}, encoding: 'utf8' })
  if (ran.status !== 0) throw new Error(`The SDK cannot be compiled: ${ran.stdout}${ran.stderr}`)
  rmSync(join(folder, CONFIG))
  for (const map of globSync('**/*.map', { cwd: folder })) pointToSource(folder, map)
  for (const path of compiled) copy(path, join(folder, SOURCE_FOLDER, path))
  for (const path of copied) copy(path, join(folder, path))
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(packageOfSdk(), null, 2)}\n`)
  for (const path of globSync('**/*', { cwd: folder, withFileTypes: true }))
    if (path.isFile()) chmodSync(join(path.parentPath, path.name), MODE)
}

function config(folder: string, compiled: readonly string[]): object {
  return {
    extends: join(ROOT, CONFIG),
    compilerOptions: {
      noEmit: false,
      // Whoever commits to the clone checks it; here it only costs time.
      noCheck: true,
      rootDir: ROOT,
      outDir: folder,
      declarationMap: true,
      sourceMap: true,
      rewriteRelativeImportExtensions: true,
      typeRoots: [join(PACKAGES, '@types')],
    },
    files: compiled.map((path) => join(ROOT, path)),
    include: [],
  }
}

/** The compiler wrote the way from the output to the clone, which nobody else has. */
function pointToSource(folder: string, path: string): void {
  const source = path.replace(/(?:\.d\.ts|\.js)\.map$/, '.ts')
  const map: object = JSON.parse(readFileSync(join(folder, path), 'utf8'))
  const sources = [relative(dirname(path), join(SOURCE_FOLDER, source))]
  writeFileSync(join(folder, path), JSON.stringify({ ...map, sources }))
}

function copy(path: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true })
  copyFileSync(join(ROOT, path), to)
}

function tsc(): string {
  return fileURLToPath(new URL('bin/tsc', import.meta.resolve('typescript/package.json')))
}
