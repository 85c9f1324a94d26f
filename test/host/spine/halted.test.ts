import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LIMITS } from '../../../host/limits.ts'
import { startHost, type TestHost } from '../../support/host.ts'

let it: TestHost
beforeAll(async () => {
  it = await startHost()
})
afterAll(() => it.dispose())

const show = async (id: string) => (await it.call('GET', `/v1/plugins/${id}`)).json
const seen = async (id: string) => (await it.call('GET', `/v1/queries/${id}/seen`)).json
const pages = (type: string, from: number, count: number) =>
  Array.from({ length: count }, (_, at) => ({ id: `${type}${from + at}`, event_type: type, n: from + at }))
const source = (type: string, fails: string) => `import { onEvent, query } from '@lyceum/sdk'
  export const keep = onEvent({ where: { event_type: '${type}' } }, async ({ event, db }) => {
    if (${fails}) throw new Error('cannot read ' + event.n)
    await db.collection('seen').insertOne({ _id: event.id })
  })
  export const other = onEvent({ where: { event_type: '${type}' } }, async ({ events, db }) => {
    for (const e of events) await db.collection('other').insertOne({ _id: e.id })
  })
  export const seen = query(async ({ db }) => ({
    kept: await db.collection('seen').countDocuments(), other: await db.collection('other').countDocuments(),
  }))`

describe('a handler that fails on event after event', () => {
  const events = LIMITS.failuresInARow + 50

  test('stands still after a bounded number of them, says so, and holds up no other', async () => {
    await it.publish('broken', source('broken', 'true'))
    await it.send(pages('broken', 0, events))
    const { cursors, deadLetters, state } = await show('broken')
    expect(state).toBe('active')
    expect(deadLetters).toBe(LIMITS.failuresInARow)
    expect(cursors).toMatchObject([
      {
        endpoint: 'keep',
        state: 'halted',
        cursor: LIMITS.failuresInARow,
        lastError: { code: 'handler_halted' },
      },
      { endpoint: 'other', state: 'idle', cursor: events },
    ])
    expect(cursors[0].lastError.message).toMatch(/cannot read 99.*resume the plugin/)
    expect(await seen('broken')).toEqual({ kept: 0, other: events })
    const { lines } = (await it.call('GET', '/v1/plugins/broken/logs')).json
    expect(lines).toContainEqual(
      expect.objectContaining({ line: expect.stringMatching(/keep stands still/) }),
    )
  })

  test('takes no more of them, whatever comes', async () => {
    await it.send(pages('broken', events, 20))
    expect((await show('broken')).deadLetters).toBe(LIMITS.failuresInARow)
  })

  test('stands still after a restart, too, and after one more', async () => {
    const before = (await show('broken')).cursors[0]
    for (let restarts = 0; restarts < 2; restarts++) {
      await it.close()
      it = await startHost(it.dataDir)
      await it.send(pages('broken', events + 20 + restarts, 1))
    }
    const { cursors, deadLetters } = await show('broken')
    expect(deadLetters).toBe(LIMITS.failuresInARow)
    expect(cursors[0]).toEqual({ ...before, lag: before.lag + 2 })
  })

  test('tries as many again when it is resumed', async () => {
    await it.call('POST', '/v1/plugins/broken/resume')
    await it.settled()
    const { cursors, deadLetters } = await show('broken')
    expect(deadLetters).toBe(events + 22)
    expect(cursors[0]).toMatchObject({ state: 'idle', cursor: events + 22 })
  })

  test('loses nothing: a version that handles them has the rest, and the dead letters can be retried', async () => {
    await it.publish('mended', source('mended', 'true'))
    await it.send(pages('mended', 0, events))
    expect((await show('mended')).cursors[0].state).toBe('halted')
    await it.publish('mended', source('mended', 'false'), { version: '1.0.1' })
    await it.settled()
    expect((await seen('mended')).kept).toBe(events - LIMITS.failuresInARow)
    await it.call('POST', '/v1/plugins/mended/dead-letters/retry')
    expect(await seen('mended')).toEqual({ kept: events, other: events })
    expect((await show('mended')).deadLetters).toBe(0)
  })

  test('goes on where some of them can be handled in between', async () => {
    await it.publish('patchy', source('patchy', 'event.n % 50 !== 0'))
    await it.send(pages('patchy', 0, events))
    const { cursors, deadLetters } = await show('patchy')
    expect(cursors[0].state).toBe('idle')
    expect(deadLetters + (await seen('patchy')).kept).toBe(events)
  })
})
