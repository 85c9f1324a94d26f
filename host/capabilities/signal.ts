import { LyceumError } from '../errors.ts'
import type { OpImplementation } from './capability.ts'

/** Who wants to know gets this share of the time before the end, within these bounds, to give what there is. */
const SHARE_BEFORE = 0.1
const LEAST_BEFORE_MS = 50
const MOST_BEFORE_MS = 1_000

/** `signal`: answers shortly before the call's time is over, or with nothing where the call ended before. */
export const signalOp: OpImplementation = (payload, { deadlineMs, onEnd }) => {
  if (payload.length > 0)
    throw new LyceumError('op_malformed', 'A signal is asked for without anything else.')
  const leftMs = deadlineMs - performance.now()
  const beforeMs = Math.min(Math.max(leftMs * SHARE_BEFORE, LEAST_BEFORE_MS), MOST_BEFORE_MS)
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(''), leftMs - beforeMs)
    onEnd(() => {
      clearTimeout(timer)
      resolve('')
    })
  })
}
