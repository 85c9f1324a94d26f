import { splitPayload } from '../../process/frame.ts'
import { LyceumError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import type { ReplicaQuery } from '../replicas/query.ts'
import type { Replicas } from '../replicas/replicas.ts'
import type { OpContext, OpImplementation } from './capability.ts'

interface OpenQuery {
  readonly replica: string
  readonly query: ReplicaQuery
}

/**
 * `replica`: the LMS's databases, to read. A request is the name of a replica on a line, then what is asked, which
 * goes to the replica's reader as it came. What comes back is the number of the query, where there is more of it,
 * on a line, then rows.
 */
export class ReplicaOps {
  readonly #replicas: Replicas
  /** The queries of each call, by their numbers: a number means nothing in another call. */
  readonly #open = new WeakMap<OpContext, Map<number, OpenQuery>>()
  #lastNumber = 0

  constructor(replicas: Replicas) {
    this.#replicas = replicas
  }

  readonly query: OpImplementation = async (payload, context) => {
    if (payload.length > LIMITS.replicaRequestBytes)
      throw new LyceumError(
        'op_malformed',
        `A query of a replica has at most ${LIMITS.replicaRequestBytes} bytes, its values included.`,
      )
    const { control: name, bytes } = splitPayload(payload)
    checkGranted(name, context)
    const query = await this.#replicas.begin(context.plugin.id, name)
    context.onEnd(() => query.end())
    const page = await query.ask(bytes, timeLeft(context))
    if (page.last) return ['', page.bytes]
    const number = ++this.#lastNumber
    this.#queriesOf(context).set(number, { replica: name, query })
    return [String(number), page.bytes]
  }

  readonly next: OpImplementation = async (payload, context) => {
    const number = numberOf(payload)
    const open = this.#queriesOf(context).get(number)
    if (open === undefined)
      throw new LyceumError('cursor_unknown', 'There is no such query of a replica under way in this call.')
    // It may have been taken back since the query began.
    checkGranted(open.replica, context)
    const page = await open.query.next(timeLeft(context))
    if (!page.last) return [String(number), page.bytes]
    this.#queriesOf(context).delete(number)
    return ['', page.bytes]
  }

  readonly end: OpImplementation = (payload, context) => {
    const queries = this.#queriesOf(context)
    const number = numberOf(payload)
    queries.get(number)?.query.end()
    queries.delete(number)
    return ''
  }

  #queriesOf(context: OpContext): Map<number, OpenQuery> {
    let queries = this.#open.get(context)
    if (queries === undefined) {
      queries = new Map()
      this.#open.set(context, queries)
    }
    return queries
  }
}

function checkGranted(name: string, { endpoint, plugin }: OpContext): void {
  if (!endpoint.replicas.includes(name))
    throw new LyceumError(
      'op_denied',
      `"${name.slice(0, 64)}" is not among the replicas that ${endpoint.name} destructures.`,
    )
  if (!plugin.granted.includes(`replica.${name}`))
    throw new LyceumError(
      'op_denied',
      `An admin has not approved that ${plugin.id} reads the replica "${name}".`,
    )
}

function timeLeft({ deadlineMs }: OpContext): number {
  return Math.max(1, deadlineMs - performance.now())
}

function numberOf(payload: Buffer): number {
  const number = payload.length > 16 ? 0 : Number(payload.toString())
  if (Number.isSafeInteger(number) && number > 0) return number
  throw new LyceumError('op_malformed', 'A query of a replica is called by its number.')
}
