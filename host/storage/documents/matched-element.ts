import { Query } from 'mingo/query'
import { valueAtNames } from './paths.ts'
import { newScope } from './scope.ts'
import { type Doc, isDoc } from './values.ts'

/** The conditions of a checked filter that look into an array, each for one element: `element`, or a field of it. */
function elementConditions(filter: Doc, array: string): Doc[] {
  return Object.keys(filter).flatMap((key): Doc[] => {
    const condition = filter[key]
    if (key === '$and' && Array.isArray(condition))
      return condition.flatMap((clause) => (isDoc(clause) ? elementConditions(clause, array) : []))
    if (key !== array && !key.startsWith(`${array}.`)) return []
    const path = `element${key.slice(array.length)}`
    if (key !== array || !isDoc(condition) || !isDoc(condition.$elemMatch)) return [{ [path]: condition }]
    return Object.keys(condition.$elemMatch).some(
      (name) => name.startsWith('$') && !/^\$(and|or|nor)$/.test(name),
    )
      ? [{ element: condition.$elemMatch }]
      : [prefixed(condition.$elemMatch)]
  })
}

function prefixed(filter: Doc): Doc {
  const made: Doc = {}
  for (const key of Object.keys(filter)) {
    const condition = filter[key]
    if (!key.startsWith('$')) made[`element.${key}`] = condition
    else if (Array.isArray(condition))
      made[key] = condition.map((clause) => (isDoc(clause) ? prefixed(clause) : clause))
  }
  return made
}

/**
 * Which element of an array a checked filter matches, for the positional `$`: the first that fulfils all conditions on
 * the array, or where none does, the last of them. -1 where the filter says nothing of the array or nothing matches.
 */
export function matchedElement(filter: Doc, doc: Doc, array: string): number {
  const conditions = elementConditions(filter, array)
  const items = valueAtNames(doc, array.split('.'))
  if (conditions.length === 0 || !Array.isArray(items)) return -1
  const scope = newScope()
  const queries = conditions.map((condition) => new Query(condition, scope))
  const all = items.findIndex((element) => queries.every((query) => query.test({ element })))
  return all >= 0 ? all : items.findIndex((element) => queries.at(-1)?.test({ element }) === true)
}
