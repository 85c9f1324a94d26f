import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { LyceumError } from '../host/errors.ts'
import { type Connection, pluginPath } from './connection.ts'

/** A line of a plugin's log, as hosts send it. */
export const LogLine = z.object({
  atMs: z.number(),
  level: z.enum(['debug', 'info', 'warn', 'error']),
  by: z.enum(['plugin', 'host']),
  version: z.string(),
  endpoint: z.string(),
  line: z.string(),
})
export type LogLine = z.infer<typeof LogLine>

/** A host says that it is there every 15 s. */
const SILENT_MS = 45_000
const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 10_000
/** Far more than a host keeps of a line. */
const MOST_LINE_CHARS = 1_000_000
/** As many as a host keeps: all of them are asked for, and those that came already are left out. */
const KEPT_LINES = 1_000

/** How to follow a log. */
export interface Following {
  /** Called for each attempt, since a token may have expired meanwhile. */
  readonly connect: () => Promise<Connection>
  readonly plugin: string
  /** The lines that came already. */
  readonly after: readonly LogLine[]
  /** Told when the connection was lost, and when it is there again. */
  readonly onChange: (state: 'lost' | 'back') => void
}

/** The lines that a host has of a plugin, oldest first. @throws {LyceumError} what the host refuses */
export async function newestLines(connection: Connection, plugin: string): Promise<LogLine[]> {
  const answer = await connection.request('GET', pluginPath(plugin, `/logs?limit=${KEPT_LINES}`))
  return z.object({ lines: z.array(LogLine) }).parse(answer).lines
}

/**
 * The lines of a plugin's log as they come, for as long as somebody reads them. It goes on by itself where the
 * host was away, and each line comes once.
 * @throws {LyceumError} what the host refuses; at first also server_unreachable
 */
export async function* follow({ connect, plugin, after, onChange }: Following): AsyncGenerator<LogLine> {
  let waitMs = FIRST_WAIT_MS
  let isLost = false
  const seen = new Seen()
  for (const line of after) seen.isNew(line)
  for (let attempt = 0; ; attempt++) {
    seen.again()
    try {
      const connection = await connect()
      for await (const line of linesOf(connection, pluginPath(plugin, `/logs/follow?limit=${KEPT_LINES}`))) {
        if (isLost) onChange('back')
        isLost = false
        waitMs = FIRST_WAIT_MS
        if (line !== undefined && seen.isNew(line)) yield line
      }
    } catch (error) {
      if (attempt === 0 || !mayPass(error)) throw error
    }
    if (!isLost) onChange('lost')
    isLost = true
    await delay(waitMs)
    waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)
  }
}

/** The lines of one connection; undefined for each sign of life. */
async function* linesOf(connection: Connection, path: string): AsyncGenerator<LogLine | undefined> {
  const silence = new AbortController()
  const timer = setTimeout(() => silence.abort(), SILENT_MS)
  try {
    const { body } = await connection.open(path, { signal: silence.signal })
    let rest = ''
    for await (const chunk of (body ?? new Blob().stream()).pipeThrough(new TextDecoderStream())) {
      timer.refresh()
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      if (rest.length > MOST_LINE_CHARS) throw new Error('a host sends no such line')
      for (const line of lines) yield line === '' ? undefined : LogLine.parse(JSON.parse(line))
    }
  } catch (error) {
    if (error instanceof LyceumError || error instanceof z.ZodError) throw error
    throw new LyceumError('server_unreachable', `The connection to ${connection.url} was lost.`)
  } finally {
    clearTimeout(timer)
  }
}

/** A host that is away, starting, stopping or busy. */
function mayPass(error: unknown): boolean {
  return error instanceof LyceumError && (error.status >= 500 || error.status === 429)
}

/** Which lines came already: they have no ids, so those of one millisecond are counted. */
class Seen {
  #lastMs = 0
  #inLastMs = 0
  /** How many of the lines at `#lastMs` a new connection sends again. */
  #again = 0

  /** From now on everything may come again. */
  again(): void {
    this.#again = this.#inLastMs
  }

  isNew({ atMs }: LogLine): boolean {
    if (atMs < this.#lastMs) return false
    if (atMs === this.#lastMs && this.#again > 0) {
      this.#again -= 1
      return false
    }
    this.#inLastMs = atMs === this.#lastMs ? this.#inLastMs + 1 : 1
    this.#lastMs = atMs
    this.#again = 0
    return true
  }
}
