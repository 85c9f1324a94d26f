import type { LyceumError } from '../../errors.ts'
import { quote, refusal } from './refusal.ts'

/** How many letters have to change to make one name of another. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}

/** The offered name that is most like another; undefined where none is much like it. */
export function nearest(name: string, offered: Iterable<string>): string | undefined {
  const sought = name.slice(0, 40).toLowerCase()
  let best: string | undefined
  let least = Math.max(2, Math.floor(sought.length / 3)) + 1
  for (const one of offered) {
    const changes = distance(sought, one.toLowerCase())
    if (changes >= least) continue
    least = changes
    best = one
  }
  return best
}

/** What people from other languages, and from other parts of this one, write for it. */
const OTHER_NAMES: ReadonlyMap<string, readonly string[]> = new Map([
  ['$filter', ['$match']],
  ['$find', ['$match']],
  ['$where', ['$match', '$expr']],
  ['$select', ['$project']],
  ['$order', ['$sort']],
  ['$orderby', ['$sort']],
  ['$join', ['$lookup']],
  ['$groupby', ['$group']],
  ['$increment', ['$inc']],
  ['$add', ['$inc']],
  ['$append', ['$push']],
  ['$remove', ['$unset', '$pull']],
  ['$delete', ['$unset']],
  ['$like', ['$regex']],
  ['$contains', ['$in', '$elemMatch']],
  ['$isnull', ['$exists']],
  ['$average', ['$avg']],
  ['$mean', ['$avg']],
])

function otherwiseCalled(name: string, offered: Iterable<string>): string | undefined {
  const names = new Set(offered)
  return OTHER_NAMES.get(name.slice(0, 40).toLowerCase())?.find((other) => names.has(other))
}

/** The refusal of an operator that is not on a list, with the one on it that may have been meant. */
export function unknownOperator(
  name: string,
  where: string,
  offered: Iterable<string>,
  mongoCode: number,
): LyceumError {
  const meant = otherwiseCalled(name, offered) ?? nearest(name, offered)
  const hint = meant === undefined ? 'docs/db.md lists what is.' : `Did you mean ${quote(meant)}?`
  return refusal(
    'operator_unknown',
    mongoCode,
    `The operator ${quote(name)} is not offered ${where}. ${hint}`,
    {
      operator: name.slice(0, 60),
      ...(meant !== undefined && { nearest: meant }),
    },
  )
}
