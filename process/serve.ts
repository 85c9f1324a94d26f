import { FAILED, type Frame } from './frame.ts'
import { Life } from './life.ts'
import { Port } from './port.ts'
import { endWithParent } from './watchdog.ts'

/** Frame kind of the reply to any request of a serial process. */
export const REPLY = 7

/**
 * The child's side of a serial process: answers each request before it looks at the next.
 *
 * @param answer carries a request out; what it throws becomes a failure
 * @param failureOf makes the failure that may leave the process
 */
export function serve(
  maxFrameBytes: number,
  answer: (frame: Frame) => string,
  failureOf: (error: unknown) => object,
): void {
  const receive = (frame: Frame) => {
    if (frame.kind === Life.ping) {
      port.send({ kind: Life.pong })
      return
    }
    const reply = { kind: REPLY, call: frame.call }
    try {
      port.send(reply, answer(frame))
    } catch (error) {
      port.send({ ...reply, flags: FAILED }, JSON.stringify(failureOf(error)))
    }
    // The next request may be here already and take long: the host must not lay that to this one.
    port.flush()
  }
  endWithParent()
  const port = Port.ofChild(maxFrameBytes, receive, () => process.exit(0))
  port.send({ kind: Life.ready })
}
