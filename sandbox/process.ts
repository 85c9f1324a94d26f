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
import { failure } from './reports.ts'

const [softRssMb = 0, nice = 0] = process.argv.slice(2).map(Number)
// Linux keeps a priority per thread, so it is set before isolated-vm starts its own.
if (nice > 0) setPriority(nice)
const { GuestIsolate } = await import('./isolate.ts')
// isolated-vm is loaded. Any other addon would be native code, which Node's permissions do not bind.
process.permission.drop('addon')
const { LoadError } = await import('./endings.ts')

const WATCH_MS = 10
/** A turn that has run for less cannot have filled a process. */
const SUSPECT_CPU_MS = 50
/** How long an idle isolate takes to go: before that nobody can tell whether it was enough. */
const EVICTION_MS = 50
/** What this process may hold without work after an isolate broke its limits, as a share of what it may hold at work. */
const IDLE_SHARE = 0.4
/** How long the system may take to get the memory of what was disposed back. */
const RELEASE_MS = 500
const MAX_FRAME_BYTES = 64 * 1024 * 1024
const BYTES_PER_MB = 1024 * 1024
/** A frame's flags have sixteen bits, which is more than any quota of CPU time. */
const MOST_FLAGS = 0xffff

const isolates = new Map<number, Isolate>()
const isolateOf = new Map<bigint, Isolate>()
const loading = new Set<Isolate>()
/** By how much this process grew while each isolate ran: isolates cannot tell of memory that V8 does not count. */
const grownMb = new Map<number, number>()
let lastRssMb = 0
/** Since when there is too much memory here; and whether somebody who runs was blamed for it. */
let shortSinceMs: number | undefined
let hasBlamed = false
let evictedMs = Number.NEGATIVE_INFINITY
/** Whether an isolate here was ended for a limit, and may have left memory that nobody can free. */
let hasEnded = false
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
      for (const isolate of [...isolates.values(), ...loading])
        if (isolate.number === frame.call) isolate.dispose('sandbox_lost', 'The isolate was unloaded.')
      isolates.delete(frame.call)
      break
    case Kind.invoke:
      invoke(frame)
      break
    case Kind.spent:
      isolateOf.get(frame.scope)?.spent(frame.scope, frame.call)
      break
    case Kind.reply:
      isolateOf
        .get(frame.scope)
        ?.settle(frame.scope, frame.call, (frame.flags & FAILED) !== 0, frame.payload.toString())
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
      op: (scope, op, call, text, cpuMs) =>
        port.send({ kind: Kind.op, op, flags: Math.min(Math.ceil(cpuMs), MOST_FLAGS), call, scope }, text),
      done: (scope, report, result) => {
        hasEnded ||= report.isolateLost === true
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
    const report = {
      cpuMs: 0,
      failure: failure('sandbox_lost', 'The isolate is not there.'),
      isolateLost: true,
    }
    port.send({ kind: Kind.done, scope: frame.scope }, `${JSON.stringify(report)}\n`)
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
    let busy = false
    for (const isolate of [...loading, ...isolates.values()]) {
      isolate.watch(nowMs)
      if (isolate.disposed) isolates.delete(isolate.number)
      busy ||= !isolate.idle || isolate.turnCpuMs !== undefined
    }
    busy ||= loading.size > 0
    weigh(nowMs, busy)
    if (!busy && shortSinceMs === undefined) {
      clearInterval(watching)
      watching = undefined
    }
  }, WATCH_MS)
}

/** Looks at the memory of this process, and lays its growth to those that run. */
function weigh(nowMs: number, busy: boolean): void {
  const rssMb = process.memoryUsage.rss() / BYTES_PER_MB
  for (const { number, turnCpuMs } of [...loading, ...isolates.values()])
    if (turnCpuMs !== undefined)
      grownMb.set(number, (grownMb.get(number) ?? 0) + Math.max(0, rssMb - lastRssMb))
  lastRssMb = rssMb
  if (rssMb <= softRssMb * (hasEnded && !busy ? IDLE_SHARE : 1)) {
    shortSinceMs = undefined
    hasBlamed = false
    return
  }
  shortSinceMs ??= nowMs
  if (nowMs > shortSinceMs + RELEASE_MS) {
    // No isolate holds it any more, but the system did not get it back: who runs next must not be blamed.
    const [most] = [...grownMb].sort(([, a], [, b]) => b - a)
    endProcess({ isolates: most === undefined ? [] : [most[0]], reason: 'its memory did not come back' })
  } else if (!hasBlamed) makeRoom(nowMs)
}

/**
 * Acts on too much memory in this process: V8 does not hold an isolate to its limit while a turn runs.
 * Idle isolates go first. Of those that run, only one that has run for a while can have taken so much;
 * where several have, nobody here can tell them apart, and the host will run each of them alone.
 */
function makeRoom(nowMs: number): void {
  const idle = [...isolates.values()].filter((isolate) => isolate.idle && isolate.turnCpuMs === undefined)
  for (const isolate of idle) {
    isolate.dispose('sandbox_lost', 'The isolate made room for others.')
    isolates.delete(isolate.number)
    const gone = failure('sandbox_lost', 'The isolate made room for others.')
    port.send({ kind: Kind.loaded, call: isolate.number, flags: FAILED }, JSON.stringify(gone))
  }
  if (idle.length > 0) evictedMs = nowMs
  if (nowMs < evictedMs + EVICTION_MS) return
  const [suspect, ...others] = [...loading, ...isolates.values()].filter(
    ({ turnCpuMs = 0, disposed }) => !disposed && turnCpuMs > SUSPECT_CPU_MS,
  )
  if (suspect === undefined) return
  if (others.length === 0) {
    hasBlamed = true
    suspect.disposeRunning('over_memory', 'It used more memory than a sandbox has. Keep less in variables.')
  } else endProcess({ isolates: [suspect, ...others].map(({ number }) => number), reason: 'out of memory' })
}

/** The last word: names the culprits, then ends this process in the one way that always works. */
function endProcess(poisoned: Poisoned): void {
  port.sendLast({ kind: Kind.poisoned }, JSON.stringify(poisoned), () => process.kill(process.pid, 'SIGKILL'))
}
