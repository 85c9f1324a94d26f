import type { Options } from 'mingo/types'
import { type Compute, compileExpression } from './expression-compiler.ts'
import { checkExpression } from './expressions.ts'
import { checkFilter } from './filter.ts'
import { matchedElement } from './matched-element.ts'
import { meter } from './meter.ts'
import { valueAtNames } from './paths.ts'
import { elementTest } from './query-operators.ts'
import { MONGO, quote, refusal } from './refusal.ts'
import { type Doc, isDoc, own } from './values.ts'

/** One field of a projection or of `$set`: kept, left out, computed, or fields of its own. */
type Node = 'keep' | 'drop' | Compute | Tree
type Tree = Map<string, Node>

function refuse(message: string, mongoCode: number = MONGO.BadValue): never {
  throw refusal('query_invalid', mongoCode, message)
}

function put(tree: Tree, path: string, node: Node): void {
  const parts = path.split('.')
  let at = tree
  parts.forEach((part, i) => {
    if (part === '' || part.startsWith('$'))
      refuse(`The path ${quote(path)} has an empty part or one that starts with '$'.`)
    const next = at.get(part)
    if (i === parts.length - 1) {
      if (next !== undefined) refuse(`The path ${quote(path)} is named twice.`, 31250)
      at.set(part, node)
    } else if (next instanceof Map) at = next
    else if (next === undefined) {
      const made: Tree = new Map()
      at.set(part, made)
      at = made
    } else refuse(`The path ${quote(path)} is named twice.`, 31250)
  })
}

function isFields(value: unknown): value is Doc {
  return isDoc(value) && !Object.keys(value).some((key) => key.startsWith('$'))
}

/** Walks the paths of a specification, nested objects read as dotted paths. */
function eachPath(spec: Doc, prefix: string, visit: (path: string, value: unknown) => void): void {
  for (const key of Object.keys(spec)) {
    const path = prefix + key
    const value = spec[key]
    if (isFields(value) && Object.keys(value).length > 0) eachPath(value, `${path}.`, visit)
    else visit(path, value)
  }
}

/** `$slice` and `$elemMatch` as a `find` means them; undefined where the value is an expression. */
function findOperator(path: string, value: unknown, scope: Options): Compute | undefined {
  if (!isDoc(value)) return undefined
  const field = path.split('.')
  const read = (doc: Doc): unknown =>
    field.reduce((at: unknown, part) => (isDoc(at) ? own(at, part) : undefined), doc)
  if ('$elemMatch' in value) {
    if (!isDoc(value.$elemMatch)) refuse('$elemMatch takes a filter.')
    const condition = checkFilter({ field: { $elemMatch: value.$elemMatch } }).field
    const test = elementTest(
      isDoc(condition) && isDoc(condition.$elemMatch) ? condition.$elemMatch : {},
      scope,
    )
    return (doc) => {
      const items = read(doc)
      const first = Array.isArray(items) ? items.findIndex(test) : -1
      return Array.isArray(items) && first >= 0 ? [items[first]] : undefined
    }
  }
  const slice = value.$slice
  const numbers: unknown[] = Array.isArray(slice) ? slice : [slice]
  if (!('$slice' in value) || !numbers.every((n) => typeof n === 'number')) return undefined
  const [first = 0, count] = numbers.map(Number)
  return (doc) => {
    const items = read(doc)
    if (!Array.isArray(items)) return items
    if (count === undefined) return first < 0 ? items.slice(first) : items.slice(0, first)
    const from = first < 0 ? Math.max(0, items.length + first) : first
    return items.slice(from, from + count)
  }
}

/** Stands for the positional `$` behind a path. */
const MATCHED = Symbol('matched')

function withoutPositional(spec: Doc): Doc {
  const made: Doc = {}
  for (const key of Object.keys(spec)) {
    const isPositional = key.endsWith('.$')
    made[isPositional ? key.slice(0, -2) : key] = isPositional ? MATCHED : spec[key]
  }
  if (Object.values(made).filter((value) => value === MATCHED).length > 1)
    refuse("A projection has at most one positional '$'.", 31276)
  return made
}

/** Of an array only the element that the filter matched. */
function matched(path: string, filter: Doc): Compute {
  return (doc) => {
    const items = valueAtNames(doc, path.split('.'))
    if (!Array.isArray(items)) return items
    const at = matchedElement(filter, doc, path)
    if (at < 0)
      refuse(
        `The positional '$' behind ${quote(path)} has no element: the filter does not match by that array.`,
        51246,
      )
    return [items[at]]
  }
}

/**
 * Prepares the projection of a `find`, or a `$project` with `isStage`. Documents that it makes share parts with
 * those that it gets. Throws `query_invalid` where inclusion and exclusion are mixed.
 */
