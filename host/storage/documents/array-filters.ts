import { Query } from 'mingo/query'
import { admitQuery } from './admit.ts'
import { checkFilter } from './filter.ts'
import type { DocumentLimits } from './limits.ts'
import { MONGO, quote, refusal } from './refusal.ts'
import { newScope } from './scope.ts'
import { type Doc, isDoc } from './values.ts'

function invalid(mongoCode: number, message: string): Error {
  return refusal('update_invalid', mongoCode, message)
}

/** Tests for the elements that `$[name]` stands for, by name. */
export type ArrayFilters = ReadonlyMap<string, (element: unknown) => boolean>

/** Checks `arrayFilters` against the placeholders in the paths of an update: each has one filter, and each is used. */
export function compileArrayFilters(
  arrayFilters: unknown,
  used: ReadonlySet<string>,
  limits: Readonly<DocumentLimits>,
): ArrayFilters {
  const filters = new Map<string, (element: unknown) => boolean>()
  if (arrayFilters !== undefined) {
    const admitted = admitQuery(arrayFilters, limits)
    if (!Array.isArray(admitted)) throw invalid(MONGO.TypeMismatch, 'arrayFilters is a list of filters.')
    for (const filter of admitted) {
      const checked = checkFilter(filter)
      const names = new Set(filterFields(checked).map((field) => field.split('.')[0] ?? ''))
      const [name = ''] = names
      if (names.size !== 1 || !/^[a-z]\w*$/.test(name))
        throw invalid(
          MONGO.FailedToParse,
          'Each of arrayFilters names one identifier, which starts with a small letter.',
        )
      if (filters.has(name))
        throw invalid(MONGO.FailedToParse, `arrayFilters has two filters for ${quote(name)}.`)
      if (!used.has(`$[${name}]`))
        throw invalid(MONGO.FailedToParse, `The array filter ${quote(name)} is not used in the update.`)
      const query = new Query(checked, newScope())
      filters.set(name, (element) => query.test({ [name]: element }))
    }
  }
  for (const part of used)
    if (!filters.has(part.slice(2, -1)))
      throw invalid(MONGO.BadValue, `There is no array filter for ${quote(part)}.`)
  return filters
}

function filterFields(filter: Doc): string[] {
  return Object.keys(filter).flatMap((key) => {
    const clauses = filter[key]
    if (!key.startsWith('$')) return [key]
    return Array.isArray(clauses)
      ? clauses.flatMap((clause) => (isDoc(clause) ? filterFields(clause) : []))
      : []
  })
}
