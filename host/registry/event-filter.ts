import { propsFieldProblem } from './property-names.ts'

/** A value that a field of an event is compared with. */
export type FilterScalar = string | number | boolean | null

/** What a filter asks of one field; all of it must hold. */
export interface FieldCondition {
  readonly $eq?: FilterScalar
  readonly $ne?: FilterScalar
  readonly $in?: readonly FilterScalar[]
  readonly $exists?: boolean
  readonly $gt?: string | number
  readonly $gte?: string | number
  readonly $lt?: string | number
  readonly $lte?: string | number
  readonly $not?: FilterScalar | readonly FilterScalar[] | FieldCondition
}

/**
 * Which events a handler gets, in the closed grammar that {@link filterProblem} checks: fields by dotted path,
 * all of which must match (a list is short for `$in`), and `$and`, `$or`, `$not` over filters.
 */
export interface EventFilter {
  readonly $and?: readonly EventFilter[]
  readonly $or?: readonly EventFilter[]
  readonly $not?: EventFilter
  readonly [field: string]:
    | FilterScalar
    | readonly FilterScalar[]
    | FieldCondition
    | EventFilter
    | readonly EventFilter[]
    | undefined
}

/** What bounds the work that one filter costs on each event. */
const FILTER_LIMITS = { nodes: 64, fieldDepth: 5, textCharacters: 512, listItems: 256, nesting: 8 }

const FIELD = /^[\w:-]{1,100}$/
const FORBIDDEN = new Set(['__proto__', 'constructor', 'prototype'])
const OPERATORS = ['$eq', '$ne', '$in', '$exists', '$gt', '$gte', '$lt', '$lte', '$not']

/** What is wrong with a filter: where in it, and what to write. */
export interface FilterProblem {
  readonly path: readonly string[]
  readonly message: string
}

/**
 * The first thing that is wrong with a filter from outside; undefined where it is an {@link EventFilter}.
 * @param derived the derived properties that it may ask for, `tincan.actor`; undefined where it never may
 */
export function filterProblem(filter: unknown, derived?: readonly string[]): FilterProblem | undefined {
  try {
    new Check(derived).filter(filter, [])
    return undefined
  } catch (error) {
    if (error instanceof Refusal) return error.problem
    throw error
  }
}

class Refusal extends Error {
  readonly problem: FilterProblem

  constructor(path: readonly string[], message: string) {
    super(message)
    this.problem = { path, message }
  }
}

class Check {
  readonly #derived: readonly string[] | undefined
  #nodes = 0

  constructor(derived: readonly string[] | undefined) {
    this.#derived = derived
  }

  filter(value: unknown, path: readonly string[]): void {
    const entries = this.#entries(value, path, 'write an object, such as { event_type: "play_video" }')
    for (const [key, inner] of entries) {
      const at = [...path, key.slice(0, 100)]
      if (key === '$and' || key === '$or') this.#list(inner, at)
      else if (key === '$not') this.filter(inner, at)
      else if (key.startsWith('$'))
        throw new Refusal(at, 'a filter combines with $and, $or and $not only; conditions belong to a field')
      else {
        this.#field(key, at)
        this.#condition(inner, at)
      }
    }
  }

  #list(value: unknown, path: readonly string[]): void {
    if (!Array.isArray(value) || value.length === 0) throw new Refusal(path, 'write a list of filters')
    for (const [index, filter] of value.entries()) this.filter(filter, [...path, String(index)])
  }

  #field(key: string, path: readonly string[]): void {
    const steps = key.split('.')
    if (steps.length > FILTER_LIMITS.fieldDepth)
      throw new Refusal(path, `a field reaches ${FILTER_LIMITS.fieldDepth} levels deep at most`)
    if (!steps.every((step) => FIELD.test(step) && !FORBIDDEN.has(step)))
      throw new Refusal(path, 'a field is made of names joined by dots, such as "context.course_id"')
    // An event may have any other key; what is in `props` the host writes.
    const problem = propsFieldProblem(steps, this.#derived)
    if (problem !== undefined) throw new Refusal(path, problem)
  }

  #condition(value: unknown, path: readonly string[]): void {
    if (Array.isArray(value)) this.#scalars(value, path)
    else if (isScalar(value)) this.#scalar(value, path)
    else {
      const entries = this.#entries(value, path, 'compare with a text, a number, true, false, null or a list')
      if (entries.length === 0) throw new Refusal(path, `write a value or one of ${OPERATORS.join(' ')}`)
      for (const [operator, inner] of entries)
        this.#operator(operator, inner, [...path, operator.slice(0, 100)])
    }
  }

  #operator(operator: string, value: unknown, path: readonly string[]): void {
    if (!OPERATORS.includes(operator))
      throw new Refusal(path, `filters of events offer ${OPERATORS.join(' ')} only`)
    if (operator === '$in') this.#scalars(value, path)
    else if (operator === '$not') this.#condition(value, path)
    else {
      if (operator === '$exists' && typeof value !== 'boolean') throw new Refusal(path, 'write true or false')
      if (/^\$[gl]te?$/.test(operator) && typeof value !== 'string' && typeof value !== 'number')
        throw new Refusal(path, 'compare with a text or a number')
      this.#scalar(value, path)
    }
  }

  #scalars(value: unknown, path: readonly string[]): void {
    if (!Array.isArray(value) || value.length === 0 || value.length > FILTER_LIMITS.listItems)
      throw new Refusal(path, `write a list of 1 to ${FILTER_LIMITS.listItems} values`)
    this.#node(path)
    for (const item of value) this.#value(item, path)
  }

  #scalar(value: unknown, path: readonly string[]): void {
    this.#node(path)
    this.#value(value, path)
  }

  #value(value: unknown, path: readonly string[]): void {
    if (!isScalar(value)) throw new Refusal(path, 'compare with a text, a number, true, false or null')
    if (typeof value === 'string' && value.length > FILTER_LIMITS.textCharacters)
      throw new Refusal(path, `a text has ${FILTER_LIMITS.textCharacters} characters at most`)
  }

  #entries(value: unknown, path: readonly string[], help: string): [string, unknown][] {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Refusal(path, help)
    if (path.length > FILTER_LIMITS.nesting * 2) throw new Refusal(path, 'it is nested too deeply')
    this.#node(path)
    return Object.entries(value)
  }

  #node(path: readonly string[]): void {
    this.#nodes++
    if (this.#nodes > FILTER_LIMITS.nodes)
      throw new Refusal(path, `a filter has ${FILTER_LIMITS.nodes} conditions and groups at most`)
  }
}

function isScalar(value: unknown): value is FilterScalar {
  return value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)
}
