import { afterEach, describe, expect, test, vi } from 'vitest'
import { loadKeys } from '../../../host/auth/keys.ts'
import { issueTicket, readTicket, type Ticket } from '../../../host/auth/tickets.ts'
import { issueToken, toCaller, verifyToken } from '../../../host/auth/tokens.ts'
import { claimsOf, tempDir } from './support.ts'

const keysOf = async () => loadKeys(await tempDir())

const TICKET: Ticket = {
  caller: toCaller({ ...claimsOf('instructor'), plugins: ['video'] }),
  plugin: 'video',
  view: 'popular',
  asked: [['course', 'c1']],
}

afterEach(() => void vi.useRealTimers())

describe('the ticket of a frame', () => {
  test.each([TICKET, { ...TICKET, caller: toCaller({ role: 'admin' }), asked: [] }])(
    'carries who asks for what',
    async (ticket) => {
      const keys = await keysOf()
      expect(await readTicket(keys, await issueTicket(keys, ticket))).toEqual(ticket)
    },
  )

  test('is good for a minute', async () => {
    const keys = await keysOf()
    vi.useFakeTimers({ toFake: ['Date'] })
    const ticket = await issueTicket(keys, TICKET)
    vi.advanceTimersByTime(59_000)
    await readTicket(keys, ticket)
    vi.advanceTimersByTime(2_000)
    await expect(readTicket(keys, ticket)).rejects.toMatchObject({ code: 'token_expired' })
  })

  test('is good on its own host only, and not if a character is changed', async () => {
    const keys = await keysOf()
    const ticket = await issueTicket(keys, TICKET)
    await expect(readTicket(await keysOf(), ticket)).rejects.toMatchObject({ code: 'token_invalid' })
    const changed = ticket.replace(/.(?=.{30}$)/, (character) => (character === 'A' ? 'B' : 'A'))
    await expect(readTicket(keys, changed)).rejects.toMatchObject({ code: 'token_invalid' })
  })

  test('is no token, and a token is no ticket', async () => {
    const keys = await keysOf()
    await expect(verifyToken(keys, await issueTicket(keys, TICKET))).rejects.toMatchObject({
      code: 'token_invalid',
    })
    const token = await issueToken(keys, { role: 'admin' }, 60)
    await expect(readTicket(keys, token)).rejects.toMatchObject({ code: 'token_invalid' })
  })
})
