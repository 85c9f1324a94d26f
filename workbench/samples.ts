import { lstat } from 'node:fs/promises'
import { join } from 'node:path'
import { LyceumError } from '../host/errors.ts'
import { Sample, Samples } from '../host/registry/samples.ts'
import { withStableIds } from './normalise.ts'
import { textIfThere, writeOwn } from './text-file.ts'

const FILE = 'samples.json'
const ROWS = 3
const KEYS = 30
const CHARS = 200
const DEPTH = 6

/**
 * What queries return, as `lyceum test --update` recorded it beside plugin.ts.
 * @throws {LyceumError} options_refused, file_unreadable
 */
export async function readSamples(dir: string): Promise<Readonly<Record<string, unknown>> | undefined> {
  const file = join(dir, FILE)
  const text = await textIfThere(file)
  if (text === undefined) return undefined
  // A folder from elsewhere could have a file of whoever publishes it sent along.
  if ((await lstat(file)).isSymbolicLink()) throw wrong('it is a link to another file, which is not sent')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw wrong('it is not JSON')
  }
  const parsed = Samples.safeParse(value)
  if (parsed.success) return Object.fromEntries(parsed.data)
  const [issue] = parsed.error.issues
  throw wrong(`${issue?.path.join('.')}: ${issue?.message}`)
}

/** Records the beginning of what each query returned; the same results give the same bytes. */
export async function recordSamples(dir: string, results: ReadonlyMap<string, unknown>): Promise<void> {
  const samples = [...results].flatMap(([query, result]) => {
    const sample = Sample.safeParse(beginningOf(result, DEPTH))
    return sample.success ? [[query, sample.data]] : []
  })
  const text = withStableIds(JSON.stringify(Object.fromEntries(samples), null, 2))
  await writeOwn(dir, FILE, `${text}\n`)
}

/** Enough to see its shape, and little enough to send along. */
function beginningOf(result: unknown, depth: number): unknown {
  if (typeof result === 'string') return result.length > CHARS ? `${result.slice(0, CHARS)}…` : result
  if (typeof result !== 'object' || result === null) return result
  if (depth === 0) return Array.isArray(result) ? [] : {}
  if (Array.isArray(result)) return result.slice(0, ROWS).map((item) => beginningOf(item, depth - 1))
  const entries = Object.entries(result).slice(0, KEYS)
  return Object.fromEntries(entries.map(([key, value]) => [key, beginningOf(value, depth - 1)]))
}

function wrong(what: string): LyceumError {
  return new LyceumError(
    'options_refused',
    `${FILE}: ${what}. Record it anew with lyceum test --update, or delete it.`,
  )
}
