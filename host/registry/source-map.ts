import { z } from 'zod'
import { LyceumError } from '../errors.ts'

/** Limits on a source map, which is as hostile as the bundle that it came with. */
const LIMITS = { textBytes: 8 * 1024 * 1024, sources: 5_000, stackCharacters: 16_384, stackLines: 40 }

/** The name under which a bundle runs in its isolate, and so the one in its stack traces. */
export const BUNDLE_NAME = 'plugin.js'

/** A place in a text, as editors and stack traces count: both from 1. */
export interface Position {
  readonly line: number
  readonly column: number
}

/** A place in one of the author's files. */
export interface SourcePosition extends Position {
  readonly source: string
}

/** A source map that was read and checked. */
export interface SourceMap {
  readonly sources: readonly string[]
  /** The text of each source, where the map brings it. */
  readonly contents: readonly (string | null)[]
  /** Where the segments of each line of the bundle begin, and after them the number of segments. */
  readonly lineStarts: Int32Array
  /** Four numbers a segment: column in the bundle, source, line, column (all from 0; source -1 for none). */
  readonly segments: Int32Array
}

const Path = z
  .string()
  .max(500)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they would garble a log or a terminal
  .regex(/^[^\u0000-\u001f\u007f]*$/, 'a path with control characters')

const RawMap = z.object({
  version: z.literal(3),
  sources: z.array(Path.nullable()).max(LIMITS.sources),
  sourcesContent: z.array(z.string().nullable()).max(LIMITS.sources).optional(),
  mappings: z.string(),
})

/**
 * Reads a version 3 source map, in time linear in its length.
 * @throws LyceumError source_map_invalid, saying what is wrong with it
 */
export function decodeSourceMap(text: string): SourceMap {
  if (Buffer.byteLength(text) > LIMITS.textBytes) throw invalid('it is larger than 8 MB')
  const raw = RawMap.safeParse(parseJson(text))
  if (!raw.success) {
    const issue = raw.error.issues[0]
    throw invalid(`${issue?.path.join('.') || 'it'}: ${issue?.message ?? 'not a version 3 map'}`)
  }
  const { sources, sourcesContent = [], mappings } = raw.data
  return {
    sources: sources.map((source) => source ?? ''),
    contents: sources.map((_, index) => sourcesContent[index] ?? null),
    ...decodeMappings(mappings, sources.length),
  }
}

/** Where a place of the bundle was written; undefined where the map does not say. */
export function mapPosition(map: SourceMap, { line, column }: Position): SourcePosition | undefined {
  const { lineStarts, segments } = map
  const start = lineStarts[line - 1]
  const end = lineStarts[line]
  if (start === undefined || end === undefined) return undefined
  let low = start
  let high = end - 1
  let found = -1
  while (low <= high) {
    const middle = (low + high) >>> 1
    if ((segments[middle * 4] ?? 0) <= column - 1) {
      found = middle
      low = middle + 1
    } else high = middle - 1
  }
  if (found === -1) return undefined
  const source = map.sources[segments[found * 4 + 1] ?? -1]
  if (source === undefined) return undefined
  return { source, line: (segments[found * 4 + 2] ?? 0) + 1, column: (segments[found * 4 + 3] ?? 0) + 1 }
}

/** A frame of the runtime that surrounds a plugin in its isolate, or of the process around that: nothing that its author could change. */
const RUNTIME_FRAME = /^\s*at .*\b(?:lyceum:|file:|node:)[\w./-]+:\d+:\d+\)?$/

/** A guest's stack trace with the author's files and lines in place of the bundle's, cut to a bounded length. */
export function mapStack(map: SourceMap | undefined, stack: string): string {
  const lines = stack.slice(0, LIMITS.stackCharacters).split('\n')
  const text = lines
    .filter((line) => !RUNTIME_FRAME.test(line))
    .slice(0, LIMITS.stackLines)
    .join('\n')
  if (map === undefined) return text
  return text.replace(
    /(?<![\w./-])plugin\.js:(\d{1,7}):(\d{1,7})/g,
    (place, line: string, column: string) => {
      const mapped = mapPosition(map, { line: Number(line), column: Number(column) })
      return mapped === undefined ? place : `${mapped.source}:${mapped.line}:${mapped.column}`
    },
  )
}

