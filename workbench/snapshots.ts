import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { LyceumError } from '../host/errors.ts'
import type { ReadingEndpoint } from '../host/registry/plugin.ts'
import { ask, type Given } from './asking.ts'
import { authorError } from './author-error.ts'
import { countDeadLetters, firstFailure, handled, runJob } from './handled.ts'
import type { HostSchema } from './host-schema.ts'
import { normalised } from './normalise.ts'
import { schemaOf } from './own-schema.ts'
import { casesFor, SAMPLE, SAMPLE_END_MS } from './snapshot-cases.ts'
import { withoutDrawings } from './snapshot-charts.ts'
import { textDiff } from './text-diff.ts'
import { refuseLinks, writeOwn } from './text-file.ts'
import { type Bench, openBench } from './workbench.ts'

/** What the plugin of a folder makes of the dummy dataset. */
export interface Results {
  /** The text of each snapshot, by the name of its file. */
  readonly files: ReadonlyMap<string, string>
  /** What each query returned to the first who was allowed to ask. */
  readonly byQuery: ReadonlyMap<string, unknown>
  /** Plugins that it asks and that are stood for by their samples. */
  readonly standIns: readonly string[]
  /** Endpoints that could not be asked, and why. */
  readonly skipped: readonly { readonly endpoint: string; readonly reason: string }[]
  /** What `GET /v1/schema` of a host would tell of the plugin. */
  readonly schema: HostSchema
  /** Sentences about what will not work in the plugin, or not as it is written, as a publish tells them. */
  readonly warnings: readonly string[]
  /** What failed on the way: handlers, jobs, queries and views, each with its place. */
  readonly failed: readonly LyceumError[]
}

/** How a snapshot compares with the file that is kept. */
export interface Compared {
  readonly file: string
  readonly state: 'same' | 'new' | 'changed' | 'gone'
  /** Where it is changed: the lines that differ. */
  readonly diff?: string
}

const FOLDER = 'snapshots'

/**
 * Runs the plugin of a folder over the dummy dataset and each of its jobs once after that, and asks every query and
 * view: as an admin, as an instructor of the course and as a student in it.
 * @param others folders of plugins that it asks
 * @throws what is wrong with a plugin, with its place
 */
export async function resultsOf(dir: string, others: readonly string[] = []): Promise<Results> {
  const bench = await openBench({ dir, nowMs: () => SAMPLE_END_MS })
  const files = new Map<string, string>()
  const byQuery = new Map<string, unknown>()
  const skipped: { endpoint: string; reason: string }[] = []
  const failed: LyceumError[] = []
  /** The folder of each plugin, by its id. */
  const dirs = new Map([[bench.plugin, dir]])
  const noted = async (error: unknown) => {
    const told = await authorError(bench.host, error, (id) => dirs.get(id ?? bench.plugin) ?? dir)
    if (!(told instanceof LyceumError)) throw told
    failed.push(told)
  }
  try {
    const standIns: string[] = []
    let warnings: readonly string[] = []
    for (const folder of [...others, dir]) {
      const published = await bench.publish(folder).catch(async (error) => {
        throw await authorError(bench.host, error, () => folder)
      })
      dirs.set(published.plugin, folder)
      standIns.push(...published.standIns)
      if (folder === dir) warnings = published.warnings ?? []
    }
    await runHandlers(bench).catch(noted)
    for (const plugin of dirs.keys()) await refuseDeadLetters(bench, plugin).catch(noted)
    await runJobs(bench).catch(noted)
    const { version, endpoints } = bench.host.plugins.get(bench.plugin)
    for (const endpoint of endpoints.values()) {
      if (endpoint.kind !== 'query' && endpoint.kind !== 'view') continue
      const answers = await answersOf(bench, endpoint, standIns).catch(noted)
      if (answers === undefined) continue
      if (typeof answers === 'string') {
        skipped.push({ endpoint: endpoint.name, reason: answers })
      } else if (endpoint.kind === 'view') files.set(`${endpoint.name}.html`, normalised(htmlOf(answers)))
      else {
        files.set(`${endpoint.name}.json`, normalised(jsonOf(answers)))
        const given = answers.find(({ result }) => result !== undefined)?.result
        if (given !== undefined) byQuery.set(endpoint.name, JSON.parse(given))
      }
    }
    const schema = schemaOf({ name: bench.plugin, version }, [...endpoints.values()])
    return { files, byQuery, schema, warnings, standIns, skipped, failed }
  } finally {
    await bench.close()
  }
}

async function runHandlers({ host, send }: Bench): Promise<void> {
  await send(SAMPLE.lines())
  await handled(host)
}

/** @throws {LyceumError} where handlers of a plugin failed on events */
async function refuseDeadLetters({ host }: Bench, plugin: string): Promise<void> {
  const failed = await countDeadLetters(host, plugin)
  if (failed > 0) throw await firstFailure(host, plugin, failed)
}

async function runJobs({ host, plugin }: Bench): Promise<void> {
  const active = host.plugins.get(plugin)
  for (const endpoint of active.endpoints.values())
    if (endpoint.kind === 'cron') await runJob(host, active, endpoint)
}

