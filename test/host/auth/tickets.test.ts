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
      expect(readTicket(keys, issueTicket(keys, ticket))).toEqual(ticket)
    },
  )

  test('is good for a minute', async () => {
    const keys = await keysOf()
    vi.useFakeTimers({ toFake: ['performance'] })
    const ticket = issueTicket(keys, TICKET)
    vi.advanceTimersByTime(59_000)
    expect(readTicket(keys, ticket)).toEqual(TICKET)
    vi.advanceTimersByTime(2_000)
    expect(() => readTicket(keys, ticket)).toThrow(expect.objectContaining({ code: 'token_expired' }))
  })

  test('is good on its own host only, and not if a character is changed', async () => {
    const keys = await keysOf()
    const ticket = issueTicket(keys, TICKET)
    const others = await keysOf()
    expect(() => readTicket(others, ticket)).toThrow(expect.objectContaining({ code: 'token_invalid' }))
    const changed = ticket.replace(/.(?=.{30}$)/, (character) => (character === 'A' ? 'B' : 'A'))
    expect(() => readTicket(keys, changed)).toThrow(expect.objectContaining({ code: 'token_invalid' }))
  })

  test('is no token, and a token is no ticket', async () => {
    const keys = await keysOf()
    await expect(verifyToken(keys, issueTicket(keys, TICKET))).rejects.toMatchObject({
      code: 'token_invalid',
    })
    const token = await issueToken(keys, { role: 'admin' }, 60)
    expect(() => readTicket(keys, token)).toThrow(expect.objectContaining({ code: 'token_invalid' }))
  })

  test('is refused as one text among all others', async () => {
    const keys = await keysOf()
    const id = Buffer.from(keys.signing.id).toString('base64url')
    for (const text of [
      '',
      '.',
      id,
      `${id}.`,
      `${id}.AAAA`,
      `${id}.${'A'.repeat(60)}`,
      '..',
      'x'.repeat(9_000),
    ])
      expect(() => readTicket(keys, text)).toThrow(expect.objectContaining({ code: 'token_invalid' }))
  })
})
