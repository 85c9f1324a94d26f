import { setImmediate } from 'node:timers/promises'
import { z } from 'zod'
import { isDeeperThan } from '../../events/json.ts'
import { LIMITS } from '../../limits.ts'

/** Why the property of an event could not be worked out. */
export interface ValueError {
  readonly message: string
  readonly stack?: string | undefined
}

/** What a batch came to: a value as JSON for each event, null where it has none. */
export interface Values {
  readonly values: readonly (string | null)[]
  readonly failed: number
  /** The first of the failures that said more than that it is one. */
  readonly error: ValueError | undefined
}

const LINES_IN_A_TURN = 16

const Told = z.object({ message: z.string(), stack: z.string().optional() })
const UNREADABLE: ValueError = { message: 'The property is not JSON that events may carry.' }

/**
 * Reads what a property's isolate gave back, a line for each event. It is hostile: whatever is spliced into events
 * that others get must be one whole value of JSON and nothing else, small, and without names that mean more.
 *
 * @returns undefined where it is not an answer for so many events
 */
export async function readValues(result: Buffer, events: number): Promise<Values | undefined> {
  const lines = result.toString().split('\n', events + 1)
  if (lines.length !== events) return undefined
  let failed = 0
  let error: ValueError | undefined
  const values: (string | null)[] = []
  for (const line of lines) {
    // They may be costly to read on purpose: whoever else waits for this thread gets his turn in between.
    if (values.length % LINES_IN_A_TURN === LINES_IN_A_TURN - 1) await setImmediate()
    const isUsable = line !== '' && !line.startsWith('!') && isValue(line)
    values.push(isUsable ? line : null)
    if (isUsable || line === '') continue
    failed += 1
    error ??= line.startsWith('!') ? toldIn(line.slice(1)) : UNREADABLE
  }
  return { values, failed, error }
}

function isValue(text: string): boolean {
  if (text.length > LIMITS.propertyChars) return false
  const value = parsed(text)
  return value !== undefined && !isDeeperThan(value, LIMITS.propertyDepth) && !hasProto(value)
}

/** Whether somewhere in it is a key that, copied by a careless handler, changes what an object is. */
function hasProto(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return Object.hasOwn(value, '__proto__') || Object.values(value).some(hasProto)
}

function toldIn(text: string): ValueError | undefined {
  if (text === '' || text.length > LIMITS.errorChars * 4) return undefined
  return Told.safeParse(parsed(text)).data
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
