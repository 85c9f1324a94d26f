import type { RebuildStatus } from '../../host/dispatch/rebuild.ts'
import type { PluginStore } from '../../host/storage/plugin-store.ts'
import type { TestHost } from '../support/host.ts'

/** Waits until the rebuild of a plugin has ended, and says how. */
export async function ended(lyceum: TestHost, id: string): Promise<RebuildStatus> {
  for (;;) {
    const { json } = await lyceum.call('GET', `/v1/plugins/${id}/rebuild`)
    if (json?.state !== 'running') return json
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** Starts a rebuild and waits until it has ended. */
export async function rebuilt(lyceum: TestHost, id: string): Promise<RebuildStatus> {
  const { status, json } = await lyceum.call('POST', `/v1/plugins/${id}/rebuild`)
  if (status !== 202) throw new Error(JSON.stringify(json))
  return ended(lyceum, id)
}

/** The answer of a query. */
export async function ask(lyceum: TestHost, id: string, query: string) {
  return (await lyceum.call('GET', `/v1/queries/${id}/${query}`)).json
}

/** Events `first` to `first + n - 1`, all of one type. */
export function plays(n: number, first = 0): object[] {
  return Array.from({ length: n }, (_, at) => ({
    id: `p${first + at}`,
    event_type: 'play_video',
    event: { id: `v${(first + at) % 3}` },
    time: '2026-01-01T00:00:00Z',
  }))
}

/** A door in the way of one generation's batches: it lets the first through, and the others once it is open. */
export interface Door {
  /** Waits until so many events at least are committed in the generation. */
  reached(events: number): Promise<void>
  open(): void
}

/** Puts a door before the transactions of a generation of a plugin's data, which nobody has begun yet. */
export function opened({ host: { stores } }: TestHost, id: string, generation: number): Door {
  const { promise, resolve } = Promise.withResolvers<void>()
  let committed = 0
  let begun = 0
  const guarded = new WeakSet<PluginStore>()
  const guard = (store: PluginStore) => {
    const begin = store.begin.bind(store)
    store.begin = (claim, after = Promise.resolve()) => {
      begun += 1
      const transaction = begin(claim, begun === 1 ? after : Promise.all([after, promise]))
      transaction.onEnd(() => {
        if ('move' in claim) committed = Math.max(committed, claim.move.to)
      })
      return transaction
    }
    guarded.add(store)
  }
  const plugin = stores.plugin.bind(stores)
  stores.plugin = (...asked) => {
    const store = plugin(...asked)
    if (asked[0] === id && asked[1] === generation && !guarded.has(store)) guard(store)
    return store
  }
  return {
    reached: async (events) => {
      while (committed < events) await new Promise((wait) => setTimeout(wait, 5))
    },
    open: resolve,
  }
}

/** Has the data that a rebuild replaces deleted soon after: `wallMs` is short at that moment only, in which nothing runs. */
export function deletedSoon({ host: { plugins, catalogue } }: TestHost, id: string): void {
  const flip = plugins.flip.bind(plugins)
  plugins.flip = async (...asked) => {
    const isDone = await flip(...asked)
    plugins.flip = flip
    catalogue.setQuota(id, { wallMs: 50 })
    setImmediate(() => catalogue.setQuota(id, {}))
    return isDone
  }
}
