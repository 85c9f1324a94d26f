import { builtinModules } from 'node:module'
import path from 'node:path'
import type { Metafile, OnResolveArgs, OnResolveResult, Plugin } from 'esbuild'
import { packageOf } from '../host/registry/package-imports.ts'
import { missingImport } from './missing-import.ts'
import { textIfThere } from './text-file.ts'

/** Decides what a plugin may import: its own files, npm packages and the SDK. */
export function imports(root: string): Plugin {
  return {
    name: 'lyceum-imports',
    setup(builder) {
      /** Which file first imported a file. */
      const importers = new Map<string, string>()
      builder.onStart(() => importers.clear())
      builder.onResolve({ filter: /.*/ }, async (args) => {
        if (args.kind === 'entry-point' || args.pluginData === RESOLVING) return undefined
        if (args.path === '@lyceum/sdk') return { path: args.path, external: true }
        const { kind, importer, namespace, resolveDir } = args
        const refusal = refuse(args)
        if (refusal !== undefined)
          return { errors: [{ text: refusal + importedBy(root, importer, importers) }] }
        const found = await builder.resolve(args.path, {
          kind,
          importer,
          namespace,
          resolveDir,
          pluginData: RESOLVING,
        })
        if (found.errors.length > 0) {
          const builtin = builtinModules.includes(args.path.split('/')[0] ?? '')
          const text = builtin ? noBuiltin(args.path) : await missingImport(args.path, importer, root)
          return absent(args, text + importedBy(root, importer, importers))
        }
        if (!importers.has(found.path)) importers.set(found.path, importer)
        const outside = await whyOutside(root, args, found.path)
        return outside === undefined
          ? found
          : { errors: [{ text: outside + importedBy(root, importer, importers) }] }
      })
      builder.onLoad({ filter: /.*/, namespace: ABSENT }, ({ pluginData }) => ({
        contents: `throw new Error(${JSON.stringify(pluginData)})`,
      }))
      builder.onEnd(({ metafile }) => ({
        errors: madeUpNames(metafile).map(([file, text]) => ({
          text: text + importedBy(root, path.resolve(root, file), importers),
        })),
      }))
    },
  }
}

/**
 * Why a file is none of the plugin: what is in the bundle is sent to a host, and no package may have it take along
 * what else is on the author's machine. A package that is linked is the author's own, or came with a folder from
 * elsewhere.
 */
async function whyOutside(
  root: string,
  { path: specifier, importer }: OnResolveArgs,
  file: string,
): Promise<string | undefined> {
  if (/^(?:\.\.?(?:\/|$)|#)/.test(specifier)) {
    if (isOwn(root, importer))
      return isInside(root, file)
        ? undefined
        : `"${specifier}" is outside of the plugin's folder. Move it inside, or make it an npm package`
    const isWithin = isInPackage(importer)
      ? isInPackage(file)
      : isInside((await packageAround(importer))?.dir ?? root, file)
    return isWithin ? undefined : `"${specifier}" is outside of the package. Use another package`
  }
  const name = /^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0]
  return isInPackage(file) || (await packageAround(file))?.name === name
    ? undefined
    : `"${specifier}" leads out of the package ${name}. Use another package`
}

/** The folder of the nearest package.json above a file that names a package. */
async function packageAround(file: string): Promise<{ dir: string; name: unknown } | undefined> {
  for (let dir = path.dirname(file); ; dir = path.dirname(dir)) {
    const text = await textIfThere(path.join(dir, 'package.json'))
    const about: unknown = text === undefined ? undefined : JSON.parse(text)
    if (typeof about === 'object' && about !== null && 'name' in about) return { dir, name: about.name }
    if (dir === path.dirname(dir)) return undefined
  }
}

/**
 * Imports of names that are put together at run time, each with the file that it is in. The bundler takes along all
 * files that a name could be of, wherever they are, and asks nobody. It lists them as patterns, beside imports of
 * what is not there and that nothing uses, which it leaves out as TypeScript does.
 */
function madeUpNames(metafile: Metafile | undefined): [file: string, text: string][] {
  return Object.entries(metafile?.inputs ?? {}).flatMap(([file, { imports: imported }]) =>
    imported
      .filter(({ path: specifier, external }) => external === true && specifier.includes('*'))
      .map(({ path: specifier }): [string, string] => [
        file,
        `${file} imports "${specifier}", a name that is put together when it runs. Write each name out, in an import of its own`,
      ]),
  )
}

/** How a package that imports what it cannot have came into the bundle; '' for the plugin's own files. */
function importedBy(root: string, file: string, importers: ReadonlyMap<string, string>): string {
  const way: string[] = []
  let importer: string | undefined = file
  while (importer !== undefined && !isOwn(root, importer)) {
    const name = packageOf(importer.split(path.sep).join('/'))
    if (name !== undefined && name !== way.at(-1)) way.push(name)
    importer = importers.get(importer)
  }
  const [name, ...between] = way
  if (name === undefined || importer === undefined) return ''
  const through = between.length === 0 ? '' : ` by way of ${between.toReversed().join(', ')}`
  return `. The import is in ${name}, which ${path.relative(root, importer)} imports${through}`
}

/** A package may try for what it can do without: a `require` of what is not there throws where it runs. */
function absent({ kind, importer, path: specifier }: OnResolveArgs, text: string): OnResolveResult {
  return kind === 'require-call' && isInPackage(importer)
    ? { path: specifier, namespace: ABSENT, pluginData: text }
    : { errors: [{ text }] }
}

const ABSENT = 'lyceum-absent'

/** Marks a resolution of our own, which must not come back here. */
const RESOLVING = Symbol('resolving')

function refuse({ path: specifier, with: attributes }: OnResolveArgs): string | undefined {
  if (specifier.startsWith('@lyceum/sdk/'))
    return `"${specifier}" cannot be part of a plugin. Import from "@lyceum/sdk"; the rest is for tests and tools`
  if (specifier.startsWith('node:')) return noBuiltin(specifier)
  if (path.isAbsolute(specifier) || /^[a-z][a-z0-9+.-]+:/i.test(specifier))
    return `"${specifier}" cannot be imported. Import files by a relative path, and packages by their name`
  if (/\.(?:wasm|node)$/.test(specifier))
    return `"${specifier}" cannot run in a plugin, where there is neither WebAssembly nor native code. Use a package that is only JavaScript`
  const { type } = attributes
  if (type !== undefined && type !== 'json')
    return `"${specifier}" is imported as ${type}. Import JSON, or write the data as a .ts file`
  return undefined
}

function noBuiltin(specifier: string): string {
  return `"${specifier}" is part of Node, which a plugin does not run in. Ask for a facility instead (db, log, now), or use a package that is only JavaScript`
}

/** Whether a file lies in a folder; both as they really are, behind all links. */
export function isInside(root: string, file: string): boolean {
  const relative = path.relative(root, file)
  return relative !== '' && !relative.startsWith('..') && !path.isAbsolute(relative)
}

function isInPackage(file: string): boolean {
  return file.includes(`${path.sep}node_modules${path.sep}`)
}

function isOwn(root: string, file: string): boolean {
  return isInside(root, file) && !isInPackage(file)
}
