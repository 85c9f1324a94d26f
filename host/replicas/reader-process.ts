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
  /** A row is under way. */
  isWaited: boolean
}

const queries = new Map<bigint, Query>()
let source: Source | undefined

/** Each kind has its driver; only the one that is needed is loaded, before the host is told that all is ready. */
async function loadKind(kind: string | undefined): Promise<(config: OpenControl) => Source> {
  switch (kind) {
    case 'postgres': {
      const { PostgresSource } = await import('./postgres.ts')
      return (config) => new PostgresSource(ofKind(config, 'postgres'))
    }
    case 'mysql': {
      const { MysqlSource } = await import('./mysql.ts')
      return (config) => new MysqlSource(ofKind(config, 'mysql'))
    }
    case 'sqlite': {
      const { SqliteSource } = await import('./sqlite.ts')
      return (config) => new SqliteSource(ofKind(config, 'sqlite'))
    }
    case 'mongodb': {
      const { MongodbSource } = await import('./mongodb.ts')
      return (config) => new MongodbSource(ofKind(config, 'mongodb'))
    }
    default:
      throw new Error(`a replica of the kind ${kind}`)
  }
}

function ofKind<Kind extends OpenControl['kind']>(config: OpenControl, kind: Kind) {
  if (config.kind === kind) return config as Extract<OpenControl, { kind: Kind }>
  throw new Error(`a replica of another kind than ${kind}`)
}

/** Known at once: its end may come with the next frame. */
function begin(scope: bigint, { timeMs }: QueryControl, request: unknown): Promise<string> {
  if (source === undefined) throw new Error('a query before the replica was opened')
  const controller = new AbortController()
  const query: Query = {
    rows: source.rows(request, timeMs, controller.signal),
    controller,
    timer: setTimeout(() => controller.abort(), timeMs),
    count: 0,
    isWaited: false,
  }
  queries.set(scope, query)
  return page(scope, query)
}

/** Rows until a page is full. */
async function page(scope: bigint, query: Query): Promise<string> {
  const rows: string[] = []
  let bytes = 0
  let last = false
  query.isWaited = true
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
    query.isWaited = false
    end(scope)
    throw query.controller.signal.aborted ? outOfTime() : error
  }
  query.isWaited = false
  if (last) end(scope)
  const told: Page = { rows: rows.length, last }
  return `${JSON.stringify(told)}\n[${rows.join(',')}]`
}

function end(scope: bigint): void {
  const query = queries.get(scope)
  if (query === undefined) return
  queries.delete(scope)
  clearTimeout(query.timer)
  // One that stands still is left in order; only one that is waited for has to be broken off.
  if (query.isWaited) query.controller.abort()
  query.rows.return().catch(() => {})
}

async function answer(kind: number, scope: bigint, control: string, bytes: Buffer): Promise<string> {
  switch (kind) {
    case ReaderKind.open: {
      source = opened(JSON.parse(control) as OpenControl)
      await source.check()
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

/** What a driver says of an address that it cannot read may hold a part of it. */
function opened(config: OpenControl): Source {
  try {
    return sourceOf(config)
  } catch {
    throw new LyceumError(
      'replica_unavailable',
      'The address of the replica cannot be read by its driver. Check it in LYCEUM_REPLICAS.',
    )
  }
}

function guestRequest(bytes: Buffer): unknown {
  try {
    return decode(bytes.toString())
  } catch {
    throw new LyceumError('op_malformed', 'The query of a replica is not well formed.')
  }
}

const sourceOf = await loadKind(process.argv[2])
serveAtOnce(
  LIMITS.frameBytes,
  ({ kind, scope, payload }: Frame) => {
    const { control, bytes } = splitPayload(payload)
    return answer(kind, scope, control, bytes)
  },
  (error) => failureFrom(error, (stack) => process.stderr.write(`${stack}\n`)),
)
