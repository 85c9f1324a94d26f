import { z } from 'zod'
import type { EventLog } from '../../host/events/log.ts'

const LOOKED_AT = 5_000
const LOOKED_AT_CHARS = 16 * 1024 * 1024
const MOST_USERS = 200
const Row = z.object({ props: z.object({ user: z.string() }) })

/** Some of the people whom the first events of a log name, so that a viewer can be chosen. */
export function usersIn(log: Pick<EventLog, 'read'>): string[] {
  const users = new Set<string>()
  for (const { text } of log.read(0, LOOKED_AT, LOOKED_AT_CHARS)) {
    const row = Row.safeParse(JSON.parse(text))
    if (row.success) users.add(row.data.props.user)
    if (users.size === MOST_USERS) break
  }
  return [...users].sort()
}
