import {
  type AnyNode,
  type Function as FunctionNode,
  type Node,
  Parser,
  type Pattern,
  type Program,
} from 'acorn'
import { LyceumError } from '../errors.ts'
import { printable } from './manifest-names.ts'
import type { Position } from './source-map.ts'

/**
 * acorn looks every declared name up in a list, which takes minutes for a file of nothing but names. V8 makes the
 * same checks when the bundle is loaded, so they are left to it.
 */
const LinearParser = Parser.extend(
  (Base) =>
    class extends Base {
      declareName(): void {}
      checkLocalExport(): void {}
    },
)

/** A name of the bundle's top level, as far as the reader follows it. */
export type Binding =
  | { readonly from: 'sdk'; readonly name: string }
  | { readonly from: 'sdkNamespace' }
  | { readonly from: 'value'; readonly node: AnyNode }

/** A bundle, parsed. */
export interface Syntax {
  readonly program: Program
  /** What the names of the top level stand for. */
  readonly bindings: ReadonlyMap<string, Binding>
  /** Every name that the top level declares or imports, also those that are not followed. */
  readonly declared: ReadonlySet<string>
  /** Where an offset of the text is. */
  position(offset: number): Position
}

/**
 * Parses a bundle. Time and memory are linear in its length.
 * @throws LyceumError bundle_broken where it is not JavaScript, with the place in `details`
 */
export function parseBundle(bundle: string): Syntax {
  const position = positions(bundle)
  const program = parse(bundle, position)
  return { program, bindings: bindingsOf(program), declared: new Set(declaredNames(program)), position }
}

function parse(bundle: string, position: Syntax['position']): Program {
  try {
    // What esbuild writes for es2024; a later grammar also has checks of regular expressions that are not linear.
    return LinearParser.parse(bundle, { ecmaVersion: 2024, sourceType: 'module' })
  } catch (error) {
    const offset = error instanceof Error && 'pos' in error && typeof error.pos === 'number' ? error.pos : 0
    const reason =
      error instanceof Error ? printable(error.message.replace(/ \(\d+:\d+\)$/, ''), 200) : 'unknown'
    const { line, column } = position(offset)
    throw new LyceumError(
      'bundle_broken',
      `The bundle is not JavaScript that can be read, at line ${line}, column ${column}: ${reason}. ` +
        'Publish with `lyceum publish`, which writes the bundle.',
      { line, column },
    )
  }
}

function positions(text: string): (offset: number) => Position {
  const starts = [0]
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return (offset) => {
    let low = 0
    let high = starts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if ((starts[middle] ?? 0) <= offset) low = middle
      else high = middle - 1
    }
    return { line: low + 1, column: offset - (starts[low] ?? 0) + 1 }
  }
}

function bindingsOf(program: Program): Map<string, Binding> {
  const bindings = new Map<string, Binding>()
  for (const statement of program.body) {
    if (statement.type === 'ImportDeclaration') {
      if (statement.source.value !== '@lyceum/sdk') continue
      for (const specifier of statement.specifiers) {
        if (specifier.type === 'ImportNamespaceSpecifier')
          bindings.set(specifier.local.name, { from: 'sdkNamespace' })
        else if (specifier.type === 'ImportSpecifier')
          bindings.set(specifier.local.name, { from: 'sdk', name: nameOf(specifier.imported) })
      }
      continue
    }
    const declaration = statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement
    if (declaration?.type === 'FunctionDeclaration' || declaration?.type === 'ClassDeclaration') {
      if (declaration.id !== null) bindings.set(declaration.id.name, { from: 'value', node: declaration })
    } else if (declaration?.type === 'VariableDeclaration') {
      for (const { id, init } of declaration.declarations)
        if (id.type === 'Identifier' && init) bindings.set(id.name, { from: 'value', node: init })
    }
  }
  return bindings
}

function* declaredNames(program: Program): Generator<string> {
  for (const statement of program.body) {
    if (statement.type === 'ImportDeclaration') for (const { local } of statement.specifiers) yield local.name
    const declaration = statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement
    if (declaration?.type === 'FunctionDeclaration' || declaration?.type === 'ClassDeclaration') {
      if (declaration.id !== null) yield declaration.id.name
    } else if (declaration?.type === 'VariableDeclaration')
      for (const { id } of declaration.declarations) yield* namesOfPattern(id)
  }
}

/** The names that a pattern declares. Without recursion: a hostile pattern is deep. */
export function* namesOfPattern(root: Pattern): Generator<string> {
  const waiting: (Pattern | null)[] = [root]
  for (let pattern = waiting.pop(); pattern !== undefined; pattern = waiting.pop()) {
    if (pattern?.type === 'Identifier') yield pattern.name
    else if (pattern?.type === 'ArrayPattern') for (const element of pattern.elements) waiting.push(element)
    else if (pattern?.type === 'AssignmentPattern') waiting.push(pattern.left)
    else if (pattern?.type === 'RestElement') waiting.push(pattern.argument)
    else if (pattern?.type === 'ObjectPattern')
      for (const property of pattern.properties)
        waiting.push(property.type === 'Property' ? property.value : property)
  }
}

/** The name that an identifier or a quoted name says. */
export function nameOf(node: AnyNode): string {
  if (node.type === 'Identifier') return node.name
  return node.type === 'Literal' ? String(node.value) : ''
}

/** Follows names of the top level to what they stand for: a function, a call, an import. */
export function resolve(syntax: Syntax, node: AnyNode): AnyNode | Binding {
  let current: AnyNode | Binding = node
  // A chain of names is as long as its author likes; nobody writes ten.
  for (let step = 0; step < 10; step++) {
    if (isBinding(current)) return current
    if (current.type !== 'Identifier') return current
    const binding = syntax.bindings.get(current.name)
    if (binding === undefined) return current
    current = binding.from === 'value' ? binding.node : binding
  }
  return current
}

export function isBinding(value: AnyNode | Binding): value is Binding {
  return 'from' in value
}

export function isFunction(node: Node): node is FunctionNode & AnyNode {
  return /^(?:ArrowFunctionExpression|FunctionExpression|FunctionDeclaration)$/.test(node.type)
}

/** The functions around a node. */
export interface Around {
  readonly inFunction: boolean
  /** The nearest function that is not an arrow: the one that `arguments` belongs to. */
  readonly owner: AnyNode | undefined
}

/** Visits every node, without recursion: a hostile tree is deep. */
export function walk(root: AnyNode, visit: (node: AnyNode, around: Around) => void): void {
  const waiting: { node: AnyNode; around: Around }[] = [
    { node: root, around: { inFunction: false, owner: undefined } },
  ]
  for (let item = waiting.pop(); item !== undefined; item = waiting.pop()) {
    const { node, around } = item
    visit(node, around)
    const inside = isFunction(node)
      ? { inFunction: true, owner: node.type === 'ArrowFunctionExpression' ? around.owner : node }
      : around
    for (const child of childrenOf(node)) waiting.push({ node: child, around: inside })
  }
}

/** The nodes right below a node. */
export function* childrenOf(node: AnyNode): Generator<AnyNode> {
  for (const value of Object.values(node)) {
    if (isNode(value)) yield value
    else if (Array.isArray(value)) for (const item of value) if (isNode(item)) yield item
  }
}

/** Whether something that a node holds is a node itself. */
export function isNode(value: unknown): value is AnyNode {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
}
