import { FAILED, type Frame, type Payload } from './frame.ts'
import { Life } from './life.ts'
import { Port } from './port.ts'
import { endWithParent } from './watchdog.ts'

/** Frame kind of the reply to any request. */
export const REPLY = 7

/**
 * The child's side of a serial process: answers each request before it looks at the next. Each reply tells as
 * its `scope` how much CPU time the process has used for it, in microseconds.
 *
 * @param answer carries a request out; what it throws becomes a failure
 * @param failureOf makes the failure that may leave the process
 */
export function serve(
  maxFrameBytes: number,
  answer: (frame: Frame) => Payload,
  failureOf: (error: unknown) => object,
): void {
  const receive = (frame: Frame) => {
    if (frame.kind === Life.ping) {
      port.send({ kind: Life.pong })
      return
    }
    let flags = 0
    let payload: Payload
    try {
      payload = answer(frame)
    } catch (error) {
      flags = FAILED
      payload = JSON.stringify(failureOf(error))
    }
    // Since the last reply: what it took to read the request belongs to it, and waiting for it takes none.
    const usedUs = cpuUs()
    port.send({ kind: REPLY, call: frame.call, flags, scope: BigInt(usedUs - toldUs) }, payload)
    toldUs = usedUs
    // The next request may be here already and take long: the host must not lay that to this one.
    port.flush()
  }
  endWithParent()
  let toldUs = cpuUs()
  const port = Port.ofChild(maxFrameBytes, receive, () => process.exit(0))
  port.send({ kind: Life.ready })
}

/**
 * The child's side of a concurrent process: begins with each request as it comes. What has to keep an order is for
 * `answer` to keep. Each reply tells the CPU time since the last, whosever it was: in the long run it is right.
 *
 * @param answer carries a request out, whose payload is its own; what it rejects with becomes a failure
 * @param failureOf makes the failure that may leave the process
 */
export function serveAtOnce(
  maxFrameBytes: number,
  answer: (frame: Frame) => Promise<Payload>,
  failureOf: (error: unknown) => object,
): void {
  const reply = (call: number, flags: number, payload: Payload) => {
    const usedUs = cpuUs()
    port.send({ kind: REPLY, call, flags, scope: BigInt(usedUs - toldUs) }, payload)
    toldUs = usedUs
  }
  const receive = (frame: Frame) => {
    if (frame.kind === Life.ping) {
      port.send({ kind: Life.pong })
      return
    }
    answer({ ...frame, payload: Buffer.from(frame.payload) }).then(
      (payload) => reply(frame.call, 0, payload),
      (error: unknown) => reply(frame.call, FAILED, JSON.stringify(failureOf(error))),
    )
  }
  endWithParent()
  let toldUs = cpuUs()
  const port = Port.ofChild(maxFrameBytes, receive, () => process.exit(0))
  port.send({ kind: Life.ready })
}

function cpuUs(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}
