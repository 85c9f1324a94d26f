import { builtinModules } from 'node:module'
import path from 'node:path'
import type { OnResolveArgs, OnResolveResult, Plugin } from 'esbuild'
import { packageOf } from '../host/registry/package-imports.ts'
import { missingImport } from './missing-import.ts'

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
          const text = builtin ? noBuiltin(args.path) : await missingImport(args.path, resolveDir, root)
          return absent(args, text + importedBy(root, importer, importers))
        }
        if (!importers.has(found.path)) importers.set(found.path, importer)
        const outside =
          isOwn(root, importer) && /^\.\.?(?:\/|$)/.test(args.path) && !isInside(root, found.path)
        if (outside)
          return {
            errors: [
              {
                text: `"${args.path}" is outside of the plugin's folder. Move it inside, or make it an npm package`,
              },
            ],
          }
        return found
      })
      builder.onLoad({ filter: /.*/, namespace: ABSENT }, ({ pluginData }) => ({
        contents: `throw new Error(${JSON.stringify(pluginData)})`,
      }))
    },
  }
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
  return kind === 'require-call' && importer.includes(`${path.sep}node_modules${path.sep}`)
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

function isInside(root: string, file: string): boolean {
  const relative = path.relative(root, file)
  return relative !== '' && !relative.startsWith('..') && !path.isAbsolute(relative)
}

function isOwn(root: string, file: string): boolean {
  return isInside(root, file) && !file.includes(`${path.sep}node_modules${path.sep}`)
}
