import type { EventFilter, FieldCondition, FilterScalar } from '../registry/event-filter.ts'
import { isDerived } from '../registry/property-names.ts'
import { isObject } from './json.ts'

/** A filter that is ready to be asked. */
export interface CompiledFilter {
  /** @param event parsed from the log. */
  test(event: unknown): boolean
  /** The only types that can match, if the filter limits them to a list. */
  types: ReadonlySet<string> | undefined
  /**
   * True where nothing but the type is asked for. If there are `types` then, they are exactly those that
   * match; if there are none, `test({ props: { type } })` answers without the event.
   */
  typeOnly: boolean
}

type Test = (value: unknown) => boolean

/**
 * What plugin authors call `event_type` is the type that the host found, whichever way the LMS names it. Of an
 * event that nothing names a type of it is empty, which to a filter is missing.
 */
const TYPE_FIELD = 'props.type'

/**
 * Compiles a filter that `filterProblem` found nothing wrong with. It matches as MongoDB would: a field
 * that holds a list matches where one of its items does, null matches what is missing, and comparisons
 * are between values of one kind.
 */
export function compileFilter(filter: EventFilter): CompiledFilter {
  return compiled(filter, undefined)
}

/**
 * Compiles what a filter says about an event as it stands in the log, without its derived properties: it lets
 * through every event that the filter lets through, whatever those turn out to be.
 */
export function compileLogFilter(filter: EventFilter): CompiledFilter {
  return compiled(filter, true)
}

/** Whether a filter looks at derived properties. */
export function mentionsDerived(filter: EventFilter): boolean {
  return Object.entries(filter).some(([key, value]) => {
    // The casts repeat what the grammar says of these keys, which an index signature cannot.
    if (key === '$and' || key === '$or') return (value as readonly EventFilter[]).some(mentionsDerived)
    return key === '$not' ? mentionsDerived(value as EventFilter) : isDerived(key.split('.'))
  })
}

/** @param assumed what a condition on a derived property counts for; undefined where it is looked at */
function compiled(filter: EventFilter, assumed: boolean | undefined): CompiledFilter {
  const whole = every(Object.entries(filter).map(([key, value]) => part(key, value, assumed)))
  if (!whole.typeOnly || !whole.types) return whole
  return ofTypes([...whole.types].filter((type) => whole.test({ props: { type } })))
}

/** What is not may be, unless it certainly is. */
function opposite(assumed: boolean | undefined): boolean | undefined {
  return assumed === undefined ? undefined : !assumed
}

/** Apart, so that what led to the types is let go: of these filters there are as many as there are handlers. */
function ofTypes(list: readonly string[]): CompiledFilter {
  const types = new Set(list)
  return { types, typeOnly: true, test: (event) => types.has(typeOf(event)) }
}

function typeOf(event: unknown): string {
  const props = isObject(event) ? event.props : undefined
  return isObject(props) && typeof props.type === 'string' ? props.type : ''
}

function part(key: string, value: EventFilter[string], assumed: boolean | undefined): CompiledFilter {
  // The casts repeat what the grammar says of these keys, which an index signature cannot.
  if (key === '$and') return every((value as readonly EventFilter[]).map((each) => compiled(each, assumed)))
  if (key === '$or') return some((value as readonly EventFilter[]).map((each) => compiled(each, assumed)))
  if (key === '$not') return not(compiled(value as EventFilter, opposite(assumed)))
  const field = key === 'event_type' ? TYPE_FIELD : key
  return condition(field, value as FilterScalar | readonly FilterScalar[] | FieldCondition, assumed)
}

function condition(
  field: string,
  asked: FilterScalar | readonly FilterScalar[] | FieldCondition,
  assumed: boolean | undefined,
): CompiledFilter {
  if (assumed !== undefined && isDerived(field.split('.')))
    return { test: () => assumed, types: undefined, typeOnly: true }
  if (isList(asked)) return operator(field, '$in', asked)
  if (typeof asked !== 'object' || asked === null) return operator(field, '$eq', asked)
  return every(Object.entries(asked).map(([name, operand]) => operator(field, name, operand)))
}

function operator(
  field: string,
  name: string,
  operand: FieldCondition[keyof FieldCondition],
): CompiledFilter {
  if (name === '$not') return not(condition(field, operand as FilterScalar | FieldCondition, undefined))
  if (name === '$ne') return not(operator(field, '$eq', operand))
  const typeOnly = field === TYPE_FIELD
  const path = field.split('.')
  const exists: Test = (event) => holds(event, path, 0, (value) => !typeOnly || value !== '')
  if (name === '$exists') return { test: (event) => exists(event) === operand, types: undefined, typeOnly }
  if (name !== '$eq' && name !== '$in') {
    const compare = comparison(name, operand)
    return { test: (event) => exists(event) && holds(event, path, 0, compare), types: undefined, typeOnly }
  }
  const wanted = new Set<unknown>(isList(operand) ? operand : [operand])
  const test: Test = (event) =>
    holds(event, path, 0, (value) => wanted.has(value)) || (wanted.has(null) && !exists(event))
  const types = [...wanted].map((type) => type ?? '').filter((type) => typeof type === 'string')
  return { test, types: typeOnly ? new Set(types) : undefined, typeOnly }
}

function comparison(name: string, bound: unknown): Test {
  if (typeof bound === 'number') return (value) => typeof value === 'number' && inOrder(name, value, bound)
  if (typeof bound === 'string') return (value) => typeof value === 'string' && inOrder(name, value, bound)
  return () => false
}

function inOrder<T extends number | string>(name: string, value: T, bound: T): boolean {
  if (name === '$gt') return value > bound
  if (name === '$gte') return value >= bound
  return name === '$lt' ? value < bound : value <= bound
}

/** True where a value that the path leads to passes. A step into a list is its index, or a step into its items. */
function holds(value: unknown, path: readonly string[], at: number, test: Test): boolean {
  const step = path[at]
  if (step === undefined) return test(value) || (Array.isArray(value) && value.some(test))
  if (isObject(value)) return Object.hasOwn(value, step) && holds(value[step], path, at + 1, test)
  if (!Array.isArray(value)) return false
  const isIndex = step !== 'length' && Object.hasOwn(value, step)
  if (isIndex && holds(value[Number(step)], path, at + 1, test)) return true
  return value.some((item) => isObject(item) && holds(item, path, at, test))
}

function every(parts: readonly CompiledFilter[]): CompiledFilter {
  const types = parts.map((part) => part.types).filter((list) => list !== undefined)
  return {
    test: (event) => parts.every(({ test }) => test(event)),
    types: types.length === 0 ? undefined : types.reduce((left, right) => left.intersection(right)),
    typeOnly: parts.every(({ typeOnly }) => typeOnly),
  }
}

function some(parts: readonly CompiledFilter[]): CompiledFilter {
  const types = parts.map((part) => part.types).filter((list) => list !== undefined)
  return {
    test: (event) => parts.some(({ test }) => test(event)),
    types: types.length < parts.length ? undefined : types.reduce((left, right) => left.union(right)),
    typeOnly: parts.every(({ typeOnly }) => typeOnly),
  }
}

function not({ test, typeOnly }: CompiledFilter): CompiledFilter {
  return { test: (event) => !test(event), types: undefined, typeOnly }
}

function isList(value: unknown): value is readonly FilterScalar[] {
  return Array.isArray(value)
}
