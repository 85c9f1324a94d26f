import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { addAbortSignal, pipeline, Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { LyceumError } from '../host/errors.ts'
import { onOneLine } from './terminal.ts'

/** Both bound a batch. They decide where batches start, so changing one changes the keys of a rerun. */
export const BATCH_LINES = 1_000
export const BATCH_BYTES = 1_000_000

const LINE_FEED = 10
const SPACE = 32

/** Something to load, not opened yet. */
export interface Source {
  /** As the user wrote it. */
  name: string
  kind: 'file' | 'stdin'
  /** Where it really is, so that a link to a file is the same file. */
  path: string
  /** Undefined for pipes. */
  sizeBytes: number | undefined
}

/** Lines that go in one request. */
export interface Batch {
  /** Names these lines wherever and whenever they are sent; goes out as Idempotency-Key. */
  key: string
  body: Buffer<ArrayBuffer>
  /** The number of each line in its file, from 1. */
  lines: number[]
  /** How far the file is read, in bytes on the disk. */
  readBytes: number
}

type Packed = Omit<Batch, 'readBytes'>

/**
 * Looks a file up, without reading it.
 *
 * @throws LyceumError file_unreadable where there is none, or it is a folder.
 */
export async function findSource(name: string): Promise<Source> {
  if (name === '-') return { name: 'stdin', kind: 'stdin', path: 'stdin', sizeBytes: undefined }
  try {
    const found = await stat(name)
    if (found.isDirectory())
      throw new LyceumError('file_unreadable', `${name} is a folder. Name the files in it.`)
    // A pipe such as /dev/fd/63 has a name but no real path.
    if (!found.isFile()) return { name, kind: 'file', path: resolve(name), sizeBytes: undefined }
    return { name, kind: 'file', path: await realpath(name), sizeBytes: found.size }
  } catch (error) {
    throw unreadable(name, error)
  }
}

interface ReadOptions {
  readonly signal?: AbortSignal
  readonly onLineTooLong: (line: number) => void
}

/**
 * Reads a log line by line, plain or gzip, and packs the lines in batches, each while the one before is on its way.
 * The same file gives the same batches with the same keys each time; one that has grown gives the same ones and more.
 *
 * @throws LyceumError file_unreadable; the signal's reason once it is aborted.
 */
export async function* readBatches(
  source: Source,
  { signal, onLineTooLong }: ReadOptions,
): AsyncGenerator<Batch> {
  // Whoever takes no more does not wait for what a pipe may have yet.
  const ended = new AbortController()
  const ends = AbortSignal.any([ended.signal, ...(signal === undefined ? [] : [signal])])
  const batches = batchesOf(source, ends, onLineTooLong)
  const read = () => {
    const next = batches.next()
    next.catch(() => {}) // thrown where it is awaited, or of no interest any more
    return next
  }
  try {
    for (let next = read(); ; ) {
      const { value, done } = await next
      if (done) return
      next = read()
      yield value
    }
  } finally {
    ended.abort()
  }
}

async function* batchesOf(
  source: Source,
  signal: AbortSignal,
  onLineTooLong: (line: number) => void,
): AsyncGenerator<Batch, undefined> {
  const file =
    source.kind === 'stdin' ? process.stdin : createReadStream(source.path, { highWaterMark: 1 << 18 })
  addAbortSignal(signal, file)
  const batcher = new Batcher(source, onLineTooLong)
  let readBytes = 0
  const counted = async function* () {
    for await (const chunk of file) {
      readBytes += chunk.length
      yield chunk
    }
  }
  try {
    for await (const chunk of unpacked(counted()))
      for (const batch of batcher.add(chunk)) yield { ...batch, readBytes }
  } catch (error) {
    signal.throwIfAborted()
    throw unreadable(source.name, error)
  }
  for (const batch of batcher.end()) yield { ...batch, readBytes }
  return undefined
}

/** What a person is told of a line that is left out. */
export function tooLongIn({ name }: Source, line: number): string {
  return `${onOneLine(name)}:${line} is longer than ${BATCH_BYTES.toLocaleString('en')} bytes: left out.`
}

/** The bytes, without compression where the first two say that they are gzip. */
async function* unpacked(chunks: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  let head = Buffer.alloc(0)
  while (head.length < 2) {
    const { value, done } = await chunks.next()
    if (done) break
    head = Buffer.concat([head, value])
  }
  const all = async function* () {
    yield head
    yield* chunks
  }
  const isGzip = head[0] === 0x1f && head[1] === 0x8b
  // The reader below gets the errors of both; without a callback the pipeline would throw them again.
  yield* isGzip ? pipeline(Readable.from(all()), createGunzip(), () => {}) : all()
}

/** Cuts bytes into lines, and lines into batches. */
class Batcher {
  readonly #source: Source
  readonly #onLineTooLong: (line: number) => void
  /** Tells the file from another that had the same path before: logs are rotated. */
  #file: string | undefined
  #lineNumber = 0
  #lineStart = 0
  /** The start of a line whose end has not come yet. */
  #pieces: Buffer[] = []
  #piecesBytes = 0
  #batchStart = 0
  #batchBytes = 0
  #batch: Buffer[] = []
  #batchLines: number[] = []

  constructor(source: Source, onLineTooLong: (line: number) => void) {
    this.#source = source
    this.#onLineTooLong = onLineTooLong
  }

  *add(chunk: Buffer): Generator<Packed> {
    let start = 0
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, start)) {
      this.#keep(chunk.subarray(start, end))
      const full = this.#endLine()
      if (full !== undefined) yield full
      start = end + 1
    }
    this.#keep(chunk.subarray(start))
  }

  /** What is left; call `add` no more. */
  *end(): Generator<Packed> {
    const full = this.#piecesBytes > 0 ? this.#endLine() : undefined
    if (full !== undefined) yield full
    const last = this.#take()
    if (last !== undefined) yield last
  }

  #keep(piece: Buffer): void {
    this.#piecesBytes += piece.length
    // A file without line ends must not fill the memory: of a line that is refused, only the length counts.
    if (this.#piecesBytes > BATCH_BYTES) this.#pieces = []
    else this.#pieces.push(piece)
  }

  #endLine(): Packed | undefined {
    const bytes = this.#piecesBytes
    const line = this.#pieces.length === 1 ? this.#pieces[0] : Buffer.concat(this.#pieces)
    const start = this.#lineStart
    this.#pieces = []
    this.#piecesBytes = 0
    this.#lineStart += bytes + 1
    this.#lineNumber += 1
    if (bytes > BATCH_BYTES) {
      this.#onLineTooLong(this.#lineNumber)
      return undefined
    }
    if (line === undefined || isBlank(line)) return undefined
    const before = this.#batchBytes + bytes > BATCH_BYTES ? this.#take() : undefined
    if (this.#batch.length === 0) this.#batchStart = start
    this.#file ??= fileKey(this.#source, line)
    this.#batch.push(line, NEW_LINE)
    this.#batchLines.push(this.#lineNumber)
    this.#batchBytes += bytes
    return before ?? (this.#batchLines.length === BATCH_LINES ? this.#take() : undefined)
  }

  #take(): Packed | undefined {
    if (this.#batch.length === 0) return undefined
    const batch = {
      key: `${this.#file}:${this.#batchStart}`,
      body: Buffer.concat(this.#batch),
      lines: this.#batchLines,
    }
    this.#batch = []
    this.#batchLines = []
    this.#batchBytes = 0
    return batch
  }
}

const NEW_LINE = Buffer.from('\n')

function fileKey(source: Source, firstLine: Buffer): string {
  return createHash('sha256').update(`${source.kind}\0${source.path}\0`).update(firstLine).digest('hex')
}

function isBlank(line: Buffer): boolean {
  for (const byte of line) if (byte > SPACE) return false
  return true
}

function unreadable(name: string, error: unknown): LyceumError {
  if (error instanceof LyceumError) return error
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const why =
    code === 'ENOENT'
      ? 'There is no such file. Check the name.'
      : code === 'EACCES'
        ? 'You may not read it. Check its permissions.'
        : code.startsWith('Z_')
          ? 'Its gzip data is damaged or cut off. What came before was loaded; load it again when it is whole.'
          : `Reading it failed (${code || 'unknown reason'}).`
  return new LyceumError('file_unreadable', `${name}: ${why}`, { file: name })
}
