import { readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { dirname, join } from 'node:path'
import type ivm from 'isolated-vm'
import { MODULE_EXTENSION, ROOT } from '../process/own-files.ts'

const GUEST_ENTRY = `sandbox/guest/main${MODULE_EXTENSION}`
/** What a plugin's bundle and the guest runtime may import by name. */
const PACKAGES = new Map([
  ['@lyceum/sdk', `sdk/core${MODULE_EXTENSION}`],
  ['@lyceum/sdk/ejson', `sdk/ejson${MODULE_EXTENSION}`],
])
/** The same with charts and tables, which take as long to load as half of the rest: for bundles that name them. */
const WITH_RESULTS = new Map([...PACKAGES, ['@lyceum/sdk', `sdk/index${MODULE_EXTENSION}`]])
const NAMES_RESULTS = /\b(?:chart|table)\b/
/** The file name of every bundle inside its isolate; stack traces are mapped by it. */
export const BUNDLE_NAME = 'plugin.js'

const sources = new Map<string, string>()

/** The JavaScript of one of our files, read once per process, and stripped of types where it has them. */
function sourceOf(path: string): string {
  let source = sources.get(path)
  if (source === undefined) {
    const text = readFileSync(join(ROOT, path), 'utf8')
    source = MODULE_EXTENSION === '.ts' ? stripTypeScriptTypes(text) : text
    sources.set(path, source)
  }
  return source
}

/** The modules of one isolate: the guest runtime and SDK of ours, and the plugin's bundle. */
export class GuestModules {
  readonly #isolate: ivm.Isolate
  readonly #context: ivm.Context
  readonly #byPath = new Map<string, ivm.Module>()
  readonly #pathOf = new Map<ivm.Module, string>()

  constructor(isolate: ivm.Isolate, context: ivm.Context) {
    this.#isolate = isolate
    this.#context = context
  }

  /** Loads the guest runtime and evaluates it, before any code of the plugin runs. */
  async loadGuest(): Promise<ivm.Module> {
    const guest = this.#ours(GUEST_ENTRY)
    await guest.instantiate(this.#context, (specifier, referrer) =>
      this.#resolve(specifier, referrer, PACKAGES),
    )
    await guest.evaluate()
    return guest
  }

  /** Compiles the bundle and links it to the SDK; its top level has not run yet. */
  async loadBundle(bundle: string): Promise<ivm.Module> {
    const module = await this.#isolate.compileModule(bundle, { filename: BUNDLE_NAME })
    const packages = NAMES_RESULTS.test(bundle) ? WITH_RESULTS : PACKAGES
    await module.instantiate(this.#context, (specifier, referrer) =>
      this.#resolve(specifier, referrer, packages),
    )
    return module
  }

  #resolve(specifier: string, referrer: ivm.Module, packages: ReadonlyMap<string, string>): ivm.Module {
    const path = packages.get(specifier)
    if (path !== undefined) return this.#ours(path)
    const from = this.#pathOf.get(referrer)
    if (from !== undefined && specifier.startsWith('.')) return this.#ours(join(dirname(from), specifier))
    throw new Error(`"${specifier}" cannot be imported in a plugin: bundle it, or remove the import`)
  }

  #ours(path: string): ivm.Module {
    let module = this.#byPath.get(path)
    if (module === undefined) {
      module = this.#isolate.compileModuleSync(sourceOf(path), { filename: `lyceum:${path}` })
      this.#byPath.set(path, module)
      this.#pathOf.set(module, path)
    }
    return module
  }
}
