import type { AnyNode, CallExpression, ExportSpecifier, Expression, Program } from 'acorn'
import { LyceumError } from '../errors.ts'
import { CodeHashes } from './code-hash.ts'
import { absentGlobals } from './manifest-absent.ts'
import { type Forgotten, notExported, notReturned } from './manifest-forgotten.ts'
import { type Needs, NO_NEEDS, readNeeds } from './manifest-handler.ts'
import {
  didYouMean,
  KINDS,
  type Kind,
  LATER_FUNCTIONS,
  nameProblem,
  nearest,
  printable,
  SDK_VALUES,
} from './manifest-names.ts'
import { slipsOf } from './manifest-slips.ts'
import {
  type Binding,
  isBinding,
  isFunction,
  nameOf,
  parseBundle,
  resolve,
  type Syntax,
  walk,
} from './manifest-syntax.ts'
import { BUNDLE_NAME, mapPosition, type Position, type SourceMap, type SourcePosition } from './source-map.ts'

/** The most bytes that a bundle may have, unless a caller says otherwise. */
const MAX_BUNDLE_BYTES = 2 * 1024 * 1024

const MAX_NAME = 64
const MAX_ENDPOINTS = 256
const MAX_PROBLEMS = 50

/** One export of a plugin and what it asks for, read without running it. */
export interface ManifestEndpoint extends Needs, SourcePosition {
  readonly name: string
  readonly kind: Kind
  /** Tells versions of its code apart: see {@link CodeHashes}. */
  readonly codeHash: string
  /** Where it stands in the bundle, as stacks tell before they are mapped. */
  readonly at: Position
}

/** What the endpoints of a bundle are and need. */
export interface Manifest {
  readonly endpoints: readonly ManifestEndpoint[]
  /** Sentences about what packages in it use that no plugin has. */
  readonly warnings: readonly string[]
}

/** Why a manifest was refused: what, and at which place of the author's file (without a source map, of the bundle). */
export interface ManifestProblem extends SourcePosition {
  readonly endpoint?: string
  readonly message: string
}

/** How to read a manifest. */
export interface ReadOptions {
  /** With it, places are those of the author's files. */
  readonly sourceMap?: SourceMap
  readonly bundleBytes?: number
}

/**
 * Reads which endpoints a bundle exports and what each handler destructures, from the text alone: nothing runs.
 * Time and memory are linear in the length of the text, about a second for the largest.
 *
 * @param bundle the ESM text that will run, with `@lyceum/sdk` as its only import
 * @throws LyceumError bundle_too_large, bundle_broken, or manifest_refused with all
 *   {@link ManifestProblem}s (the first 50) in `details.problems`
 */
export function readManifest(bundle: string, options: ReadOptions = {}): Manifest {
  const { bundleBytes = MAX_BUNDLE_BYTES } = options
  const bytes = Buffer.byteLength(bundle)
  if (bytes > bundleBytes)
    throw new LyceumError(
      'bundle_too_large',
      `The bundle has ${bytes} bytes; ${bundleBytes} are allowed. Leave out a large package, or data that could be a collection.`,
      { bytes, bundleBytes },
    )
  const syntax = parseBundle(bundle)
  const codeHashes = new CodeHashes(syntax.program)
  const reader = new Reader(syntax, codeHashes, options.sourceMap)
  const manifest = reader.read()
  if (reader.problems.length > 0) throw refused(reader.problems)
  return manifest
}

class Reader {
  readonly problems: ManifestProblem[] = []
  readonly #syntax: Syntax
  readonly #codeHashes: CodeHashes
  readonly #sourceMap: SourceMap | undefined
  readonly #argumentsUses = new Map<AnyNode, AnyNode>()
  /** Handlers that write. */
  readonly #writing: AnyNode[] = []
  readonly #forgotten: Forgotten[] = []

  constructor(syntax: Syntax, codeHashes: CodeHashes, sourceMap: SourceMap | undefined) {
    this.#syntax = syntax
    this.#codeHashes = codeHashes
    this.#sourceMap = sourceMap
  }

