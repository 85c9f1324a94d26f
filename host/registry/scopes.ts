import type { AnyNode, Identifier } from 'acorn'
import { childrenOf, isFunction } from './manifest-syntax.ts'

/** A part of the text, by its offsets. */
export interface Range {
  readonly start: number
  readonly end: number
}

/** A name in a program that stands for a variable, or declares one: no key, and no label. */
export interface Name {
  readonly node: Identifier
  /** Where it declares a variable: the part of the text in which that is known. */
  readonly scope: Range | undefined
  /** Whether what fails here is caught. */
  readonly isTried: boolean
  /** Whether only its presence is looked at: `typeof NAME`. */
  readonly isTested: boolean
}

interface Item {
  readonly node: AnyNode
  /** Whether a name here is one that is declared: in the whole function, or in the block. */
  readonly declares?: 'function' | 'block' | undefined
  readonly inFunction: Range
  readonly inBlock: Range
  readonly isTried: boolean
  readonly isTested?: boolean
}

/**
 * All names below a node, in no order. Time is linear in the length of the text, and nothing recurs: a hostile tree
 * is deep.
 */
export function* namesBelow(root: AnyNode): Generator<Name> {
  const waiting: Item[] = [{ node: root, inFunction: root, inBlock: root, isTried: false }]
  for (let item = waiting.pop(); item !== undefined; item = waiting.pop()) {
    const { node, declares, isTried, isTested = false } = item
    if (node.type !== 'Identifier') for (const part of partsOf(item)) waiting.push(part)
    else {
      const scope = declares && (declares === 'function' ? item.inFunction : item.inBlock)
      yield { node, scope, isTried, isTested }
    }
  }
}

/** What a node holds, each part with the scope that it is in; names that are only keys or labels are left out. */
function* partsOf(item: Item): Generator<Item> {
  const { node } = item
  const inside: Item = { ...item, declares: undefined, isTested: false }
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
    case 'UnaryExpression':
      yield { ...inside, node: node.argument, isTested: node.operator === 'typeof' }
      return
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
