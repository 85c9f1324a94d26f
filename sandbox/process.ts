/**
 * A sandbox process: it holds isolates and nothing else. It has no environment, no files but our code,
 * no network; only a pipe to the host. It may be killed at any moment.
 *
 * Arguments: `[softRssMb, nice]`.
 */
import { setPriority } from 'node:os'
import { performance } from 'node:perf_hooks'
import { FAILED, type Frame, splitPayload } from '../process/frame.ts'
import { Life } from '../process/life.ts'
import { Port } from '../process/port.ts'
import type { GuestIsolate as Isolate } from './isolate.ts'
import { type InvokeRequest, Kind, type LoadRequest, type Poisoned } from './protocol.ts'

const [softRssMb = 0, nice = 0] = process.argv.slice(2).map(Number)
// Linux keeps a priority per thread, so it is set before isolated-vm starts its own.
if (nice > 0) setPriority(nice)
const { GuestIsolate, LoadError } = await import('./isolate.ts')

const WATCH_MS = 10
const MAX_FRAME_BYTES = 64 * 1024 * 1024
const BYTES_PER_MB = 1024 * 1024

const isolates = new Map<number, Isolate>()
const isolateOf = new Map<bigint, Isolate>()
const loading = new Set<Isolate>()
let watching: NodeJS.Timeout | undefined

const port = Port.ofChild(MAX_FRAME_BYTES, receive, () => process.kill(process.pid, 'SIGKILL'))
port.send({ kind: Life.ready })

function receive(frame: Frame): void {
  switch (frame.kind) {
    case Life.ping:
      port.send({ kind: Life.pong })
      break
    case Kind.load:
      void load(frame)
      break
    case Kind.unload:
      isolates.get(frame.call)?.dispose('sandbox_lost', 'The isolate was unloaded.')
      isolates.delete(frame.call)
      break
    case Kind.invoke:
      invoke(frame)
      break
    case Kind.reply:
      isolateOf
        .get(frame.scope)
        ?.settle(frame.scope, frame.call, (frame.flags & FAILED) !== 0, frame.payload.toString())
      break
    case Kind.cancel:
      isolateOf.get(frame.scope)?.cancel(frame.scope)
      break
  }
}

async function load(frame: Frame): Promise<void> {
  const { control, bytes } = splitPayload(frame.payload)
  const request = JSON.parse(control) as LoadRequest
  watch()
  try {
    const isolate = await GuestIsolate.load(frame.call, request, bytes.toString(), {
      created: (created) => loading.add(created),
      op: (scope, op, call, text) => port.send({ kind: Kind.op, op, call, scope }, text),
      done: (scope, report, result) => {
        isolateOf.delete(scope)
        port.send({ kind: Kind.done, scope }, `${JSON.stringify(report)}\n${result}`)
      },
      poisoned: (reason) => endProcess({ isolates: [frame.call], reason }),
    })
    loading.delete(isolate)
    isolates.set(frame.call, isolate)
    port.send({ kind: Kind.loaded, call: frame.call })
  } catch (error) {
    for (const isolate of loading) if (isolate.disposed) loading.delete(isolate)
    if (!(error instanceof LoadError)) throw error
    port.send({ kind: Kind.loaded, call: frame.call, flags: FAILED }, JSON.stringify(error.failure))
  }
}

function invoke(frame: Frame): void {
  const { control, bytes } = splitPayload(frame.payload)
  const isolate = isolates.get(frame.call)
  if (isolate === undefined) {
    const failure = { code: 'sandbox_lost', message: 'The isolate is not there.' }
    port.send(
      { kind: Kind.done, scope: frame.scope },
      `${JSON.stringify({ cpuMs: 0, failure, isolateLost: true })}\n`,
    )
    return
  }
  isolateOf.set(frame.scope, isolate)
  isolate.invoke(frame.scope, JSON.parse(control) as InvokeRequest, control, bytes.toString())
  watch()
}

/** Looks at every limit while anything is open, and sleeps while nothing is. */
function watch(): void {
  watching ??= setInterval(() => {
    const nowMs = performance.now()
    const tooMuch = process.memoryUsage.rss() / BYTES_PER_MB > softRssMb
    let busy = false
    for (const isolate of [...loading, ...isolates.values()]) {
      isolate.watch(nowMs)
      if (tooMuch && isolate.running)
        isolate.disposeRunning(
          'over_memory',
          'It used more memory than a sandbox has. Keep less in variables.',
        )
      if (isolate.disposed) isolates.delete(isolate.number)
      busy ||= !isolate.idle || isolate.running
    }
    if (!busy && loading.size === 0) {
      clearInterval(watching)
      watching = undefined
    }
  }, WATCH_MS)
}

/** The last word: names the culprits, then ends this process in the one way that always works. */
function endProcess(poisoned: Poisoned): void {
  port.sendLast({ kind: Kind.poisoned }, JSON.stringify(poisoned), () => process.kill(process.pid, 'SIGKILL'))
}
