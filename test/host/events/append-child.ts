/**
 * Appends events with the ids `e1`, `e2`, … without end, four requests at a time, and prints the number of
 * events of each request that was acknowledged, with its first: `ack 41 10`. Ends with `error CODE`.
 *
 *     node append-child.ts PATH FIRST
 */
import { writeSync } from 'node:fs'
import { isErrorCode } from '../../../host/errors.ts'
import { EventLog } from '../../../host/events/log.ts'
import { SMALL_LIMITS } from './intake.ts'

const [path = '', first = ''] = process.argv.slice(2)
const log = await EventLog.open({ path, limits: SMALL_LIMITS })
let next = Number(first)

async function appendForEver(): Promise<void> {
  for (;;) {
    const from = next
    const size = 1 + (from % 17)
    next += size
    const lines = Array.from({ length: size }, (_, at) =>
      JSON.stringify({ id: `e${from + at}`, filler: 'x'.repeat(500) }),
    )
    const body = new TextEncoder().encode(lines.join('\n'))
    await log.append(body, { contentType: 'application/x-ndjson', receivedMs: Date.now() })
    // Straight to the pipe: what is printed here was acknowledged before any kill.
    writeSync(1, `ack ${from} ${size}\n`)
  }
}

try {
  await Promise.all([appendForEver(), appendForEver(), appendForEver(), appendForEver()])
} catch (error) {
  const code = error instanceof Error && 'code' in error && isErrorCode(error.code) ? error.code : 'unknown'
  writeSync(1, `error ${code}\n`)
  process.exit()
}
