/**
 * A reader: it reads one replica for one plugin, and may be killed at any moment. Whatever is hostile in a
 * statement or large in a row costs that plugin its reader, and nobody else anything.
 */
import { decode } from '@lyceum/sdk/ejson'
import { type Frame, splitPayload } from '../../process/frame.ts'
import { serveAtOnce } from '../../process/serve.ts'
import { failureFrom, LyceumError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { type OpenControl, type Page, type QueryControl, ReaderKind } from './reader-protocol.ts'
import { outOfTime, type Source } from './source.ts'

interface Query {
  readonly rows: AsyncGenerator<string, void>
  readonly controller: AbortController
  readonly timer: NodeJS.Timeout
  count: number
}

const queries = new Map<bigint, Query>()
let source: Promise<Source> | undefined

/** Each kind has its driver, and only that one is loaded. */
async function open(config: OpenControl): Promise<Source> {
  switch (config.kind) {
    case 'postgres':
      return new (await import('./postgres.ts')).PostgresSource(config)
    case 'mysql':
      return new (await import('./mysql.ts')).MysqlSource(config)
    case 'sqlite':
      return new (await import('./sqlite.ts')).SqliteSource(config)
    case 'mongodb':
      return new (await import('./mongodb.ts')).MongodbSource(config)
  }
}

async function begin(scope: bigint, { timeMs }: QueryControl, request: unknown): Promise<string> {
  const controller = new AbortController()
  const timer = setTimeout(() => controller.abort(), timeMs)
  const opened = await source
  if (opened === undefined) throw new Error('a query before the replica was opened')
  const query = { rows: opened.rows(request, timeMs, controller.signal), controller, timer, count: 0 }
  queries.set(scope, query)
  return page(scope, query)
}

/** Rows until a page is full. Reads one row more than fits only where there is one. */
async function page(scope: bigint, query: Query): Promise<string> {
  const rows: string[] = []
  let bytes = 0
  let last = false
  try {
    while (rows.length < LIMITS.replicaPageRows && bytes < LIMITS.replicaPageBytes) {
      const { done, value } = await query.rows.next()
      last = done === true
      if (value === undefined) break
      rows.push(value)
      bytes += value.length
      query.count += 1
      if (query.count > LIMITS.replicaRows)
        throw new LyceumError(
          'result_too_large',
          `The query has more than ${LIMITS.replicaRows} rows. Aggregate them in the query, or narrow it by WHERE or LIMIT.`,
        )
    }
  } catch (error) {
    const isOverdue = query.controller.signal.aborted
    end(scope)
    throw isOverdue ? outOfTime() : error
  }
  if (last) end(scope)
  const told: Page = { rows: rows.length, last }
  return `${JSON.stringify(told)}\n[${rows.join(',')}]`
}

function end(scope: bigint): void {
  const query = queries.get(scope)
  if (query === undefined) return
  queries.delete(scope)
  clearTimeout(query.timer)
  // A row that is waited for ends by the signal; a generator that stands still by its return.
  query.controller.abort()
  query.rows.return().catch(() => {})
}

async function answer(kind: number, scope: bigint, control: string, bytes: Buffer): Promise<string> {
  switch (kind) {
    case ReaderKind.open: {
      source = open(JSON.parse(control) as OpenControl)
      await (await source).check()
      return ''
    }
    case ReaderKind.query:
      return begin(scope, JSON.parse(control) as QueryControl, guestRequest(bytes))
    case ReaderKind.next: {
      const query = queries.get(scope)
      if (query === undefined) throw outOfTime()
      return page(scope, query)
    }
    case ReaderKind.end:
      end(scope)
      return ''
    default:
      throw new Error(`a frame of kind ${kind}`)
  }
}

function guestRequest(bytes: Buffer): unknown {
  try {
    return decode(bytes.toString())
  } catch {
    throw new LyceumError('op_malformed', 'The query of a replica is not well formed.')
  }
}

serveAtOnce(
  LIMITS.frameBytes,
  ({ kind, scope, payload }: Frame) => {
    const { control, bytes } = splitPayload(payload)
    return answer(kind, scope, control, bytes)
  },
  (error) => failureFrom(error, (stack) => process.stderr.write(`${stack}\n`)),
)
