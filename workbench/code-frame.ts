import { readFile, realpath } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import type { LyceumError } from '../host/errors.ts'

/** A place in one of the author's files, counted from 1. */
export interface Place {
  readonly source: string
  readonly line: number
  readonly column: number
}

/** What is wrong there; without a message where the error's own says it. */
export interface PlacedProblem extends Place {
  readonly message?: string | undefined
}

const LINES_AROUND = 2
/** A line of a minified package is longer than any screen. */
const LINE_CHARS = 160
const MOST_FRAMES = 5

const Problem = z.object({
  source: z.string().min(1),
  line: z.int().min(1),
  column: z.int().min(1),
  message: z.string().optional(),
})

/**
 * The lines around a place, with a caret under its column. Pure: it colours nothing and reads nothing.
 *
 * @param text the whole file
 * @returns '' where the file has no such line
 */
export function codeFrame(text: string, { line, column }: Omit<Place, 'source'>): string {
  const lines = text.split(/\r\n|\r|\n/)
  const marked = lines[line - 1]
  if (marked === undefined) return ''
  const first = Math.max(1, line - LINES_AROUND)
  const last = Math.min(lines.length, line + LINES_AROUND)
  const width = String(last).length
  // What is left of a long line is cut off in all of them, so that columns stay below each other.
  const cut = Math.max(0, column - LINE_CHARS + 20)
  const frame: string[] = []
  for (let number = first; number <= last; number++) {
    const shown = (lines[number - 1] ?? '').slice(cut, cut + LINE_CHARS)
    const gutter = `${number === line ? '>' : ' '} ${String(number).padStart(width)} |`
    frame.push(shown === '' ? gutter : `${gutter} ${shown}`)
    if (number !== line) continue
    // Tabs stay tabs, so that the caret stands below its character however wide they are.
    const before = marked.slice(cut, column - 1).replace(/[^\t]/g, ' ')
    frame.push(`  ${' '.repeat(width)} | ${before}^`)
  }
  return frame.join('\n')
}

/**
 * The places of the author's code that an error tells: those of the refusals of bundler, manifest reader and
 * options, or the first line of the author's own in a stack.
 */
export function placesOf(error: Pick<LyceumError, 'details'>): readonly PlacedProblem[] {
  const { problems, stack, place } = error.details ?? {}
  const listed = Array.isArray(problems) ? problems.flatMap((problem) => placed(problem)) : []
  if (listed.length > 0) return listed
  const own = placed(place)
  if (own.length > 0) return own
  return typeof stack === 'string' ? placesOfStack(stack).slice(0, 1) : []
}

function placed(value: unknown): PlacedProblem[] {
  const parsed = Problem.safeParse(value)
  return parsed.success ? [parsed.data] : []
}

/** The frames of a mapped stack that lie in the author's own files, innermost first. */
export function placesOfStack(stack: string): Place[] {
  const places: Place[] = []
  for (const line of stack.split('\n')) {
    if (!/^\s+at /.test(line)) continue
    const [, source, row, column] = /(?:\(|at (?:async )?)([^()\s:][^():]*):(\d+):(\d+)\)?$/.exec(line) ?? []
    if (source === undefined || /(?:^|\/)node_modules\//.test(source)) continue
    places.push({ source, line: Number(row), column: Number(column) })
  }
  return places
}

/**
 * An error as an author reads it in a terminal: each problem with its place and the code around it.
 *
 * @param dir the plugin's folder; files outside of it are not read
 */
export async function explainError(
  error: Pick<LyceumError, 'message' | 'details'>,
  dir: string,
): Promise<string> {
  const places = placesOf(error)
  const texts = new Map<string, string | undefined>()
  for (const { source } of places.slice(0, MOST_FRAMES))
    if (!texts.has(source)) texts.set(source, await ownFile(dir, source))
  const frames = places.slice(0, MOST_FRAMES).map(({ message, ...place }) => {
    const frame = frameIn(texts.get(place.source), place)
    const where = `${place.source}:${place.line}:${place.column}`
    return {
      text: [message === undefined ? where : `${where} ${message}`, frame].filter(Boolean).join('\n'),
      message,
    }
  })
  if (frames.length === 0) return error.message
  // Where each problem brings its sentence, what the error says beyond its first line is the same once more.
  const each = frames.every(({ message }) => message !== undefined)
  const head = each ? (error.message.split('\n')[0] ?? '') : error.message
  const more = places.length > frames.length ? [`… and ${places.length - frames.length} more.`] : []
  return [head, ...frames.map(({ text }) => text), ...more].join('\n\n')
}

function frameIn(text: string | undefined, place: Place): string {
  return text === undefined ? '' : codeFrame(text, place)
}

/** A file of the plugin's folder; undefined where it is not there, or lies outside. */
export async function ownFile(dir: string, source: string): Promise<string | undefined> {
  try {
    const root = await realpath(dir)
    const file = await realpath(path.join(root, source))
    return file.startsWith(root + path.sep) ? await readFile(file, 'utf8') : undefined
  } catch {
    return undefined
  }
}
