import { streamSSE } from 'hono/streaming'
import type { App } from '../app.ts'
import { readTicket } from '../auth/tickets.ts'
import type { Progress } from '../capabilities/progress.ts'
import type { Host } from '../host.ts'
import type { ViewProgress } from '../pages/view-progress.ts'

/** A view may tell of its progress thousands of times a second; a page is told this often. */
const TELL_EVERY_MS = 100

/** How far a view is, for the page around its frame: events until there is nothing more to wait for. */
export function addViewProgress(app: App, host: Host, progress: ViewProgress): void {
  app.get('/progress/:ticket', (c) => {
    const ticket = c.req.param('ticket')
    readTicket(host.keys, ticket)
    let latest: Progress | undefined
    let isOver = false
    let wake: () => void = () => {}
    const stop = progress.watch(ticket, (told) => {
      if (told === 'over') isOver = true
      else latest = told
      wake()
    })
    // The status with which an EventSource does not come back.
    if (stop === undefined) return c.body(null, 204)
    return streamSSE(c, async (out) => {
      out.onAbort(() => {
        isOver = true
        wake()
      })
      try {
        while (!isOver) {
          if (latest === undefined)
            await new Promise<void>((resolve) => {
              wake = resolve
            })
          if (latest === undefined) continue
          const data = JSON.stringify(latest)
          latest = undefined
          await out.writeSSE({ data })
          await out.sleep(TELL_EVERY_MS)
        }
        await out.writeSSE({ event: 'over', data: '' })
      } finally {
        stop()
      }
    })
  })
}
