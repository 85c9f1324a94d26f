import { createHash } from 'node:crypto'
import type { AnyNode, Pattern, Program } from 'acorn'
import { isNode, nameOf, namesOfPattern } from './manifest-syntax.ts'
import { type Name, namesBelow, type Range } from './scopes.ts'

/** Names that are declared more often in one unit are compared as text: nobody writes that. */
const MOST_DECLARATIONS = 100
/**
 * Declarations and names that all hashes of a bundle go through together. The endpoints of a real one of 2 MB take
 * 10,000 each; beyond this, the whole bundle has a say.
 */
const MOST_STEPS = 3_000_000
/** Options of a handler that change nothing in what it makes of its events. */
const NO_SAY_IN_DATA: ReadonlySet<string> = new Set(['mode', 'from', 'title', 'description'])

/** A declaration, or another statement, of the bundle's top level. */
interface Unit extends Range {
  readonly declares: readonly string[]
  /** The names of the top level that it uses or declares, in the order in which they first appear. */
  readonly uses: readonly string[]
  /** Of what it says, with all names that a bundler may change replaced by their place. */
  readonly digest: Buffer
}

/**
 * Tells whether the code of an endpoint changed from one version to the next: a hash over its own text and over
 * every top-level declaration that it reaches, through others too. What variables are called has no say: a bundler
 * gives others new names where modules that were added have the same.
 */
export class CodeHashes {
  readonly #units: readonly Unit[]
  /** What has a say in what a name stands for: its declarations, and statements that may change it. */
  readonly #about = new Map<string, number[]>()
  /** What names of the SDK are called there. */
  readonly #imported = new Map<string, string>()
  #steps = 0
  #ofAll: string | undefined

  constructor(program: Program) {
    for (const statement of program.body)
      if (statement.type === 'ImportDeclaration')
        for (const specifier of statement.specifiers)
          this.#imported.set(
            specifier.local.name,
            specifier.type === 'ImportSpecifier' ? nameOf(specifier.imported) : '*',
          )
    const statements = program.body.flatMap(statementsOf)
    for (const { declares } of statements) for (const name of declares) this.#about.set(name, [])
    this.#units = statements.map(({ node, declares }) => this.#unitOf(node, declares))
    this.#units.forEach(({ declares, uses }, unit) => {
      // `Point.prototype.far = …` declares nothing, and has its say in what a Point is.
      for (const name of declares.length === 0 ? uses : declares) this.#about.get(name)?.push(unit)
    })
  }

  /** The hash of whatever stands at a node and of what that reaches. */
  of(node: AnyNode): string {
    if (this.#ofAll !== undefined) return this.#ofAll
    const hash = createHash('sha256')
    const first = this.#units.findIndex(({ start, end }) => start <= node.start && node.start < end)
    const reached = new Set(first < 0 ? [] : [first])
    const numbers = new Map<string, number>()
    // A set that grows while it is gone through is gone through to its end.
    for (const at of reached) {
      const unit = this.#units[at]
      if (unit === undefined) continue
      this.#steps += 1 + unit.uses.length
      if (this.#steps > MOST_STEPS) {
        this.#ofAll = this.#hashOfAll()
        return this.#ofAll
      }
      hash.update(unit.digest)
      let places = ''
      for (const name of unit.uses) {
        const number = numbers.get(name)
        places += `${number ?? numbers.size} `
        if (number !== undefined) continue
        numbers.set(name, numbers.size)
        for (const next of this.#about.get(name) ?? []) reached.add(next)
      }
      hash.update(places)
    }
    return hash.digest('hex')
  }

  #hashOfAll(): string {
    const hash = createHash('sha256')
    for (const { digest, uses } of this.#units) hash.update(digest).update(`${uses.join(' ')}\n`)
    return hash.digest('hex')
  }

  #unitOf(node: AnyNode, declares: readonly string[]): Unit {
    const names = [...namesBelow(node)].sort((a, b) => a.node.start - b.node.start)
    const localOf = localsIn(names, node)
    const uses = new Map<string, number>()
    const placeOf = new Map<AnyNode, string>()
    for (const { node: identifier } of names) {
      const { name, start } = identifier
      const local = localOf(name, start)
      const imported = this.#imported.get(name)
      if (local !== undefined) placeOf.set(identifier, `local ${local}`)
      else if (imported !== undefined) placeOf.set(identifier, `sdk ${imported}`)
      else if (this.#about.has(name)) {
        const number = uses.get(name) ?? uses.size
        uses.set(name, number)
        placeOf.set(identifier, `top ${number}`)
      }
    }
    const digest = digestOf(node, placeOf, this.#optionsWithoutSay(node))
    return { start: node.start, end: node.end, declares, uses: [...uses.keys()], digest }
  }

  /** Those of a declaration that makes a handler. */
  #optionsWithoutSay(node: AnyNode): ReadonlySet<unknown> {
    const call = node.type === 'VariableDeclarator' ? node.init : undefined
    if (call?.type !== 'CallExpression' || call.callee.type !== 'Identifier') return NONE
    const [options] = call.arguments
    if (this.#imported.get(call.callee.name) !== 'onEvent' || options?.type !== 'ObjectExpression')
      return NONE
    const plain = options.properties.filter(
      (property) =>
        property.type === 'Property' &&
        !property.computed &&
        property.value.type === 'Literal' &&
        NO_SAY_IN_DATA.has(nameOf(property.key)),
    )
    return new Set(plain)
  }
}

/**
 * The hash of what stands at a node. Layout, comments, and the parentheses that a bundler puts around those have no say.
 * @param placeOf in place of names
 * @param without nodes of lists that are left out
 */
function digestOf(
  root: AnyNode,
  placeOf: ReadonlyMap<AnyNode, string>,
  without: ReadonlySet<unknown>,
): Buffer {
  const parts: string[] = []
  const waiting: (AnyNode | string)[] = [root]
  for (let item = waiting.pop(); item !== undefined; item = waiting.pop()) {
    const place = typeof item === 'string' ? item : placeOf.get(item)
    if (typeof item === 'string' || place !== undefined) {
      parts.push(`${place}`)
      continue
    }
    for (const [key, value] of Object.entries(item).sort(byKey)) {
      if (NO_SAY.has(key)) continue
      const all = Array.isArray(value) ? value.filter((part) => !without.has(part)) : [value]
      for (const part of all) waiting.push(isNode(part) ? part : textOf(part))
      waiting.push(Array.isArray(value) ? `${key} ${all.length}` : key)
    }
  }
  return createHash('sha256').update(parts.join('\n')).digest()
}

const NONE: ReadonlySet<unknown> = new Set()
const NO_SAY: ReadonlySet<string> = new Set(['start', 'end', 'raw', 'shorthand'])
const byKey = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]) => (a < b ? -1 : 1)
/** Of what is no node: JSON, so that it is taken for no place. */
const textOf = (value: unknown) => (typeof value === 'bigint' ? `${value}n` : `${JSON.stringify(value)}`)

