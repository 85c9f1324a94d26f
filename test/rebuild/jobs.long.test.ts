import { afterAll, beforeAll, expect } from 'vitest'
import type { PluginStore } from '../../host/storage/plugin-store.ts'
import { startHost, type TestHost } from '../support/host.ts'
import { longTest } from '../support/long.ts'
import { ask, ended, plays, rebuilt } from './support.ts'

let lyceum: TestHost
beforeAll(async () => {
  lyceum = await startHost()
})
afterAll(() => lyceum.dispose())

/** A plugin with a handler, and a job that writes how much there is, having asked `asks`. */
const digesting = (names = '', asks = '') => `
  import { cron, onEvent, query } from '@lyceum/sdk'
  export const count = onEvent('play_video', ({ events, db }) =>
    db.collection('n').updateOne({ _id: 'n' }, { $inc: { n: events.length } }, { upsert: true }))
  export const digest = cron('0 0 1 1 *', async ({ db, plugins: { ${names} } }) => {
    ${asks}
    await db.collection('n').insertOne({ _id: 'digest', n: (await db.collection('n').findOne({ _id: 'n' })).n })
  })
  export const digested = query(async ({ db }) => (await db.collection('n').findOne({ _id: 'digest' }))?.n ?? null)`

const waitsFor = async (id: string) => (await lyceum.call('GET', `/v1/plugins/${id}/rebuild`)).json.waitsFor
const change = (id: string, action: string, body?: object) =>
  lyceum.call('POST', `/v1/plugins/${id}/${action}`, { body })

longTest(
  'a job that asks a plugin which is paused, or may not be asked any more, is waited for',
  async () => {
    await lyceum.publish('asked', `import { query } from '@lyceum/sdk'\nexport const one = query(() => 1)`)
    await lyceum.publish('asking', digesting('asked', 'await asked.one()'))
    await lyceum.send(plays(3))
    await change('asked', 'pause')
    await change('asking', 'rebuild')
    await expect.poll(() => waitsFor('asking'), { timeout: 10_000 }).toContain('asked is paused')
    await change('asking', 'revoke', { needs: ['plugins.asked'] })
    await expect
      .poll(() => waitsFor('asking'), { timeout: 10_000 })
      .toContain('digest may not run. It needs what is not approved')
    await change('asked', 'resume')
    await change('asking', 'approve')
    expect(await ended(lyceum, 'asking')).toMatchObject({ state: 'done', waitsFor: null })
    expect(await ask(lyceum, 'asking', 'digested')).toBe(lyceum.host.log.head())
  },
)

/** Has something done just before the job begins for the first time in the data that are built. */
function atJob(id: string, work: () => void): void {
  const { stores } = lyceum.host
  const plugin = stores.plugin.bind(stores)
  let isFirst = true
  const met = new Set<PluginStore>()
  stores.plugin = (...asked) => {
    const store = plugin(...asked)
    if (asked[0] !== id || asked[1] !== 2 || met.has(store)) return store
    met.add(store)
    const claim = store.claim.bind(store)
    store.claim = (about) => {
      if (isFirst && about.cursor === 'digest/cron') {
        isFirst = false
        work()
      }
      return claim(about)
    }
    return store
  }
}

longTest('a job whose plugin has used up its CPU time is waited for', async () => {
  await lyceum.publish('thrifty', digesting())
  await lyceum.settled()
  const { cpuRates } = lyceum.host
  const waitMs = cpuRates.waitMs.bind(cpuRates)
  let left = 0
  cpuRates.waitMs = (plugin, quotaMs) => (plugin === 'thrifty' && left-- > 0 ? 1 : waitMs(plugin, quotaMs))
  // More often than what is lost would be tried again.
  atJob('thrifty', () => {
    left = 8
  })
  expect(await rebuilt(lyceum, 'thrifty')).toMatchObject({ state: 'done' })
  expect(left).toBeLessThan(0)
  expect(await ask(lyceum, 'thrifty', 'digested')).toBe(lyceum.host.log.head())
})

longTest('a store that is lost just when a job begins costs the rebuild nothing', async () => {
  await lyceum.publish('unlucky', digesting())
  await lyceum.settled()
  atJob('unlucky', () => {
    for (const pid of lyceum.host.stores.pids) process.kill(pid, 'SIGKILL')
  })
  expect(await rebuilt(lyceum, 'unlucky')).toMatchObject({ state: 'done' })
  expect(await ask(lyceum, 'unlucky', 'digested')).toBe(lyceum.host.log.head())
})
