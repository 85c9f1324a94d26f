import type { Identifier, Program } from 'acorn'
import { namesBelow, type Range } from './scopes.ts'

/** More uses or declarations of such names than this are nobody's mistake, and would take long to compare. */
const MOST_USES = 2_000
const MOST_DECLARATIONS = 500

/** Names that a program uses and does not declare. */
export interface FreeNames {
  readonly uses: readonly Identifier[]
  /** Those whose presence it looks at, with `typeof NAME`. */
  readonly tested: readonly Identifier[]
}

/**
 * The uses of some names that stand for globals: not declared around them, and not inside of a `try`, since what is
 * there may fail.
 */
export function freeNames(program: Program, isOfInterest: (name: string) => boolean): FreeNames {
  const uses: Identifier[] = []
  const tested: Identifier[] = []
  const declared = new Map<string, Range[]>()
  for (const { node, scope, isTried, isTested } of namesBelow(program)) {
    if (!isOfInterest(node.name)) continue
    if (scope !== undefined) {
      const ranges = declared.get(node.name) ?? []
      declared.set(node.name, ranges)
      if (ranges.length < MOST_DECLARATIONS) ranges.push(scope)
    } else if (isTested) {
      if (tested.length < MOST_USES) tested.push(node)
    } else if (!isTried && uses.length < MOST_USES) uses.push(node)
  }
  const isDeclared = ({ name, start }: Identifier) => {
    const ranges = declared.get(name) ?? []
    return (
      ranges.length === MOST_DECLARATIONS || ranges.some((range) => range.start <= start && start < range.end)
    )
  }
  return { uses: uses.filter((use) => !isDeclared(use)).sort((a, b) => a.start - b.start), tested }
}