export function compileProjection(
  given: unknown,
  scope: Options,
  isStage: boolean,
  filter: Doc = {},
): (doc: Doc) => Doc {
  const spec = isStage || !isDoc(given) ? given : withoutPositional(given)
  if (!isDoc(spec)) refuse('A projection is an object.', MONGO.TypeMismatch)
  if (isStage && Object.keys(spec).length === 0) refuse('$project names at least one field.', 51272)
  const tree: Tree = new Map()
  let keeps = 0
  let drops = 0
  let slices = 0
  eachPath(spec, '', (path, value) => {
    const isFlag = typeof value === 'number' || typeof value === 'boolean'
    if (isFlag) {
      const isKept = Boolean(value)
      if (path !== '_id') isKept ? keeps++ : drops++
      put(tree, path, isKept ? 'keep' : 'drop')
      return
    }
    const isSlice = !isStage && isDoc(value) && '$slice' in value
    const special = isStage
      ? undefined
      : value === MATCHED
        ? matched(path, filter)
        : findOperator(path, value, scope)
    if (special && isSlice) slices++
    else keeps++
    put(tree, path, special ?? compileExpression(checkExpression(value), scope))
  })
  if (keeps > 0 && drops > 0)
    refuse('A projection either includes or excludes fields, apart from _id.', 31254)
  const id = tree.get('_id')
  const isInclusion = keeps > 0 || (drops === 0 && slices === 0 && id !== undefined && id !== 'drop')
  if (isInclusion && id === undefined) tree.set('_id', 'keep')
  if (isInclusion && id === 'drop') tree.delete('_id')
  return isInclusion ? (doc) => include(doc, tree, doc) : (doc) => exclude(doc, tree, doc)
}

function include(doc: Doc, tree: Tree, root: Doc): Doc {
  meter.tick()
  const made: Doc = {}
  for (const key of Object.keys(doc)) {
    const node = tree.get(key)
    if (node === 'keep') made[key] = doc[key]
    else if (node instanceof Map) {
      const value = included(doc[key], node, root)
      if (value !== undefined) made[key] = value
    }
  }
  compute(made, tree, root)
  return made
}

function included(value: unknown, tree: Tree, root: Doc): unknown {
  if (Array.isArray(value))
    return value.map((item) => included(item, tree, root)).filter((item) => item !== undefined)
  return isDoc(value) ? include(value, tree, root) : undefined
}

/** Adds the computed fields, in the order in which they are named. */
function compute(made: Doc, tree: Tree, root: Doc): void {
  for (const [key, node] of tree) {
    if (typeof node === 'function') {
      const value = node(root)
      if (value !== undefined) made[key] = value
      else delete made[key]
    } else if (node instanceof Map && !Object.hasOwn(made, key) && computes(node)) {
      const nested: Doc = {}
      compute(nested, node, root)
      made[key] = nested
    }
  }
}

function computes(tree: Tree): boolean {
  return [...tree.values()].some(
    (node) => typeof node === 'function' || (node instanceof Map && computes(node)),
  )
}

function exclude(doc: Doc, tree: Tree, root: Doc): Doc {
  meter.tick()
  const made: Doc = {}
  for (const key of Object.keys(doc)) {
    const node = tree.get(key)
    if (node === 'drop') continue
    const value = typeof node === 'function' ? node(root) : doc[key]
    made[key] = node instanceof Map ? excluded(value, node, root) : value
  }
  return made
}

function excluded(value: unknown, tree: Tree, root: Doc): unknown {
  if (Array.isArray(value)) return value.map((item) => excluded(item, tree, root))
  return isDoc(value) ? exclude(value, tree, root) : value
}

/** Prepares `$set` (`$addFields`): the document with fields added or replaced, the rest shared. */
export function compileSet(spec: unknown, scope: Options): (doc: Doc) => Doc {
  if (!isDoc(spec)) refuse('$set takes an object of fields.', 40272)
  const tree: Tree = new Map()
  eachPath(spec, '', (path, value) => put(tree, path, compileExpression(checkExpression(value), scope)))
  return (doc) => setFields(doc, tree, doc)
}

function setFields(doc: Doc, tree: Tree, root: Doc): Doc {
  meter.tick()
  const made: Doc = { ...doc }
  for (const [key, node] of tree) {
    if (typeof node === 'function') {
      const value = node(root)
      if (value === undefined) delete made[key]
      else made[key] = value
    } else if (node instanceof Map) made[key] = setNested(own(doc, key), node, root)
  }
  return made
}

function setNested(value: unknown, tree: Tree, root: Doc): unknown {
  if (Array.isArray(value)) return value.map((item) => setNested(item, tree, root))
  return setFields(isDoc(value) ? value : {}, tree, root)
}
