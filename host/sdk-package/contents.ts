import { createHash } from 'node:crypto'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import packageJson from '../../package.json' with { type: 'json' }
import { MODULE_EXTENSION, ROOT } from '../../process/own-files.ts'

/** The folders of code: all that runs, and nothing of the tests. */
const CODE = ['sdk', 'process', 'sandbox', 'host', 'workbench', 'cli'] as const
/** Kept as their authors wrote them: they are bundled, or copied into an author's folder. */
const AS_WRITTEN = ['plugins/*/**', 'workbench/templates/**']
/** Of the clone alone: its own package of the SDK, and what is said to whoever works on Lyceum. */
const OF_THE_CLONE = new Set(['sdk/package.json'])

/** What the package is made of, as paths from the root of the clone. */
export interface Sources {
  /** Compiled to JavaScript and declarations, and kept for the maps. */
  readonly compiled: readonly string[]
  readonly copied: readonly string[]
}

/** True where Lyceum itself runs from a package: it holds what it serves. */
export const isPackage: boolean = MODULE_EXTENSION === '.js'

/** The files of a clone that go into the package. */
export function sourcesOfClone(): Sources {
  const asWritten = files(AS_WRITTEN)
  const others = new Set(asWritten)
  const code = files(CODE.map((folder) => `${folder}/**`)).filter((path) => !others.has(path))
  return {
    compiled: code.filter(isTypeScript),
    copied: [
      ...code.filter((path) => !isTypeScript(path) && !path.endsWith('.md') && !OF_THE_CLONE.has(path)),
      ...asWritten,
      'LICENSE',
    ],
  }
}

/** The files of the package from which Lyceum runs. */
export function filesOfPackage(root: string = ROOT): string[] {
  return files(['**'], root)
}

/** Tells two contents apart: their names and bytes. */
export function contentHash(paths: readonly string[], root: string = ROOT): string {
  const hash = createHash('sha256')
  for (const path of paths) {
    const bytes = readFileSync(join(root, path))
    hash.update(`${path}\0${bytes.length}\0`).update(bytes)
  }
  return hash.digest('hex')
}

/** package.json of the package: what authors import, the command, and what they need of others. */
export function packageOfSdk(): object {
  const { version, license, dependencies, devDependencies, allowScripts } = packageJson
  return {
    name: '@lyceum/sdk',
    version,
    description: 'What the author of a Lyceum plugin imports, the command lyceum, and the host that it runs.',
    license,
    type: 'module',
    bin: { lyceum: 'cli/lyceum.js' },
    exports: {
      '.': entry('sdk/index'),
      './ejson': entry('sdk/ejson'),
      './testing': entry('sdk/testing/index'),
      './client': entry('sdk/client/index'),
      './package.json': './package.json',
    },
    // What runs Lyceum comes with it; any Node that npm runs on installs it.
    engines: { node: '>=20' },
    // Tests of authors import node:test.
    dependencies: { ...dependencies, '@types/node': devDependencies['@types/node'] },
    allowScripts,
  }
}

function entry(path: string): object {
  return { types: `./${path}.d.ts`, default: `./${path}.js` }
}

function files(patterns: readonly string[], root: string = ROOT): string[] {
  return globSync(patterns, { cwd: root, withFileTypes: true, exclude: isForeign })
    .filter((found) => found.isFile())
    .map((found) => join(found.parentPath, found.name).slice(root.length + 1))
    .sort()
}

function isForeign({ name }: { readonly name: string }): boolean {
  return name === 'node_modules' || name.startsWith('.')
}

function isTypeScript(path: string): boolean {
  return path.endsWith('.ts') && !path.endsWith('.d.ts')
}