  read(): Manifest {
    const { program } = this.#syntax
    this.#checkImports(program)
    this.#checkBody(program)
    const { own, warnings } = absentGlobals(this.#syntax, this.#sourceMap)
    for (const { use, message } of own) this.#report(use, message)
    const endpoints: ManifestEndpoint[] = []
    for (const [name, node, value] of this.#exports(program)) {
      endpoints.push(...this.#endpoint(name, node, value))
      if (endpoints.length > MAX_ENDPOINTS) {
        this.#report(node, `The plugin exports more than ${MAX_ENDPOINTS} endpoints. Make two plugins of it.`)
        break
      }
    }
    if (endpoints.length === 0 && this.problems.length === 0)
      this.#add({
        source: this.#entry(),
        line: 1,
        column: 1,
        message:
          'The plugin exports no endpoint. Write one, for example: export const hello = view(() => html`<h1>Hello</h1>`)',
      })
    this.#forgotten.push(...notExported(this.#syntax, (call) => this.#kindOf(call)))
    const slips = slipsOf(this.#syntax, this.#sourceMap, this.#writing, this.#forgotten)
    return { endpoints, warnings: [...slips, ...warnings] }
  }

  #checkImports(program: Program): void {
    for (const statement of program.body) {
      if (statement.type !== 'ImportDeclaration') continue
      const source = nameOf(statement.source)
      if (source !== '@lyceum/sdk') {
        this.#report(
          statement,
          `The bundle imports "${printable(source)}". It must hold all that it uses but @lyceum/sdk: publish with \`lyceum publish\`, which bundles.`,
        )
        continue
      }
      for (const specifier of statement.specifiers) {
        if (specifier.type === 'ImportNamespaceSpecifier') continue
        const name = specifier.type === 'ImportSpecifier' ? nameOf(specifier.imported) : 'default'
        const known = [...KINDS, ...SDK_VALUES]
        if (known.some((value) => value === name)) continue
        const shown = `\`${printable(name)}\``
        this.#report(
          specifier,
          LATER_FUNCTIONS.has(name)
            ? `@lyceum/sdk: ${shown} is not available yet in this version.`
            : name === 'default'
              ? "@lyceum/sdk has no default export. Import what is used by its name: `import { query, view } from '@lyceum/sdk'`."
              : `@lyceum/sdk has no ${shown}.${didYouMean(name, known)}`,
        )
      }
    }
  }

  #checkBody(program: Program): void {
    walk(program, (node, { inFunction, owner }) => {
      if (node.type === 'Identifier' && node.name === 'arguments' && owner)
        this.#argumentsUses.set(owner, node)
      if (node.type === 'ImportExpression')
        this.#report(
          node,
          'The plugin imports while it runs, with import(…). Import at the top of the file instead.',
        )
      if (!inFunction && (node.type === 'AwaitExpression' || (node.type === 'ForOfStatement' && node.await)))
        this.#report(node, 'The plugin awaits while it loads. Await inside a handler instead.')
    })
  }

  /** Every exported name, with the node to point at and the value. */
  *#exports(program: Program): Generator<[string, AnyNode, AnyNode]> {
    for (const statement of program.body) {
      if (statement.type === 'ExportDefaultDeclaration')
        this.#report(
          statement,
          'The plugin has a default export. Give it a name: `export const hello = view(…)`.',
        )
      else if (statement.type === 'ExportAllDeclaration')
        this.#report(statement, 'The plugin exports all of another module. Export each endpoint by its name.')
      else if (statement.type === 'ExportNamedDeclaration') {
        for (const specifier of statement.specifiers) {
          if (!statement.source) yield [nameOf(specifier.exported), this.#nodeOf(specifier), specifier.local]
          else this.#reportExport(nameOf(specifier.exported), specifier, NOT_AN_ENDPOINT)
        }
        const { declaration } = statement
        if (declaration?.type === 'VariableDeclaration') {
          for (const { id, init } of declaration.declarations) {
            if (id.type === 'Identifier') yield [id.name, id, init ?? id]
            else
              this.#report(
                id,
                'The plugin exports by destructuring. Export each endpoint as `export const NAME = …`.',
              )
          }
        } else if (declaration) yield [declaration.id.name, declaration, declaration]
      }
    }
  }

  /** esbuild collects exports at the end of the file: the place to show is where the name was declared. */
  #nodeOf(specifier: ExportSpecifier): AnyNode {
    const binding = this.#syntax.bindings.get(nameOf(specifier.local))
    return binding?.from === 'value' ? binding.node : specifier
  }

  #endpoint(name: string, node: AnyNode, value: AnyNode): ManifestEndpoint[] {
    const problem = nameProblem(name, MAX_NAME)
    if (name === 'default') {
      this.#report(node, 'The plugin has a default export. Give it a name: `export const hello = view(…)`.')
      return []
    }
    if (problem !== undefined) this.#reportExport(name, node, problem)
    const call = resolve(this.#syntax, value)
    const kind = isBinding(call) || call.type !== 'CallExpression' ? undefined : this.#kindOf(call)
    if (isBinding(call) || call.type !== 'CallExpression' || kind === undefined) {
      this.#reportExport(name, node, this.#undefinedMaker(call) ?? NOT_AN_ENDPOINT)
      return []
    }
    const handler = this.#handler(name, kind, call)
    if (handler !== undefined && (kind === 'onEvent' || kind === 'cron')) this.#writing.push(handler)
    if (handler !== undefined && (kind === 'view' || kind === 'query'))
      this.#forgotten.push(...notReturned(handler))
    const needs =
      handler === undefined
        ? NO_NEEDS
        : readNeeds(kind, handler, this.#argumentsUses.get(handler), (at, message) =>
            this.#reportExport(name, at, message),
          )
    const at = this.#syntax.position(call.start)
    return [{ name, kind, codeHash: this.#codeHashes.of(call), at, ...needs, ...this.#place(call) }]
  }

  /** What to do about a value that is made by a function nobody defined; undefined for every other value. */
  #undefinedMaker(value: AnyNode | Binding): string | undefined {
    if (isBinding(value) || value.type !== 'CallExpression' || value.callee.type !== 'Identifier')
      return undefined
    const { name } = value.callee
    const binding = this.#syntax.bindings.get(name)
    if (binding?.from === 'sdk' && !SDK_NAMES.has(binding.name))
      return `is made by \`${printable(name)}\`, which @lyceum/sdk does not have`
    if (this.#syntax.declared.has(name) || name in globalThis) return undefined
    const kind = nearest(name, KINDS)
    const said = `is made by \`${printable(name)}\`, which is not defined here.`
    if (kind === undefined) return `${said} To make an endpoint, write ${importOf('view')}`
    const imported = [...this.#syntax.bindings.values()].some(
      (binding) => binding.from === 'sdk' && binding.name === kind,
    )
    const asked = name === kind ? '' : ` Did you mean \`${kind}\`?`
    return imported
      ? `${said}${asked} It is imported already`
      : `${said}${asked} Add this line at the top: ${importOf(kind)}`
  }

  /** The kind that a call of the SDK makes; undefined for a call of anything else. */
  #kindOf(call: CallExpression): Kind | undefined {
    const { callee } = call
    if (callee.type === 'Identifier') {
      const binding = this.#syntax.bindings.get(callee.name)
      return binding?.from === 'sdk' ? KINDS.find((kind) => kind === binding.name) : undefined
    }
    if (callee.type !== 'MemberExpression' || callee.computed || callee.object.type !== 'Identifier')
      return undefined
    if (this.#syntax.bindings.get(callee.object.name)?.from !== 'sdkNamespace') return undefined
    const name = nameOf(callee.property)
    return KINDS.find((kind) => kind === name)
  }

  #handler(name: string, kind: Kind, call: CallExpression): ReturnType<typeof asFunction> {
    const given = call.arguments
    const [least, most] = kind === 'collection' ? [1, 1] : kind === 'cron' ? [2, 2] : [1, 2]
    if (
      given.length < least ||
      given.length > most ||
      given.some((argument) => argument.type === 'SpreadElement')
    ) {
      this.#reportExport(name, call, `has the wrong arguments. Write \`${SHAPES[kind]}\``)
      return undefined
    }
    const last = given.at(-1)
    if (kind === 'collection' || last === undefined || last.type === 'SpreadElement') return undefined
    const handler = asFunction(this.#syntax, last)
    if (handler === undefined)
      this.#reportExport(
        name,
        last,
        `has a handler that cannot be read. Write the function in its place, \`${SHAPES[kind]}\`, or give the name of a function of the file's top level`,
      )
    return handler
  }

  #reportExport(name: string, node: AnyNode, message: string): void {
    this.#add({
      ...this.#place(node),
      endpoint: printable(name),
      message: `\`${printable(name)}\` ${message}.`,
    })
  }

  #report(node: AnyNode, message: string): void {
    this.#add({ ...this.#place(node), message })
  }

  /** A hostile bundle has any number of problems: the reading ends with the last that is kept. */
  #add(problem: ManifestProblem): void {
    this.problems.push(problem)
    if (this.problems.length === MAX_PROBLEMS) throw refused(this.problems)
  }

  /** The file that an author publishes. A map of a bundle without code does not name it. */
  #entry(): string {
    if (this.#sourceMap === undefined) return BUNDLE_NAME
    return this.#sourceMap.sources.includes('plugin.js') ? 'plugin.js' : 'plugin.ts'
  }

  #place(node: AnyNode): SourcePosition {
    const position = this.#syntax.position(node.start)
    const mapped = this.#sourceMap && mapPosition(this.#sourceMap, position)
    return mapped ?? { source: BUNDLE_NAME, ...position }
  }
}

