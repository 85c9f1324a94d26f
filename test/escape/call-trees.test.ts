import { afterAll, beforeAll, expect, test } from 'vitest'
import { startHost, type TestHost } from '../support/host.ts'
import { longTest } from '../support/long.ts'

/** Many times what measuring adds, so that using it twice shows. */
const CPU_MS = 400
const OPS = 60

/**
 * Each plugin of a chain has a database of its own and may use as much as its root. `spin` uses CPU time until
 * somebody stops it, or for as long as told; it measures with what it does, since clocks stand still.
 */
const CHAIN = `
  import { query, t } from '@lyceum/sdk'
  const spin = (rounds) => { let x = 0; for (let n = 0; n < rounds * 1e5; n++) x = (x + n) % 7; return x }
  const deeper = (self, how, rounds, n) => self[how]({ rounds, n: n - 1 })
  const params = { rounds: t.number(), n: t.number() }

  export const before = query({ params }, async ({ plugins: { self }, params: { rounds, n } }) => {
    spin(rounds)
    return n === 0 ? 0 : deeper(self, 'before', rounds, n)
  })
  export const after = query({ params }, async ({ plugins: { self }, params: { rounds, n } }) => {
    if (n > 0) await deeper(self, 'after', rounds, n)
    return spin(rounds)
  })
  export const beside = query({ params }, async ({ plugins: { self }, params: { rounds, n }, db }) => {
    const asked = n > 0 ? deeper(self, 'beside', rounds, n) : undefined
    spin(rounds / 2)
    await db.collection('a').findOne()
    spin(rounds / 2)
    return asked
  })
  export const shared = query({ params }, async ({ plugins: { self }, params: { rounds, n } }) => {
    globalThis.later ??= []
    if (n === 0) { for (const go of globalThis.later) go(); return 0 }
    const gone = new Promise((resolve) => globalThis.later.push(resolve)).then(() => spin(rounds))
    return (await Promise.all([deeper(self, 'shared', rounds, n), gone]))[0]
  })
  export const reads = query({ params }, async ({ plugins: { self }, params: { rounds, n }, db }) => {
    for (let i = 0; i < rounds; i++) await db.collection('a').findOne()
    return n === 0 ? 0 : deeper(self, 'reads', rounds, n)
  })
  export const readsAfter = query({ params }, async ({ plugins: { self }, params: { rounds, n }, db }) => {
    if (n > 0) await deeper(self, 'readsAfter', rounds, n)
    for (let i = 0; i < rounds; i++) await db.collection('a').findOne().catch(() => {})
    return 'done'
  })
  export const besides = query(async ({ plugins: { self }, db }) => {
    const asked = [self.one(), self.one(), self.one()]
    const read = db.collection('a').findOne()
    return [await read, ...await Promise.all(asked), await self.one()]
  })
  export const one = query(() => 1)
`

let lyceum: TestHost
beforeAll(async () => {
  lyceum = await startHost()
  await lyceum.publish('chain', CHAIN)
  const body = { cpuMsPerCall: CPU_MS, opsPerCall: OPS, wallMs: 60_000 }
  await lyceum.call('PATCH', '/v1/plugins/chain/quota', { body })
})
afterAll(() => lyceum.dispose())

const ask = (path: string) => lyceum.call('GET', `/v1/queries/chain/${path}`)
const used = async () => (await lyceum.call('GET', '/v1/plugins/chain')).json.usage

/** How many rounds use about a share of the quota: found by asking, since machines differ. */
async function roundsFor(share: number): Promise<number> {
  for (let rounds = 8; ; rounds *= 2) {
    const { cpuMs } = await used()
    await ask(`before?rounds=${rounds}&n=0`)
    const tookMs = (await used()).cpuMs - cpuMs
    if (tookMs > CPU_MS / 8) return Math.ceil((rounds * share * CPU_MS) / tookMs)
  }
}

longTest(
  'what a chain of calls uses is one budget, whether they use it before, after or beside what they ask',
  async () => {
    // Alone each is far within its quota; the five of a chain are far beyond it.
    const rounds = await roundsFor(0.6)
    for (const how of ['before', 'after', 'beside', 'shared']) {
      const before = await used()
      const { json, text } = await ask(`${how}?rounds=${rounds}&n=4`)
      expect([how, json?.code ?? text]).toEqual([how, 'over_cpu'])
      const { cpuMs } = await used()
      // One budget, and what is noticed late; five of them were possible.
      expect(cpuMs - before.cpuMs, how).toBeLessThan(2 * CPU_MS)
    }
    // One tree costs one strike at most, however many of its calls meet the end of the budget.
    const { conduct } = (await lyceum.call('GET', '/v1/plugins/chain')).json
    expect(conduct.strikes).toBeLessThanOrEqual(4)
    expect((await ask('one')).json).toBe(1)
  },
)

longTest('a chain within the budget is answered', async () => {
  const rounds = await roundsFor(0.05)
  for (const how of ['before', 'after', 'beside'])
    expect((await ask(`${how}?rounds=${rounds}&n=4`)).status, how).toBe(200)
})

test('so are ops: those of all calls count, be they caught', async () => {
  expect((await ask('reads?rounds=8&n=4')).json).toBe(0)
  for (const how of ['reads', 'readsAfter']) {
    const before = await used()
    expect((await ask(`${how}?rounds=30&n=4`)).json.code, how).toBe('over_ops')
    // Ops that are refused count too; each call stops at its own budget.
    expect((await used()).ops - before.ops, how).toBeLessThan(3 * OPS)
  }
})

test('who asks several plugins at once, and its database meanwhile, gets all answers', async () => {
  expect((await ask('besides')).json).toEqual([null, 1, 1, 1, 1])
})
