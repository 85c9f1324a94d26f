import type { AnyNode, Identifier, Program } from 'acorn'
import { childrenOf, isFunction } from './manifest-syntax.ts'

/** More uses or declarations of such names than this are nobody's mistake, and would take long to compare. */
const MOST_USES = 2_000
const MOST_DECLARATIONS = 500

/** A part of the text, by its offsets. */
interface Range {
  readonly start: number
  readonly end: number
}

/** Names that a program uses and does not declare. */
export interface FreeNames {
  readonly uses: readonly Identifier[]
  /** Those whose presence it looks at, with `typeof NAME`. */
  readonly tested: readonly Identifier[]
}

interface Item {
  readonly node: AnyNode
  /** Whether a name here is one that is declared: in the whole function, or in the block. */
  readonly declares?: 'function' | 'block' | undefined
  readonly inFunction: Range
  readonly inBlock: Range
  /** Whether what fails here is caught. */
  readonly isTried: boolean
}

/**
 * The uses of some names that stand for globals: not declared around them, and not inside of a `try`, since what is
 * there may fail. Time is linear in the length of the text, and nothing recurs: a hostile tree is deep.
 */
export function freeNames(program: Program, isOfInterest: (name: string) => boolean): FreeNames {
  const uses: Identifier[] = []
  const tested: Identifier[] = []
  const declared = new Map<string, Range[]>()
  const waiting: Item[] = [{ node: program, inFunction: program, inBlock: program, isTried: false }]
  for (let item = waiting.pop(); item !== undefined; item = waiting.pop()) {
    const { node, declares, isTried } = item
    if (node.type !== 'Identifier') {
      if (
        node.type === 'UnaryExpression' &&
        node.operator === 'typeof' &&
        node.argument.type === 'Identifier'
      ) {
        if (isOfInterest(node.argument.name) && tested.length < MOST_USES) tested.push(node.argument)
      } else for (const part of partsOf(item)) waiting.push(part)
    } else if (isOfInterest(node.name)) {
      if (declares === undefined) {
        if (!isTried && uses.length < MOST_USES) uses.push(node)
      } else {
        const ranges = declared.get(node.name) ?? []
        declared.set(node.name, ranges)
        if (ranges.length < MOST_DECLARATIONS)
          ranges.push(declares === 'function' ? item.inFunction : item.inBlock)
      }
    }
  }
  const isDeclared = ({ name, start }: Identifier) => {
    const ranges = declared.get(name) ?? []
    return (
      ranges.length === MOST_DECLARATIONS || ranges.some((range) => range.start <= start && start < range.end)
    )
  }
  return { uses: uses.filter((use) => !isDeclared(use)).sort((a, b) => a.start - b.start), tested }
}

/** What a node holds, each part with the scope that it is in; names that are only keys or labels are left out. */
function* partsOf(item: Item): Generator<Item> {
  const { node } = item
  const inside: Item = { ...item, declares: undefined }
  if (isFunction(node)) {
    const own: Item = { ...inside, inFunction: node, inBlock: node, isTried: item.isTried }
    if (node.id)
      yield node.type === 'FunctionDeclaration'
        ? { ...inside, node: node.id, declares: 'block' }
        : { ...own, node: node.id, declares: 'function' }
    for (const param of node.params) yield { ...own, node: param, declares: 'function' }
    yield { ...own, node: node.body }
    return
  }
  switch (node.type) {
    case 'VariableDeclaration':
      for (const { id, init } of node.declarations) {
        yield { ...inside, node: id, declares: node.kind === 'var' ? 'function' : 'block' }
        if (init) yield { ...inside, node: init }
      }
      return
    case 'ClassDeclaration':
    case 'ClassExpression': {
      if (node.id)
        yield {
          ...inside,
          node: node.id,
          declares: 'block',
          ...(node.type === 'ClassExpression' && { inBlock: node }),
        }
      if (node.superClass) yield { ...inside, node: node.superClass }
      yield { ...inside, node: node.body }
      return
    }
    case 'ImportSpecifier':
    case 'ImportDefaultSpecifier':
    case 'ImportNamespaceSpecifier':
      yield { ...inside, node: node.local, declares: 'block' }
      return
    case 'ExportSpecifier':
    case 'LabeledStatement':
    case 'BreakStatement':
    case 'ContinueStatement':
    case 'MetaProperty':
      if (node.type === 'LabeledStatement') yield { ...inside, node: node.body }
      return
    case 'MemberExpression':
      yield { ...inside, node: node.object }
      if (node.computed) yield { ...inside, node: node.property }
      return
    case 'Property':
    case 'PropertyDefinition':
    case 'MethodDefinition':
      if (node.computed) yield { ...inside, node: node.key }
      if (node.value) yield { ...item, node: node.value }
      return
    case 'AssignmentPattern':
      yield { ...item, node: node.left }
      yield { ...inside, node: node.right }
      return
    case 'ObjectPattern':
      for (const property of node.properties) yield { ...item, node: property }
      return
    case 'ArrayPattern':
      for (const element of node.elements) if (element) yield { ...item, node: element }
      return
    case 'RestElement':
      yield { ...item, node: node.argument }
      return
    case 'CatchClause':
      if (node.param) yield { ...inside, inBlock: node, node: node.param, declares: 'block' }
      yield { ...inside, inBlock: node, node: node.body }
      return
    case 'TryStatement':
      yield { ...inside, node: node.block, isTried: node.handler !== null || item.isTried }
      if (node.handler) yield { ...inside, node: node.handler }
      if (node.finalizer) yield { ...inside, node: node.finalizer }
      return
    default: {
      const inBlock = OPENS_BLOCK.has(node.type) ? node : item.inBlock
      for (const child of childrenOf(node)) yield { ...inside, inBlock, node: child }
    }
  }
}

const OPENS_BLOCK: ReadonlySet<string> = new Set([
  'BlockStatement',
  'StaticBlock',
  'ForStatement',
  'ForInStatement',
  'ForOfStatement',
  'SwitchStatement',
])