const SDK_NAMES: ReadonlySet<string> = new Set([...KINDS, ...SDK_VALUES])

function importOf(kind: Kind): string {
  return `\`import { ${kind} } from '@lyceum/sdk'\``
}

const NOT_AN_ENDPOINT =
  'is exported but is not an endpoint. Do not export it, or make it one: `export const NAME = view(…)`, query, onEvent, cron, property or collection'

const SHAPES: Record<Kind, string> = {
  view: 'view(({ db, course }) => …)',
  query: 'query(({ db, course }) => …)',
  onEvent: "onEvent('play_video', ({ events, db }) => …)",
  cron: "cron('0 4 * * *', ({ db }) => …)",
  collection: 'collection({ indexes: [{ course: 1 }] })',
  property: "property({ namespace: 'tincan' }, ({ event }) => …)",
}

function asFunction(syntax: Syntax, argument: Expression) {
  const value = resolve(syntax, argument)
  return !isBinding(value) && isFunction(value) ? value : undefined
}

function refused(problems: readonly ManifestProblem[]): LyceumError {
  const sorted = [...problems].sort((a, b) => a.line - b.line || a.column - b.column)
  const count = sorted.length === 1 ? 'One thing' : `${sorted.length} things`
  const lines = sorted.map(({ source, line, column, message }) => `  ${source}:${line}:${column} ${message}`)
  return new LyceumError('manifest_refused', `${count} to change in the plugin:\n${lines.join('\n')}`, {
    problems: sorted,
  })
}
