import { MONGO, quote, refusal } from './refusal.ts'
import { type Doc, isDoc, own } from './values.ts'

/** What an expression is computed in: the document at hand, and variables by name. */
export interface Env {
  readonly root: unknown
  readonly vars: Vars
}

/** Variables; those of an outer scope are reached by the prototype, and the outermost has none. */
export type Vars = Readonly<Record<string, unknown>>

/** Computes one operator from its operand, which is not computed yet. */
export type ExpressionOperator = (operand: unknown, env: Env) => unknown

/** The operators by name; `expression-operators.ts` fills it. */
export const OPERATORS = new Map<string, ExpressionOperator>()

/** The outermost variables of an operation. */
export function variables(values: Readonly<Record<string, unknown>>): Vars {
  return Object.assign(Object.create(null), values)
}

/** The same with more variables, which hide those of the same name. */
export function bind(env: Env, values: Readonly<Record<string, unknown>>): Env {
  return { root: env.root, vars: Object.assign(Object.create(env.vars), values) }
}

/** Computes a checked expression; undefined is missing. */
export function evaluate(expression: unknown, env: Env): unknown {
  if (typeof expression === 'string')
    return expression.charCodeAt(0) === 36 ? evaluatePath(expression, env) : expression
  if (Array.isArray(expression)) return expression.map((item) => evaluate(item, env) ?? null)
  if (!isDoc(expression)) return expression
  const keys = Object.keys(expression)
  const [first = ''] = keys
  if (first.charCodeAt(0) === 36) {
    const operator = OPERATORS.get(first)
    if (!operator) throw new Error(`${first} is on the list but has no code`)
    return operator(expression[first], env)
  }
  const made: Doc = {}
  for (const key of keys) {
    const value = evaluate(expression[key], env)
    if (value !== undefined) made[key] = value
  }
  return made
}

const paths = new Map<string, readonly string[]>()

function partsOf(path: string): readonly string[] {
  let parts = paths.get(path)
  if (!parts) {
    parts = path.split('.')
    if (paths.size >= 2_000) paths.clear()
    paths.set(path, parts)
  }
  return parts
}

function evaluatePath(path: string, { root, vars }: Env): unknown {
  if (path.charCodeAt(1) !== 36) return valueAt(root, partsOf(path.slice(1)), 0)
  const parts = partsOf(path.slice(2))
  const [name = ''] = parts
  switch (name) {
    case 'ROOT':
    case 'CURRENT':
      return valueAt(root, parts, 1)
    case 'REMOVE':
      return undefined
    default:
      if (name in vars) return valueAt(vars[name], parts, 1)
      throw refusal('query_invalid', MONGO.UndefinedVariable, `Use of the undefined variable ${quote(name)}.`)
  }
}

/** What a path means in an expression: an array answers the values of the documents in it, and has no indexes. */
function valueAt(value: unknown, parts: readonly string[], at: number): unknown {
  let here = value
  for (let i = at; i < parts.length; i++) {
    if (Array.isArray(here)) {
      const found: unknown[] = []
      for (const item of here) {
        const inner = isDoc(item) ? valueAt(item, parts, i) : undefined
        if (inner !== undefined) found.push(inner)
      }
      return found
    }
    if (!isDoc(here)) return undefined
    here = own(here, parts[i] ?? '')
  }
  return here
}
