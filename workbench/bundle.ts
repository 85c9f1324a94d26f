import { readdir, readFile, realpath } from 'node:fs/promises'
import path from 'node:path'
import {
  type BuildContext,
  type BuildFailure,
  type BuildOptions,
  type BuildResult,
  build,
  context,
  type Message,
} from 'esbuild'
import { LyceumError } from '../host/errors.ts'
import { type PluginPackage, parsePackage } from '../host/registry/package.ts'
import { BUNDLE_NAME } from '../host/registry/source-map.ts'
import { refuseTooLarge } from './bundle-size.ts'
import { imports, isInside } from './imports.ts'
import { readSamples } from './samples.ts'

/** What a publish brings to the host. */
export interface PluginBundle {
  /** One ESM text, whose only import is `@lyceum/sdk`. */
  readonly bundle: string
  /** Its version 3 source map, with the sources inside; paths are relative to the plugin's folder. */
  readonly sourceMap: string
  readonly package: PluginPackage
  /** What queries return, by their names: what samples.json beside plugin.ts says. */
  readonly samples?: Readonly<Record<string, unknown>>
}

const ENTRIES = ['plugin.ts', 'plugin.js'] as const

/**
 * Bundles a plugin's folder: `plugin.ts` (or `plugin.js`) and what it imports. The same folder gives the same
 * bytes, and no path of the author's machine is in them.
 *
 * @param dir the folder with `plugin.ts` and `package.json`
 * @throws LyceumError package_invalid, or bundle_broken with a line `file:line:column message` for each mistake
 */
export async function bundlePlugin(dir: string): Promise<PluginBundle> {
  const root = await folder(dir)
  const pluginPackage = parsePackage(await readPackage(root))
  const result = await built(build(optionsFor(root, await findEntry(root))))
  return withSamples(root, bundled(result, pluginPackage))
}

/** What bundles one folder again and again: only what has changed since the last time is read and parsed anew. */
export class Bundler {
  readonly #dir: string
  #context: { readonly entry: string; readonly esbuild: BuildContext<Options> } | undefined
  #files: readonly string[] = []

  constructor(dir: string) {
    this.#dir = dir
  }

  /** All files that went into the last bundle, with their whole paths. */
  get files(): readonly string[] {
    return this.#files
  }

