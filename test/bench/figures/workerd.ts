import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { accept } from '../../../host/events/accept.ts'
import { LIMITS, QUOTA_DEFAULTS } from '../../../host/limits.ts'
import { type Call, Supervisor } from '../../../sandbox/supervisor.ts'
import { bodiesOf } from '../events.ts'
import { type Figure, once, pairs, perSecond, ratio } from '../harness.ts'
import { withWorkerd, workerdMissing } from '../workerd.ts'

const BATCHES = 400
const BATCH_EVENTS = 256
const AT_ONCE = 8
const TURNS = 7
const COUNT = join(import.meta.dirname, '../peer/count.js')

/** Batches as dispatch joins them: the events' texts as they lie in the log. */
const batches = once(() => {
  const texts = bodiesOf('bench_peer', BATCHES * BATCH_EVENTS).flatMap((body) => textsOf(body))
  return Array.from({ length: BATCHES }, (_, n) =>
    texts.slice(n * BATCH_EVENTS, (n + 1) * BATCH_EVENTS).join(','),
  )
})

function textsOf(body: Buffer): string[] {
  const { texts, ends } = accept(body, { receivedMs: Date.now() }, LIMITS).rows
  const buffer = Buffer.from(texts)
  return Array.from(ends, (end, n) => buffer.toString('utf8', ends[n - 1] ?? 0, end))
}

/** Runs work with a sandbox that calls the handler: its result are the writes, as a database would get them. */
async function withSandbox<Result>(
  work: (handle: (events: string) => Promise<string>) => Promise<Result>,
): Promise<Result> {
  const bundle = Buffer.from(`import { onEvent } from '@lyceum/sdk'
${await readFile(COUNT, 'utf8')}
export const counted = onEvent('bench_peer', ({ events, db }) => db.collection('pages').bulkWrite(count(events)))
`)
  const quota = QUOTA_DEFAULTS
  const call: Omit<Call, 'input'> = {
    code: {
      plugin: 'peer',
      hash: createHash('sha256').update(bundle).digest('hex'),
      bundle,
      load: { memoryMb: quota.memoryMb, cpuMs: quota.cpuMsPerCall, wallMs: quota.wallMs },
    },
    request: {
      endpoint: 'counted',
      kind: 'onEvent',
      budget: {
        cpuMs: quota.cpuMsPerCall,
        wallMs: quota.wallMs,
        ops: quota.opsPerCall,
        bytes: quota.bytesPerCall,
        outputBytes: quota.outputBytes,
      },
      nowMs: Date.now(),
      eachEvent: false,
      plainJson: false,
      traceWrites: false,
    },
    onOp: () => {},
  }
  const supervisor = new Supervisor({
    sandboxes: 1,
    rssCapMb: LIMITS.sandboxRssMb,
    heartbeatMs: LIMITS.heartbeatLostMs,
    maxIsolates: LIMITS.isolatesPerSandbox,
    probationSandboxes: 0,
    idleMs: LIMITS.sandboxIdleMs,
    onOutput: (text) => console.error(text),
    onLoss: ({ reason }) => console.error(reason),
  })
  try {
    await supervisor.start()
    return await work(async (events) => {
      const input = `{"named":"{}","plugins":[],"events":[${events}]}`
      const { result, failure } = await supervisor.run({ ...call, input }, false)
      if (failure !== undefined) throw new Error(failure.message)
      return result.toString()
    })
  } finally {
    supervisor.close()
  }
}

/** Events a second with several batches under way. */
function through(handlers: readonly ((events: string) => Promise<string>)[]): Promise<number> {
  const left = [...batches()]
  return perSecond(BATCHES * BATCH_EVENTS, () =>
    Promise.all(
      handlers.map(async (handle) => {
        for (let events = left.pop(); events !== undefined; events = left.pop()) await handle(events)
      }),
    ),
  )
}

/** What others run strangers' JavaScript with. It holds no call to a CPU time; the sandbox does. */
export const peer: Figure = {
  name: 'handler in a sandbox ÷ the same in workerd',
  unit: 'ratio',
  goal: 1.2,
  better: 'higher',
  missing: workerdMissing,
  measure: () =>
    withSandbox((handle) =>
      withWorkerd(AT_ONCE, async (connections) =>
        ratio(
          await pairs(
            TURNS,
            () => through(Array.from({ length: AT_ONCE }, () => handle)),
            () =>
              through(connections.map((connection) => (events: string) => connection.post(`[${events}]`))),
          ),
        ),
      ),
    ),
}
