import { join } from 'node:path'
import type { PluginStore } from '../../../host/storage/plugin-store.ts'
import { Stores } from '../../../host/storage/stores.ts'
import { type BenchHost, withHost } from '../bench-host.ts'
import { type Figure, pairs, perSecond, ratio, tookMs } from '../harness.ts'

const UPSERTS = 20_000
const AWAITED = 500
const TURNS = 5
/** So that the keys of one turn are spread over all: a prime. */
const STRIDE = 7_919
let lastNonce = 0

/** A handler's own work is measured: the log and HTTP take about a thousandth of it. */
async function handled(bench: BenchHost, type: string, event: object): Promise<void> {
  const body = { event_type: type, time: new Date().toISOString(), event: { ...event, nonce: ++lastNonce } }
  const answer = await bench.client.call('/v1/events?wait=realtime', Buffer.from(JSON.stringify(body)))
  if (!answer.includes('"committed"')) throw new Error(`the handler did not commit: ${answer}`)
}

/** The same writes as the handler makes, as one frame. */
function frameOf(turn: number, keys: number): Buffer {
  const writes = Array.from({ length: UPSERTS }, (_, i) => [
    'updateOne',
    'upserts',
    { _id: `video-${((turn * UPSERTS + i) * STRIDE) % keys}` },
    { $inc: { n: 1 } },
    { upsert: true },
  ])
  return Buffer.from(JSON.stringify(writes))
}

/** Hands one frame of writes to a store, in one transaction with a cursor. */
async function straight(store: PluginStore, frame: Buffer, from: number, epoch: number): Promise<void> {
  const move = { cursor: 'bench/0', generation: 1, version: 1, epoch, log: 'bench', from, to: from + 1 }
  await store.begin({ move }).commit(frame)
}

/** What the isolate, its queue, the pipe and the checks cost, beside the store's own work. */
function upserts(keys: number): Figure {
  return {
    name: `upserts over ${keys.toLocaleString('en')} keys ÷ straight to the store`,
    unit: 'ratio',
    goal: 0.7,
    better: 'higher',
    measure: () =>
      withHost(async (bench) => {
        const folder = join(bench.dataDir, 'straight')
        const stores = new Stores({ folder, onOutput: () => {}, onLoss: () => {} })
        await stores.start()
        try {
          const store = stores.plugin('straight', 1)
          const about = { cursor: 'bench/0', version: 1, log: 'bench', from: 0, passed: 0 }
          const { epoch } = await store.claim(about)
          let bridged = 0
          let direct = 0
          return ratio(
            await pairs(
              TURNS,
              () =>
                perSecond(UPSERTS, () =>
                  handled(bench, 'bench_upserts', { turn: bridged++, count: UPSERTS, keys, stride: STRIDE }),
                ),
              () => {
                const frame = frameOf(direct, keys)
                return perSecond(UPSERTS, () => straight(store, frame, direct++, epoch))
              },
            ),
          )
        } finally {
          await stores.close()
        }
      }),
  }
}

export const fewKeys = upserts(1_000)
export const manyKeys = upserts(100_000)

/** What a handler pays for a write whose counts it waits for. */
export const awaitedWrite: Figure = {
  name: 'one write with { ack: true }, in a loop',
  unit: 'ms',
  goal: 0.25,
  better: 'lower',
  measure: () =>
    withHost(async (bench) => {
      const run = () => tookMs(() => handled(bench, 'bench_awaited', { count: AWAITED }))
      await run()
      const tookAll = [await run(), await run(), await run()].sort((a, b) => a - b)
      return (tookAll[1] ?? 0) / AWAITED
    }),
}