  /** The same as {@link bundlePlugin}, with the same refusals. One at a time. */
  async bundle(): Promise<PluginBundle> {
    const root = await folder(this.#dir)
    const pluginPackage = parsePackage(await readPackage(root))
    const entry = await findEntry(root)
    if (this.#context?.entry !== entry) {
      await this.close()
      this.#context = { entry, esbuild: await context(optionsFor(root, entry)) }
    }
    const result = await built(this.#context.esbuild.rebuild())
    this.#files = Object.keys(result.metafile.inputs).map((file) => path.resolve(root, file))
    return withSamples(root, bundled(result, pluginPackage))
  }

  async close(): Promise<void> {
    await this.#context?.esbuild.dispose()
    this.#context = undefined
  }
}

function optionsFor(root: string, entry: string) {
  return {
    absWorkingDir: root,
    entryPoints: [entry],
    outfile: path.join(root, BUNDLE_NAME),
    write: false,
    metafile: true,
    bundle: true,
    format: 'esm',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    // What V8 of Node 26 runs without translation, and the manifest reader parses.
    target: 'es2024',
    sourcemap: 'external',
    sourcesContent: true,
    legalComments: 'none',
    charset: 'utf8',
    define: { 'process.env.NODE_ENV': '"production"' },
    // The author's tsconfig.json is for their editor: the bundle must not depend on it.
    tsconfigRaw: {},
    logLevel: 'silent',
    plugins: [imports(root)],
  } satisfies BuildOptions
}

type Options = ReturnType<typeof optionsFor>

/** @throws LyceumError bundle_broken */
async function built(building: Promise<BuildResult<Options>>): Promise<BuildResult<Options>> {
  return building.catch((error: unknown) => {
    throw isBuildFailure(error) ? broken(error.errors) : error
  })
}

/** @throws LyceumError bundle_too_large */
function bundled(result: BuildResult<Options>, pluginPackage: PluginPackage): PluginBundle {
  const text = (end: string) => result.outputFiles.find((file) => file.path.endsWith(end))?.text ?? ''
  refuseTooLarge(result.metafile)
  const { inputs } = result.metafile
  return { bundle: text('.js'), sourceMap: ownSourceMap(text('.js.map'), inputs), package: pluginPackage }
}

async function withSamples(root: string, bundle: PluginBundle): Promise<PluginBundle> {
  const samples = await readSamples(root)
  return samples === undefined ? bundle : { ...bundle, samples }
}

/** What package.json says of the plugin in a folder. @throws LyceumError package_invalid */
export async function readPluginPackage(dir: string): Promise<PluginPackage> {
  return parsePackage(await readPackage(await folder(dir)))
}

async function folder(dir: string): Promise<string> {
  try {
    return await realpath(dir)
  } catch {
    throw new LyceumError(
      'package_invalid',
      `There is no folder ${dir}. Name the folder that holds plugin.ts.`,
    )
  }
}

async function readPackage(root: string): Promise<unknown> {
  const text = await readFile(path.join(root, 'package.json'), 'utf8').catch(() => {
    throw new LyceumError(
      'package_invalid',
      'The folder has no package.json. Write one: { "name": "myPlugin", "version": "1.0.0" }',
    )
  })
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new LyceumError(
      'package_invalid',
      `package.json is not JSON: ${error instanceof Error ? error.message : ''}. Look for a comma too many or a missing quote; it begins like { "name": "myPlugin", "version": "1.0.0" }.`,
    )
  }
}

async function findEntry(root: string): Promise<string> {
  const names = await readdir(root)
  const [entry, second] = ENTRIES.filter((name) => names.includes(name))
  if (second !== undefined)
    throw new LyceumError(
      'bundle_broken',
      `The folder has ${entry} and ${second}, and a plugin begins in one of them. Delete the other, or call it something else.`,
    )
  if (entry !== undefined) {
    // A folder from elsewhere could have a file of whoever publishes it sent along.
    if (!isInside(root, await realpath(path.join(root, entry)).catch(() => root)))
      throw new LyceumError(
        'bundle_broken',
        `${entry} is a link that leads nowhere, or out of the folder, and is not sent. Put the file itself into the folder.`,
      )
    return entry
  }
  const other = names.find((name) => /^(?:index|main)\.[jt]s$/.test(name))
  throw new LyceumError(
    'bundle_broken',
    other === undefined
      ? 'The folder has no plugin.ts. Write one: export const hello = view(() => html`<h1>Hello</h1>`)'
      : `The folder has no plugin.ts, which is where a plugin begins. Rename ${other} to plugin${path.extname(other)}.`,
  )
}

/**
 * Packages may lie above the plugin's folder: their paths begin at their last `node_modules`. What a package was made
 * of is named by its own map, which may name any file of this machine, and the bundler reads that: only what is in the
 * bundle has its text here.
 */
function ownSourceMap(text: string, inputs: Readonly<Record<string, unknown>>): string {
  const map: { sources: string[]; sourcesContent: (string | null)[] } = JSON.parse(text)
  const files = map.sources.map(fileOf)
  map.sourcesContent = map.sourcesContent.map((content, at) =>
    Object.hasOwn(inputs, files[at] ?? '') ? content : null,
  )
  map.sources = files.map((file) => file.replace(/^.*\/(?=node_modules\/)/, '').replace(/^(?:\.\.\/)+/, ''))
  return JSON.stringify(map)
}

/** The bundler writes names of files as addresses: `gr%C3%B6%C3%9Fe.ts`. What a package's map holds is anything. */
function fileOf(source: string): string {
  try {
    return decodeURIComponent(source)
  } catch {
    return source
  }
}

function broken(messages: readonly Message[]): LyceumError {
  const problems = messages.map(({ text, location }) => ({
    source: location?.file ?? '',
    line: location?.line ?? 0,
    column: (location?.column ?? 0) + 1,
    message:
      text.startsWith('The JSX syntax extension') || JSX.test(location?.lineText ?? '') ? NO_JSX : text,
    code: location?.lineText.trim().slice(0, 200) ?? '',
  }))
  const lines = problems.map(({ source, line, column, message, code }) =>
    source === '' ? message : `${source}:${line}:${column} ${message}\n  ${code}`,
  )
  return new LyceumError('bundle_broken', `The plugin cannot be bundled:\n${lines.join('\n')}`, { problems })
}

/** In TypeScript a tag looks like a type at first, and what is said is of what comes after it. */
const JSX = /^[^`'"]*(?:<\/\w|\/>|<>|className=)/
const NO_JSX =
  'A plugin has no JSX. Write the page as html`<h1 class="title">…</h1>`, with ${…} for each value'

function isBuildFailure(error: unknown): error is BuildFailure {
  return error instanceof Error && 'errors' in error && Array.isArray(error.errors)
}
