import type { Identifier } from 'acorn'
import { absentHint } from '../hints.ts'
import { freeNames } from './manifest-globals.ts'
import type { Syntax } from './manifest-syntax.ts'
import { type Importers, importChain, importersOf, packageOf } from './package-imports.ts'
import { mapPosition, type SourceMap } from './source-map.ts'

const MOST_WARNINGS = 10

/** What a bundle uses of Node's or a browser's, which no plugin has. */
export interface AbsentGlobals {
  /** In the author's own files: what is left in a bundle is reached, so it fails. */
  readonly own: readonly { readonly use: Identifier; readonly message: string }[]
  /** In packages, which often have code for several places and look which it is: sentences. */
  readonly warnings: readonly string[]
}

/** @param sourceMap without it nobody can tell what is whose, and all that is found is a warning */
export function absentGlobals(syntax: Syntax, sourceMap: SourceMap | undefined): AbsentGlobals {
  const { uses, tested } = freeNames(syntax.program, (name) => absentHint(name) !== undefined)
  const sourceOf = ({ start }: Identifier) =>
    sourceMap && mapPosition(sourceMap, syntax.position(start))?.source
  const looked = new Set(tested.map((name) => `${name.name} ${sourceOf(name)}`))
  const own: { use: Identifier; message: string }[] = []
  const packages = new Map<string, Set<string>>()
  for (const use of uses) {
    const { name } = use
    const source = sourceOf(use)
    if (looked.has(`${name} ${source}`)) continue
    const from = source === undefined ? '' : packageOf(source)
    if (from === undefined) own.push({ use, message: `A plugin has no \`${name}\`. ${absentHint(name)}` })
    else packages.set(from, (packages.get(from) ?? new Set()).add(name))
  }
  const importers: Importers = sourceMap && packages.size > 0 ? importersOf(sourceMap) : new Map()
  const warnings = [...packages].slice(0, MOST_WARNINGS).map(([name, globals]) => {
    const [first = ''] = globals
    const all = [...globals].map((global) => `\`${global}\``).join(', ')
    const way = name === '' ? '' : importChain(importers, name)
    return `${name === '' ? 'The bundle' : `The package ${name}`}${way} uses ${all}, which no plugin has: what comes to that fails. ${absentHint(first)}`
  })
  return { own, warnings }
}
