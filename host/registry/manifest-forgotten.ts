import type { AnyNode, CallExpression } from 'acorn'
import type { Kind } from './manifest-names.ts'
import { childrenOf, isFunction, nameOf, type Syntax } from './manifest-syntax.ts'

/** Something that is probably missing, and where in the bundle. */
export interface Forgotten {
  readonly start: number
  readonly message: string
}

/**
 * Endpoints that are made and not exported: nothing of them runs, and nothing else says so.
 * @param kindOf what a call of the SDK makes
 */
export function notExported(syntax: Syntax, kindOf: (call: CallExpression) => Kind | undefined): Forgotten[] {
  const exported = new Set<string>()
  const made: { name: string; start: number; kind: Kind }[] = []
  const look = (value: AnyNode | null | undefined, name: string, start: number) => {
    // Another name of the same.
    if (value?.type === 'Identifier') exported.add(value.name)
    const kind = value?.type === 'CallExpression' ? kindOf(value) : undefined
    if (kind !== undefined) made.push({ name, start, kind })
  }
  for (const statement of syntax.program.body) {
    if (statement.type === 'ExportNamedDeclaration')
      for (const { local } of statement.specifiers) exported.add(nameOf(local))
    else if (statement.type === 'ExpressionStatement') look(statement.expression, 'NAME', statement.start)
    else if (statement.type === 'VariableDeclaration')
      for (const { id, init } of statement.declarations)
        if (id.type === 'Identifier') look(init, id.name, id.start)
  }
  return made
    .filter(({ name }) => !exported.has(name))
    .map(({ name, start, kind }) => ({
      start,
      message: `This ${kind} is not exported, so the plugin is without it. Write export const ${name} = ${kind}(…), and in another file than the first one, export it from there, too.`,
    }))
}

/** Views and queries whose braces hold no `return` with something behind it: they give nothing. */
export function notReturned(handler: AnyNode): Forgotten[] {
  if (!isFunction(handler) || handler.body.type !== 'BlockStatement' || hasResult(handler.body)) return []
  return [
    {
      start: handler.start,
      message: 'This returns nothing, so there is nothing to show. After => { … } a result needs return.',
    },
  ]
}

/** Whether it gives something, or says why not; functions inside of it have results of their own. */
function hasResult(body: AnyNode): boolean {
  const waiting = [body]
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    if (node.type === 'ThrowStatement' || (node.type === 'ReturnStatement' && node.argument)) return true
    if (!isFunction(node)) waiting.push(...childrenOf(node))
  }
  return false
}
