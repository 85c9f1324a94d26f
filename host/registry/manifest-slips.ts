import type { AnyNode, CallExpression, Pattern } from 'acorn'
import type { Forgotten } from './manifest-forgotten.ts'
import { isFunction, nameOf, type Syntax, walk } from './manifest-syntax.ts'
import { packageOf } from './package-imports.ts'
import { mapPosition, type SourceMap } from './source-map.ts'

const MOST_WARNINGS = 20

/** A stretch of the bundle. */
interface Range {
  readonly start: number
  readonly end: number
}

/**
 * What runs and is probably not meant, in the author's own files: a loop that nobody awaits, a time that stands
 * still, variables that do not last, numbers that come out otherwise when a handler runs again. Linear in the length of the text.
 *
 * @param writing the handlers of events and jobs, which may run again on the same events
 * @param forgotten what was found to be missing, which is told with the others
 * @returns sentences that begin with the place
 */
export function slipsOf(
  syntax: Syntax,
  sourceMap: SourceMap | undefined,
  writing: readonly Range[],
  forgotten: readonly Forgotten[],
): readonly string[] {
  if (sourceMap === undefined) return []
  const variables = fileVariables(syntax)
  const found = [...forgotten]
  walk(syntax.program, (node, { inFunction }) => {
    const message = ofCall(node, inFunction) ?? (isIn(node, writing) ? ofWriting(node, variables) : undefined)
    if (message !== undefined) found.push({ start: node.start, message })
  })
  const told: string[] = []
  for (const { start, message } of found.sort((a, b) => a.start - b.start)) {
    const place = mapPosition(sourceMap, syntax.position(start))
    if (!place || packageOf(place.source) !== undefined) continue
    told.push(`${place.source}:${place.line}:${place.column} ${message}`)
    if (told.length === MOST_WARNINGS) break
  }
  return told
}

function isIn({ start, end }: AnyNode, ranges: readonly Range[]): boolean {
  return ranges.some((range) => range.start <= start && end <= range.end)
}

function ofCall(node: AnyNode, inFunction: boolean): string | undefined {
  if (node.type === 'NewExpression') {
    const isNow =
      node.callee.type === 'Identifier' && node.callee.name === 'Date' && node.arguments.length === 0
    return isNow && !inFunction ? STANDS_STILL : undefined
  }
  if (node.type !== 'CallExpression') return undefined
  if (isMember(node, 'Date', 'now') && !inFunction) return STANDS_STILL
  const [visit] = node.arguments
  const { callee } = node
  const isForEach =
    callee.type === 'MemberExpression' && !callee.computed && nameOf(callee.property) === 'forEach'
  // A cursor awaits what its forEach is given.
  const ofCursor = callee.type === 'MemberExpression' && callee.object.type === 'CallExpression'
  if (!isForEach || ofCursor || visit === undefined || !isFunction(visit) || !visit.async) return undefined
  return 'forEach does not await what it calls, so what its async function does after its first await may be lost. Write for (const item of list) await ….'
}

const STANDS_STILL =
  'This time is taken once, when the plugin loads, and stays what it is. Take it inside the handler: ({ now }) => now().'

/** In a handler that writes. */
function ofWriting(node: AnyNode, variables: ReadonlySet<string>): string | undefined {
  if (node.type === 'CallExpression' && isMember(node, 'Math', 'random'))
    return 'Math.random gives another number when the handler runs again on the same events, as in a retry or a rebuild. Derive it from the event, for example from e.props.id.'
  const target =
    node.type === 'AssignmentExpression'
      ? node.left
      : node.type === 'UpdateExpression'
        ? node.argument
        : undefined
  if (target?.type !== 'Identifier' || !variables.has(target.name)) return undefined
  return `\`${target.name}\` is a variable of the file, which may be gone by the next call, and is another one in each process. Keep what is to last in db, and what may be lost in cache.`
}

function isMember({ callee }: CallExpression, object: string, property: string): boolean {
  return (
    callee.type === 'MemberExpression' &&
    !callee.computed &&
    callee.object.type === 'Identifier' &&
    callee.object.name === object &&
    nameOf(callee.property) === property
  )
}

/** The variables of the top level whose names nothing inside declares again. */
function fileVariables(syntax: Syntax): ReadonlySet<string> {
  const variables = new Set<string>()
  for (const statement of syntax.program.body) {
    const declaration = statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement
    if (declaration?.type !== 'VariableDeclaration') continue
    for (const { id } of declaration.declarations) if (id.type === 'Identifier') variables.add(id.name)
  }
  walk(syntax.program, (node, { inFunction }) => {
    if (inFunction && node.type === 'VariableDeclarator' && node.id.type === 'Identifier')
      variables.delete(node.id.name)
    if (isFunction(node)) for (const param of node.params) if (isNamed(param)) variables.delete(param.name)
  })
  return variables
}

function isNamed(pattern: Pattern): pattern is Pattern & { readonly type: 'Identifier' } {
  return pattern.type === 'Identifier'
}
