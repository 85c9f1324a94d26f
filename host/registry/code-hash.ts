import { createHash } from 'node:crypto'
import type { AnyNode, Pattern, Program } from 'acorn'
import { namesOfPattern, walk } from './manifest-syntax.ts'

/** A declaration, or another statement, of the bundle's top level. */
interface Unit {
  readonly start: number
  readonly end: number
  readonly declares: readonly string[]
  readonly uses: ReadonlySet<string>
}

/**
 * Tells whether the code of an endpoint changed from one version to the next: a hash over its own text and over
 * every top-level declaration that it reaches, through others too. Names are compared as text, so a local variable
 * that is called like a declaration counts as that: a hash may change where nothing did, never the other way round.
 */
export class CodeHashes {
  readonly #units: readonly Unit[]
  readonly #digests: readonly Buffer[]
  /** What has a say in what a name stands for: its declarations, and statements that may change it. */
  readonly #about = new Map<string, number[]>()

  /** @param bundle the text that `program` was parsed from */
  constructor(bundle: string, program: Program) {
    this.#units = program.body.flatMap(unitsOf)
    this.#digests = this.#units.map(({ start, end }) =>
      createHash('sha256').update(bundle.slice(start, end)).digest(),
    )
    for (const { declares } of this.#units) for (const name of declares) this.#about.set(name, [])
    this.#units.forEach(({ declares, uses }, unit) => {
      // `Point.prototype.far = …` declares nothing, and has its say in what a Point is.
      for (const name of declares.length === 0 ? uses : declares) this.#about.get(name)?.push(unit)
    })
  }

  /** The hash of whatever stands at a node and of what that reaches. */
  of(node: AnyNode): string {
    const hash = createHash('sha256')
    for (const unit of this.#reachedFrom(node)) hash.update(this.#digests[unit] ?? '')
    return hash.digest('hex')
  }

  /** In the order of the text. */
  #reachedFrom(node: AnyNode): number[] {
    const first = this.#units.findIndex(({ start, end }) => start <= node.start && node.start < end)
    const reached = new Set(first < 0 ? [] : [first])
    const names = new Set<string>()
    // A set that grows while it is gone through is gone through to its end.
    for (const unit of reached)
      for (const name of this.#namesIn(unit)) {
        if (names.has(name)) continue
        names.add(name)
        for (const next of this.#about.get(name) ?? []) reached.add(next)
      }
    return [...reached].sort((a, b) => a - b)
  }

  *#namesIn(unit: number): Generator<string> {
    const { declares, uses } = this.#units[unit] ?? { declares: [], uses: [] }
    yield* declares
    yield* uses
  }
}

function unitsOf(statement: Program['body'][number]): Unit[] {
  const declaration = statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement
  if (declaration === null || declaration === undefined || declaration.type === 'ImportDeclaration') return []
  if (declaration.type === 'VariableDeclaration')
    return declaration.declarations.map((declarator) => unitOf(declarator, [declarator.id]))
  const isNamed = declaration.type === 'FunctionDeclaration' || declaration.type === 'ClassDeclaration'
  return [unitOf(declaration, isNamed && declaration.id !== null ? [declaration.id] : [])]
}

function unitOf(node: AnyNode, declared: readonly Pattern[]): Unit {
  const uses = new Set<string>()
  /** `b` in `a.b` and in `{ b: 1 }`: a key, whatever else is called so. */
  const keys = new Set<AnyNode>()
  walk(node, (inner) => {
    if (inner.type === 'MemberExpression' && !inner.computed) keys.add(inner.property)
    else if (inner.type === 'Property' && !inner.computed && !inner.shorthand) keys.add(inner.key)
    else if (inner.type === 'Identifier' && !keys.has(inner)) uses.add(inner.name)
  })
  const declares = declared.flatMap((pattern) => [...namesOfPattern(pattern)])
  return { start: node.start, end: node.end, declares, uses }
}