/** What some callers get, who all get the same. */
interface Answer {
  readonly as: string[]
  readonly given: Given
  readonly result?: string
  /** Why they get none: the code of the refusal, and what the plugin said where it was the plugin's. */
  readonly refused?: string
}

/** How a view or a collection of another plugin is refused where only samples stand for it. */
const LACKED_BY_STAND_INS: ReadonlySet<string> = new Set(['endpoint_unknown', 'op_denied'])

/** @returns what it needs that nothing is known for, where it cannot be asked */
async function answersOf(
  bench: Bench,
  endpoint: ReadingEndpoint,
  standIns: readonly string[],
): Promise<Answer[] | string> {
  const cases = casesFor(endpoint)
  if (typeof cases === 'string') return cases
  const answers: Answer[] = []
  let thrown: LyceumError | undefined
  for (const { as, caller, given } of cases) {
    const outcome = await ask(bench.host, endpoint.kind, bench.plugin, endpoint.name, given, caller).then(
      ({ result }) => ({ result: result.toString() }),
      (error: unknown) => {
        // A refusal is a result, too, and so is an error with which the plugin refuses one and not the other.
        if (!(error instanceof LyceumError)) throw error
        const { code, status, details, message } = error
        if (status >= 500 && code !== 'plugin_failed') throw error
        // Refused in the plugin's own line, and not at the door: a mistake, where it meets everybody.
        if (details?.stack !== undefined) thrown ??= error
        return { refused: code === 'plugin_failed' ? `${code}: ${message}` : code }
      },
    )
    const same = answers.find((other) => isSame(other, { given, ...outcome }))
    if (same === undefined) answers.push({ as: [as], given, ...outcome })
    else same.as.push(as)
  }
  if (thrown === undefined || answers.some(({ result }) => result !== undefined)) return answers
  if (standIns.length === 0 || !LACKED_BY_STAND_INS.has(thrown.code)) throw thrown
  const those = standIns.join(', ')
  return `${thrown.message} Of ${those} there are only the samples of queries: lyceum test --with FOLDER takes all of a plugin.`
}

function isSame(a: Omit<Answer, 'as'>, b: Omit<Answer, 'as'>): boolean {
  return (
    a.result === b.result && a.refused === b.refused && JSON.stringify(a.given) === JSON.stringify(b.given)
  )
}

function jsonOf(answers: readonly Answer[]): string {
  const shown = answers.map(({ as, given, refused, result }) => ({
    as: as.join(', '),
    ...(Object.keys(given).length > 0 && { given }),
    ...(result === undefined ? { refused } : { result: JSON.parse(result) }),
  }))
  return `${JSON.stringify(shown, null, 2)}\n`
}

/** Each tag on a line of its own, so that a difference is a line. */
function htmlOf(answers: readonly Answer[]): string {
  const shown = answers.map(({ as, given, refused, result }) => {
    const about = Object.entries(given).map(([name, value]) => ` ${name}=${value}`)
    const head = `<!-- as ${as.join(', ')}:${about.join('')} -->`
    return `${head}\n${result === undefined ? `<!-- refused: ${refused} -->` : linesOf(withoutDrawings(result))}\n`
  })
  return shown.join('\n')
}

function linesOf(markup: string): string {
  return markup.replace(/>\s*</g, '>\n<')
}

/**
 * Compares what a plugin makes now with the files that are kept in its folder.
 * @throws {LyceumError} file_unreadable where they are links
 */
export async function compareSnapshots(dir: string, results: Results): Promise<Compared[]> {
  const kept = await namesIn(join(dir, FOLDER))
  for (const file of kept) await refuseLinks(dir, join(FOLDER, file))
  const compared: Compared[] = []
  for (const [file, text] of results.files) {
    const before = kept.has(file) ? await readFile(join(dir, FOLDER, file), 'utf8') : undefined
    if (before === undefined) compared.push({ file, state: 'new' })
    else if (before === text) compared.push({ file, state: 'same' })
    else compared.push({ file, state: 'changed', diff: textDiff(before, text) })
  }
  // What failed or was skipped is told by itself.
  const told = new Set(results.skipped.map(({ endpoint }) => endpoint))
  const isGone = (file: string) =>
    results.failed.length === 0 && !results.files.has(file) && !told.has(file.replace(/\.\w+$/, ''))
  for (const file of kept) if (isGone(file)) compared.push({ file, state: 'gone' })
  return compared
}

/** Writes those of the compared snapshots that are to be kept, and deletes those of what is gone. */
export async function keepSnapshots(
  dir: string,
  results: Results,
  compared: readonly Compared[],
): Promise<void> {
  for (const { file, state } of compared) {
    const text = results.files.get(file)
    if (state === 'gone') await rm(join(dir, FOLDER, file))
    else if (text !== undefined && state !== 'same') await writeOwn(dir, join(FOLDER, file), text)
  }
}

async function namesIn(folder: string): Promise<Set<string>> {
  const names = await readdir(folder).catch(() => [])
  return new Set(names.filter((name) => /\.(?:json|html)$/.test(name)).sort())
}
