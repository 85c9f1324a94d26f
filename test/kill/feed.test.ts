import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { decode } from '@lyceum/sdk/ejson'
import fc from 'fast-check'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Ended, type Invocation, isPassing } from '../../host/dispatch/invoker.ts'
import { Lane } from '../../host/dispatch/lane.ts'
import { LogWindow } from '../../host/dispatch/log-window.ts'
import { type ErrorCode, LyceumError } from '../../host/errors.ts'
import { EventLog } from '../../host/events/log.ts'
import { LIMITS, QUOTA_DEFAULTS } from '../../host/limits.ts'
import { parseOptions } from '../../host/registry/options.ts'
import type { ActivePlugin } from '../../host/registry/plugin.ts'
import { Stores } from '../../host/storage/stores.ts'

let folder: string
let log: EventLog
let stores: Stores
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lyceum-feed-'))
  log = await EventLog.open({ path: join(folder, 'events.db'), limits: LIMITS })
  stores = new Stores({ folder: join(folder, 'plugins'), onOutput: () => {}, onLoss: () => {} })
  await stores.start()
})
afterAll(async () => {
  await stores.close()
  await log.close()
  await rm(folder, { recursive: true, force: true })
})

/** What becomes of a call, beside what its events do. */
type Fate = 'ends' | 'writes early' | 'lost before' | 'lost after writing' | 'refused' | 'store dies'
interface Sent {
  readonly id: string
  readonly wanted: boolean
  readonly bad: boolean
}
type Step =
  | { readonly send: readonly { wanted: boolean; bad: boolean }[] }
  | 'replace'
  | 'store dies'
  | 'settle'

const event = fc.record({
  wanted: fc.boolean(),
  bad: fc.integer({ min: 0, max: 14 }).map((n) => n === 0),
})
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.array(event, { minLength: 1, maxLength: 20 }).map((send) => ({ send })) },
  // More than one batch, so that several are under way.
  {
    weight: 1,
    arbitrary: fc.array(event, { minLength: 1, maxLength: 9 }).map((some) => ({ send: crowd(some) })),
  },
  { weight: 1, arbitrary: fc.constant<Step>('replace') },
  { weight: 1, arbitrary: fc.constant<Step>('store dies') },
  { weight: 2, arbitrary: fc.constant<Step>('settle') },
)
function crowd(some: readonly { wanted: boolean; bad: boolean }[]) {
  return Array.from({ length: 600 }, (_, at) => ({
    wanted: true,
    bad: false,
    ...(at % 99 === 0 && some[at / 99]),
  }))
}
const fate = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Fate>('ends') },
  { weight: 3, arbitrary: fc.constant<Fate>('writes early') },
  {
    weight: 3,
    arbitrary: fc.constantFrom<Fate>('lost before', 'lost after writing', 'refused', 'store dies'),
  },
)

let runs = 0

/** Runs a handler through the steps; in its place stands a function that follows the fates. */
async function play(steps: readonly Step[], fates: readonly Fate[]) {
  const name = `run${++runs}`
  const store = stores.plugin(name, 1)
  await store.declare([])
  const left = [...fates]
  const killStore = () => {
    for (const pid of stores.pids) process.kill(pid, 'SIGKILL')
  }
  const window = new LogWindow(log)
  const lane = new Lane(log, window, {
    logId: log.id,
    window,
    halts: { find: () => undefined, set: () => {}, delete: () => {} },
    properties: { revision: 0, enrich: async (_, rows) => ({ rows }) },
    logger: pino({ level: 'silent' }),
    logIsBehind: (seq) => log.refuseBehind(seq),
    mayRun: () => true,
    onFailure: () => {},
    invoker: { run: (invocation) => handle(invocation, left.shift() ?? 'ends', killStore) },
  })
  const sent: Sent[] = []
  const settled = async () => {
    while (!lane.quiet) await sleep(2)
  }
  let activation = 1
  lane.add(activePlugin(name, activation, store))
  for (const step of steps) {
    if (step === 'settle') await settled()
    else if (step === 'store dies') killStore()
    else if (step === 'replace') {
      void lane.remove(name)
      lane.add(activePlugin(name, ++activation, store))
    } else {
      const events = step.send.map((one, at) => ({ ...one, id: `${name}-${sent.length + at}` }))
      sent.push(...events)
      const lines = events.map(({ id, wanted, bad }) =>
        JSON.stringify({ id, event_type: wanted ? name : 'other', bad }),
      )
      await log.append(new TextEncoder().encode(lines.join('\n')), {
        contentType: 'application/x-ndjson',
        receivedMs: 0,
      })
    }
  }
  await settled()
  await lane.close()
  const read = await again(() =>
    store.read(Buffer.from('{"op":"find","collection":"seen","filter":{}}'), Number.POSITIVE_INFINITY),
  )
  const seen = (decode(read.toString()) as { _id: string }[]).map(({ _id }) => _id)
  const { letters } = await again(() => store.deadLetters(undefined, 1_000))
  return { sent, seen, aside: letters.map(({ seq }) => JSON.parse(window.row(seq)?.text ?? '{}').id) }
}

