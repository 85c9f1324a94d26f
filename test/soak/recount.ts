/**
 * `recount.ts FOLDER TOLD`: counts the log of a stopped host anew, with SQLite alone, and compares what the plugins'
 * files hold. Prints what differs, as JSON.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { BOOKS } from './books.ts'
import type { Told } from './examine.ts'
import { fromLog, Kept } from './kept.ts'
import { POSITIONS } from './positions.ts'

const MOST_TOLD = 5

const [folder = '', toldFile = ''] = process.argv.slice(2)
const told: Told = JSON.parse(readFileSync(toldFile, 'utf8'))
const rows = fromLog(join(folder, 'events.db'))
const counted = { plugins: 0, documents: 0, 'dead letters': 0, observations: told.observations.length }

/** Every event that was acknowledged is in the log, once, and nothing else is. */
function compareLog(): string[] {
  const times = new Map<number, number>()
  for (const { n } of rows) times.set(n, (times.get(n) ?? 0) + 1)
  const missing = Array.from({ length: told.events }, (_, n) => n).filter((n) => !times.has(n))
  const repeated = [...times].filter(([n, found]) => found > 1 || !(n >= 0 && n < told.events))
  const gaps = rows.filter(({ seq }, at) => seq !== at + 1)
  return [
    ...some(missing, (n) => `event ${n} was acknowledged and is not in the log`),
    ...some(repeated, ([n, found]) => `event ${n} is in the log ${found} times`),
    ...some(gaps, ({ seq }) => `the log has a gap before ${seq}`),
  ]
}

/** Every cursor stands at the end, and what was put aside is what fails. */
function compareCursors(plugin: string, kept: Kept, handlers: readonly string[]): string[] {
  const cursors = kept.cursors()
  const standing = handlers.filter((handler) => cursors.get(`${handler}/0`) !== rows.length)
  return standing.map(
    (name) => `the cursor of ${plugin}.${name} is at ${cursors.get(`${name}/0`)} of ${rows.length}`,
  )
}

function compareLetters(plugin: string, kept: Kept, expected: ReadonlySet<string>): string[] {
  const found = kept.letters()
  counted['dead letters'] += found.length
  const ids = found.map(({ handler, seq }) => `${handler} ${seq}`)
  return [
    ...some(
      found.filter((_, at) => !expected.has(ids[at] ?? '')),
      ({ handler, seq, code, message }) => `${plugin}.${handler} put event ${seq} aside: ${code} ${message}`,
    ),
    ...some(
      [...expected].filter((id) => !ids.includes(id)),
      (id) => `${plugin} has no dead letter ${id}`,
    ),
    ...(new Set(ids).size < ids.length ? [`${plugin} has two dead letters for one event`] : []),
  ]
}

/** Who asked was told how far in the log the answer reaches: it holds at least all up to there. */
function compareObservations(): string[] {
  return told.observations.flatMap(({ query, position, value }) => {
    const bounds = POSITIONS.get(query)?.(value, rows, position) ?? []
    return bounds
      .filter(({ said, least, most }) => said < least || said > most)
      .map(
        ({ name, said, least, most }) =>
          `${query}.${name} said ${said} at position ${position}: the log has ${least} up to there, ${most} in all`,
      )
  })
}

/** Which generation of each plugin's data is read; and no data are there that nobody knows of. */
function generations(): { read: Map<string, number>; unknown: string[] } {
  const registry = new DatabaseSync(join(folder, 'registry.db'), { readOnly: true })
  const plugins = registry.prepare('SELECT id, generation FROM plugins').all()
  const others = registry.prepare('SELECT plugin AS id, generation FROM generations').all()
  registry.close()
  const known = new Set([...plugins, ...others].map(({ id, generation }) => `${id}.${generation}.db`))
  const found = readdirSync(join(folder, 'plugins')).filter((name) => name.endsWith('.db'))
  return {
    read: new Map(plugins.map(({ id, generation }) => [String(id), Number(generation)])),
    unknown: found.filter((name) => !known.has(name)),
  }
}

function some<T>(items: readonly T[], tell: (item: T) => string): string[] {
  const more = items.length > MOST_TOLD ? [`… and ${items.length - MOST_TOLD} more like the last`] : []
  return [...items.slice(0, MOST_TOLD).map(tell), ...more]
}

const { read, unknown } = generations()
const differences = [
  ...compareLog(),
  ...some(compareObservations(), String),
  ...some(unknown, (name) => `nobody knows of ${name}`),
]
for (const [plugin, book] of BOOKS) {
  const kept = new Kept(new DatabaseSync(join(folder, 'plugins', `${plugin}.${read.get(plugin)}.db`)))
  const { documents, letters = new Set<string>(), handlers, also = () => [] } = book(rows)
  for (const [collection, expected] of Object.entries(documents)) {
    const different = kept.differences(collection, expected)
    differences.push(...some(different, (text) => `${plugin}.${collection}: ${text}`))
    counted.documents += expected.size
  }
  differences.push(...compareCursors(plugin, kept, handlers), ...compareLetters(plugin, kept, letters))
  differences.push(...[...kept.crookedIndexes(), ...also(kept)].map((text) => `${plugin}: ${text}`))
  counted.plugins += 1
  kept.close()
}
console.log(JSON.stringify({ differences, counted }))
