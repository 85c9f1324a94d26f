import { join } from 'node:path'
import { afterAll, expect, test, vi } from 'vitest'
import { Machine } from '../kill/spawned.ts'
import { spawnHost } from '../support/spawned-host.ts'
import { mountSmallDisk } from './small-disk.ts'

const MB = 1024 * 1024
// Where a file's tests are all skipped, nothing that is to run after them does.
const disk = process.env.LYCEUM_SOAK === undefined ? undefined : mountSmallDisk(64)
if (disk === undefined)
  console.log(
    'A small disk is mounted with LYCEUM_SOAK=1 only, where that is allowed: its tests are skipped.',
  )
afterAll(() => disk?.remove())

const PLUGIN = `import { onEvent, query } from '@lyceum/sdk'
export const keep = onEvent('note', async ({ events, db }) => {
  for (const e of events) {
    await db.collection('notes').insertOne({ _id: e.id, text: e.event.text })
    await db.collection('totals').updateOne({ _id: 'notes' }, { $inc: { n: 1 } }, { upsert: true })
  }
})
export const total = query(async ({ db }) => (await db.collection('totals').findOne({ _id: 'notes' }))?.n ?? 0)
export const notes = query(({ db }) => db.collection('notes').countDocuments())`

const WAITING = 4_000
const noteOf = (at: number) => ({ id: `n${at}`, event_type: 'note', event: { text: `${at} `.repeat(500) } })
const notes = (first: number) => Array.from({ length: 100 }, (_, at) => noteOf(first + at))

test.runIf(disk !== undefined)(
  'a full disk stops events first and loses none, and all goes on once there is room again',
  async () => {
    if (disk === undefined) return
    const dataDir = join(disk.folder, 'data')
    const machine = await Machine.start(dataDir)
    const ask = async (name: string) => (await machine.call('GET', `/v1/queries/keeper/${name}`)).json
    const status = async () => {
      const { json } = await machine.call('GET', '/v1/plugins/keeper')
      return json as {
        deadLetters: number
        state: string
        cursors: { lastError?: { code: string } }[]
      }
    }
    try {
      await machine.publish('keeper', PLUGIN)
      let accepted = 0
      const send = async () => {
        const answer = await machine.call('POST', '/v1/events', notes(accepted))
        if (answer.status === 202) accepted += 100
        return answer
      }
      await send()
      await machine.caughtUp('keeper')

      // Events wait for the plugin, so that it has to write when events are refused already.
      await machine.call('POST', '/v1/plugins/keeper/pause')
      disk.fill(8 * MB)
      let refused = await send()
      while (refused.status === 202) refused = await send()
      expect(refused).toMatchObject({
        status: 507,
        json: { code: 'disk_full', detail: expect.stringMatching(/nearly full.*again later/) },
      })
      expect(accepted).toBeGreaterThan(100)
      expect((await machine.call('GET', '/readyz')).json).toEqual({
        status: 'ready',
        events: 'refused: disk_full',
      })
      await machine.call('POST', '/v1/plugins/keeper/resume')
      await machine.caughtUp('keeper')
      expect(await ask('total')).toBe(accepted)
      expect((await send()).status).toBe(507)
      const handled = accepted

      disk.empty()
      await machine.call('POST', '/v1/plugins/keeper/pause')
      await vi.waitUntil(async () => (await send()).status === 202, 10_000)
      // More than fits into the room that its write-ahead log has taken already.
      while (accepted < handled + WAITING) expect((await send()).status).toBe(202)
      disk.fill(MB / 4)
      expect((await machine.call('POST', '/v1/plugins/keeper/resume')).status).toBe(200)
      await vi.waitUntil(async () => (await status()).cursors[0]?.lastError?.code === 'disk_full', 20_000)
      expect(await status()).toMatchObject({ deadLetters: 0, state: 'active' })
      disk.fill(0)
      expect((await machine.call('GET', '/healthz')).status).toBe(200)
      const total = Number(await ask('total'))
      expect(total).toBeGreaterThanOrEqual(handled)
      expect(total).toBeLessThan(accepted)
      expect(await machine.call('POST', '/v1/plugins/other/versions', otherVersion)).toMatchObject({
        status: 507,
        json: { code: 'disk_full' },
      })

      disk.empty()
      await machine.caughtUp('keeper')
      expect(await status()).toMatchObject({ deadLetters: 0, state: 'active' })
      expect(await ask('total')).toBe(accepted)
      expect(await ask('notes')).toBe(accepted)
      expect((await send()).status).toBe(202)
      expect((await machine.call('POST', '/v1/plugins/other/versions', otherVersion)).status).toBe(201)
      expect((await machine.call('GET', '/readyz')).json).toEqual({ status: 'ready' })

      await machine.host.stop('SIGTERM')
      disk.fill(0)
      await expect(spawnHost(dataDir)).rejects.toThrow(
        /disk_full: The disk of the data folder is full\. Make room/,
      )
      disk.empty()
      await machine.restart()
      await machine.caughtUp('keeper')
      expect(await ask('total')).toBe(accepted)
    } finally {
      await machine.kill().catch(() => {})
    }
  },
)

const otherVersion = {
  bundle: `import { query } from '@lyceum/sdk'\nexport const one = query(() => 1)`,
  package: { name: 'other', version: '1.0.0' },
}