/** Tells which variable of a unit's own a name stands for, by a number; undefined for one from outside of it. */
function localsIn(names: readonly Name[], unit: Range): (name: string, at: number) => number | undefined {
  const scopes = new Map<string, { scope: Range; number: number }[]>()
  let count = 0
  for (const { node, scope } of names) {
    // What the unit itself declares is known outside of it.
    if (scope === undefined || (scope.start <= unit.start && unit.end <= scope.end)) continue
    const known = scopes.get(node.name) ?? []
    scopes.set(node.name, known)
    if (known.length < MOST_DECLARATIONS && !known.some((other) => other.scope === scope))
      known.push({ scope, number: count++ })
  }
  return (name, at) => {
    const known = scopes.get(name) ?? []
    if (known.length === MOST_DECLARATIONS) return undefined
    let inner: { scope: Range; number: number } | undefined
    for (const one of known)
      if (one.scope.start <= at && at < one.scope.end)
        if (inner === undefined || one.scope.start >= inner.scope.start) inner = one
    return inner?.number
  }
}

function statementsOf(statement: Program['body'][number]): { node: AnyNode; declares: string[] }[] {
  const declaration = statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement
  if (declaration === null || declaration === undefined || declaration.type === 'ImportDeclaration') return []
  const named = (node: AnyNode, patterns: readonly Pattern[]) => ({
    node,
    declares: patterns.flatMap((pattern) => [...namesOfPattern(pattern)]),
  })
  if (declaration.type === 'VariableDeclaration')
    return declaration.declarations.map((declarator) => named(declarator, [declarator.id]))
  const isNamed = declaration.type === 'FunctionDeclaration' || declaration.type === 'ClassDeclaration'
  return [named(declaration, isNamed && declaration.id !== null ? [declaration.id] : [])]
}