/** A message with the frames of its stack: what a stack says before them may be less than the message. */
export function withStack(message: string, stack: string): string {
  if (stack.includes(message)) return stack
  return [message, ...stack.split('\n').filter((line) => /^\s+at /.test(line))].join('\n')
}

function decodeMappings(mappings: string, sources: number): Pick<SourceMap, 'lineStarts' | 'segments'> {
  const size = count(mappings)
  const lineStarts = new Int32Array(size.lines + 1)
  const segments = new Int32Array(size.segments * 4)
  const reader = new VlqReader(mappings)
  let line = 0
  let written = 0
  let [column, source, sourceLine, sourceColumn] = [0, 0, 0, 0]
  while (!reader.done) {
    if (reader.skip(';')) {
      lineStarts[++line] = written
      column = 0
      continue
    }
    if (reader.skip(',')) continue
    const delta = reader.number()
    if (delta < 0) throw invalid('its mappings go backwards in a line')
    column += delta
    const placed = !reader.atEnd
    if (placed) {
      source += reader.number()
      sourceLine += reader.number()
      sourceColumn += reader.number()
      if (!reader.atEnd) reader.number()
      if (!reader.atEnd) throw invalid('a mapping has more than five fields')
      if (source < 0 || source >= sources || !isPlace(sourceLine) || !isPlace(sourceColumn))
        throw invalid('a mapping points outside of its sources')
    }
    if (!isPlace(column)) throw invalid('a mapping points outside of the bundle')
    segments.set([column, placed ? source : -1, sourceLine, sourceColumn], written * 4)
    written++
  }
  lineStarts[line + 1] = written
  return { lineStarts, segments: segments.subarray(0, written * 4) }
}

function isPlace(number: number): boolean {
  return number >= 0 && number < 2 ** 30
}

/** How many lines and segments there are at most, so that they fit into arrays of a fixed size. */
function count(mappings: string): { lines: number; segments: number } {
  let lines = 1
  let segments = 1
  for (let index = 0; index < mappings.length; index++) {
    const character = mappings[index]
    if (character === ';') lines++
    if (character === ';' || character === ',') segments++
  }
  return { lines, segments }
}

const BASE64 = new Int8Array(128).fill(-1)
for (const [digit, character] of [
  ...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/',
].entries())
  BASE64[character.charCodeAt(0)] = digit

/** Reads the numbers of a `mappings` text: base 64, five bits a character, the lowest first, the sign last. */
class VlqReader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  get done(): boolean {
    return this.#at >= this.#text.length
  }

  /** True at the end of a segment. */
  get atEnd(): boolean {
    return this.done || this.#text[this.#at] === ',' || this.#text[this.#at] === ';'
  }

  skip(character: string): boolean {
    if (this.#text[this.#at] !== character) return false
    this.#at++
    return true
  }

  number(): number {
    let bits = 0
    for (let shift = 0; shift <= 30; shift += 5) {
      const digit = BASE64[this.#text.charCodeAt(this.#at)] ?? -1
      if (digit === -1) throw invalid(`its mappings have no number at character ${this.#at}`)
      this.#at++
      bits += (digit & 31) * 2 ** shift
      if (digit < 32) {
        const size = Math.floor(bits / 2)
        if (size > 0x3fffffff) throw invalid('its mappings have a number that is too large')
        return bits % 2 === 1 ? -size : size
      }
    }
    throw invalid('its mappings have a number that is too large')
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw invalid('it is not JSON')
  }
}

function invalid(what: string): LyceumError {
  return new LyceumError(
    'source_map_invalid',
    `The source map cannot be read: ${what}. Publish with \`lyceum publish\`, which writes the map.`,
  )
}
