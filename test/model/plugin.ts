/** The handlers that versions of the plugin may have. */
export const HANDLERS = ['first', 'second'] as const
export type HandlerName = (typeof HANDLERS)[number]
export const POISONS = ['p', 'q', 'r'] as const
export type Poison = (typeof POISONS)[number]

/** What one handler of one version does. */
export interface HandlerSpec {
  /** It wants events whose `n` is at least this. */
  readonly least: number
  readonly from: 'start' | 'now'
  readonly mode: 'soft' | 'realtime'
  /** It reads what it has written before it writes on, so its transaction opens in the middle of the batch. */
  readonly reads: boolean
}

/** What one version is: its handlers, and on which poison they throw. */
export interface Version {
  readonly fails: readonly Poison[]
  readonly first?: HandlerSpec | undefined
  readonly second?: HandlerSpec | undefined
}

/** An event as it is sent. */
export interface Sent {
  readonly id: string
  /** Others are matched by no filter. */
  readonly wanted: boolean
  readonly n: number
  readonly key: string
  readonly poison: Poison | undefined
}

/** The error with which a version fails. */
export function errorOf(version: string, poison: Poison): string {
  return `${version} cannot take ${poison}`
}

/** The source of a version. It is its own bundle: nothing has to be made of it. */
export function sourceOf(type: string, version: string, spec: Version): string {
  return `import { onEvent, query } from '@lyceum/sdk'
${HANDLERS.map((name) => handlerSource(name, type, version, spec)).join('\n')}
export const state = query(async ({ db }) => {
  const found = {}
  for (const name of ${JSON.stringify(HANDLERS)}) {
    const seen = await db.collection(name + 'Seen').find().toArray()
    const counts = await db.collection(name + 'Counts').find().toArray()
    found[name] = { seen: seen.map((d) => d._id), counts: Object.fromEntries(counts.map((d) => [d._id, d.n])) }
  }
  return found
})`
}

function handlerSource(name: HandlerName, type: string, version: string, spec: Version): string {
  const handler = spec[name]
  if (handler === undefined) return ''
  const options = {
    where: { event_type: type, 'event.n': { $gte: handler.least } },
    from: handler.from,
    mode: handler.mode,
  }
  return `export const ${name} = onEvent(${JSON.stringify(options)}, async ({ events, db }) => {
  const seen = db.collection('${name}Seen')
  const counts = db.collection('${name}Counts')
  for (const e of events) {
    await seen.insertOne({ _id: e.id })
    ${
      handler.reads
        ? `const count = await counts.findOne({ _id: e.event.key })
    await counts.updateOne({ _id: e.event.key }, { $set: { n: (count?.n ?? 0) + 1 } }, { upsert: true })`
        : `await counts.updateOne({ _id: e.event.key }, { $inc: { n: 1 } }, { upsert: true })`
    }
    if (${JSON.stringify(spec.fails)}.includes(e.event.poison)) throw new Error('${version} cannot take ' + e.event.poison)
  }
})`
}