/** A store that was killed last is still on its way out. */
async function again<Result>(ask: () => Promise<Result>): Promise<Result> {
  for (;;)
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof LyceumError) || error.code !== 'store_lost') throw error
      // Others have their turn: where all stores are closed, this would else be the last that the process does.
      await sleep(5)
    }
}

async function handle({ context, input }: Invocation, fate: Fate, killStore: () => void): Promise<Ended> {
  await sleep(1) // so that the next batch begins beside it
  const { events } = JSON.parse(input.toString()) as { events: { id: string; bad: boolean }[] }
  const writes = events.map(({ id }) => `["insertOne","seen",{"_id":${JSON.stringify(id)}}]`)
  const early = fate !== 'ends' && fate !== 'lost before' && fate !== 'refused'
  if (fate === 'lost before') return ended('sandbox_lost')
  if (fate === 'refused') return ended('over_concurrency')
  const half = early ? Math.ceil(writes.length / 2) : 0
  // Like a guest's: sent without waiting for the reply.
  if (half > 0)
    void context.transaction?.write(Buffer.from(`[${writes.slice(0, half).join()}]`), false).catch(() => {})
  if (fate === 'lost after writing') return ended('sandbox_lost')
  if (events.some(({ bad }) => bad)) return ended('plugin_failed')
  if (fate === 'store dies') killStore()
  return { cpuMs: 0, failure: undefined, result: Buffer.from(`[${writes.slice(half).join()}]`) }
}

function ended(code: ErrorCode): Ended {
  const failure = {
    code,
    message: code,
    stack: undefined,
    details: undefined,
    struck: false,
    passing: isPassing(code),
  }
  return { cpuMs: 0, result: Buffer.alloc(0), failure }
}

function activePlugin(id: string, activation: number, store: ActivePlugin['store']): ActivePlugin {
  const options = parseOptions('onEvent', 'count', { where: { event_type: id } })
  return {
    id,
    title: id,
    description: '',
    version: `1.0.${activation}`,
    activation,
    code: { plugin: id, hash: id, bundle: Buffer.alloc(0), load: { memoryMb: 8, cpuMs: 1, wallMs: 1 } },
    endpoints: new Map([
      [
        'count',
        {
          kind: 'onEvent',
          name: 'count',
          title: 'Count',
          description: '',
          facilities: ['events', 'db'],
          dimensions: [],
          plugins: [],
          replicas: [],
          options,
        },
      ],
    ]),
    begins: new Map(),
    readable: new Map(),
    granted: [],
    store,
    isBuilding: false,
    isOfSamples: false,
    markOfSamples: () => {},
    quota: QUOTA_DEFAULTS,
    usage: { calls: 0, failures: 0, cpuMs: 0, storeCpuMs: 0, ops: 0, bytes: 0, events: 0 },
  }
}

test('whatever fails on the way, each event is handled once and in order, or put aside', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 12 }),
      fc.array(fate, { maxLength: 30 }),
      async (steps, fates) => {
        const { sent, seen, aside } = await play(steps, fates)
        const wanted = sent.filter((one) => one.wanted)
        expect(seen).toEqual(wanted.filter((one) => !one.bad).map(({ id }) => id))
        expect(aside).toEqual(wanted.filter((one) => one.bad).map(({ id }) => id))
      },
    ),
    { numRuns: 10, interruptAfterTimeLimit: 20_000 },
  )
})
