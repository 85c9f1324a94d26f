import { z } from 'zod'
import { LyceumError } from '../errors.ts'
import { withoutControls } from '../text.ts'
import type { OpImplementation } from './capability.ts'

const PAYLOAD_BYTES = 4_096
const TEXT_CHARS = 200

const Payload = z.object({ fraction: z.number().min(0).max(1), text: z.string() })

/** How far a call is, as its plugin says. */
export interface Progress {
  /** From 0 to 1. */
  readonly fraction: number
  /** What it is at; '' where it does not say. From a plugin: short, and without control characters. */
  readonly text: string
}

/** A call that is under way and told how far it is. */
export interface RunningCall extends Progress {
  readonly endpoint: string
  readonly startedMs: number
}

/** What calls tell about how far they are, for as long as they run. */
export class ProgressReports {
  readonly #running = new Map<string, Map<object, RunningCall>>()

  /** The calls of a plugin that are under way and said how far they are. */
  of(plugin: string): RunningCall[] {
    return [...(this.#running.get(plugin)?.values() ?? [])]
  }

  /** `progress` as an op. Of a tree of calls people wait for the root, so only that is told on. */
  readonly op: OpImplementation = (payload, context) => {
    const { plugin, endpoint, tree, depth } = context
    const { fraction, text } = parsed(payload)
    const progress = { fraction, text: withoutControls(text.slice(0, TEXT_CHARS)) }
    const calls = this.#running.get(plugin.id) ?? new Map<object, RunningCall>()
    const before = calls.get(context)
    if (before === undefined) {
      this.#running.set(plugin.id, calls)
      context.onEnd(() => {
        calls.delete(context)
        if (calls.size === 0) this.#running.delete(plugin.id)
      })
    }
    calls.set(context, {
      ...progress,
      endpoint: endpoint.name,
      startedMs: before?.startedMs ?? Date.now(),
    })
    if (depth === 0) tree.onProgress?.(progress)
    return ''
  }
}

function parsed(payload: Buffer): Progress {
  if (payload.length > PAYLOAD_BYTES) throw malformed()
  let value: unknown
  try {
    value = JSON.parse(payload.toString())
  } catch {
    throw malformed()
  }
  const progress = Payload.safeParse(value)
  if (!progress.success) throw malformed()
  return progress.data
}

function malformed(): LyceumError {
  return new LyceumError(
    'op_malformed',
    'progress(0.5, "half of it"): a number from 0 to 1, and a short text.',
  )
}
