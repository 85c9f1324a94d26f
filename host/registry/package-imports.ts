import type { SourceMap } from './source-map.ts'

/** The longest way from a plugin to a package that is told. */
const MOST_STEPS = 8

/** The package that a source lies in: `node_modules/d3-array/src/mean.js` is in `d3-array`; undefined for the plugin's own. */
export function packageOf(source: string): string | undefined {
  return /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(source)?.[1]
}

/** By package, which packages import it, and from which line; the plugin's own files are no package. */
export type Importers = ReadonlyMap<string, ReadonlyMap<string | undefined, string>>

/**
 * How a package comes into a bundle, as read from the texts of its sources: `, which plugin.ts:3 imports` or
 * `, which plugin.ts:3 imports by way of a, b`; '' where they do not tell.
 */
export function importChain(importers: Importers, name: string): string {
  const seen = new Set([name])
  let ways: string[][] = [[name]]
  for (let step = 0; step < MOST_STEPS && ways.length > 0; step++) {
    const longer: string[][] = []
    for (const way of ways)
      for (const [importer, place] of importers.get(way[0] ?? '') ?? []) {
        if (importer === undefined) {
          const between = way.slice(0, -1)
          return `, which ${place} imports${between.length === 0 ? '' : ` by way of ${between.join(', ')}`},`
        }
        if (seen.has(importer)) continue
        seen.add(importer)
        longer.push([importer, ...way])
      }
    ways = longer
  }
  return ''
}

/** Reads the texts of all sources: as long as they are. */
export function importersOf({ sources, contents }: SourceMap): Importers {
  const importers = new Map<string, Map<string | undefined, string>>()
  for (const [index, source] of sources.entries()) {
    const importer = packageOf(source)
    for (const [imported, line] of importsIn(contents[index] ?? '')) {
      if (imported === importer) continue
      const known = importers.get(imported) ?? new Map()
      importers.set(imported, known)
      if (!known.has(importer)) known.set(importer, `${source}:${line}`)
    }
  }
  return importers
}

/** The packages that a text imports, each with its line. Linear in the length of the text. */
function* importsIn(text: string): Generator<[string, number]> {
  for (const [index, line] of text.split('\n').entries())
    for (const [, name] of line.matchAll(
      /(?:\bfrom|\bimport|\brequire\()\s{0,4}["']((?:@[\w.-]{1,99}\/)?[\w-][\w.-]{0,99})/g,
    ))
      if (name !== undefined) yield [name, index + 1]
}
