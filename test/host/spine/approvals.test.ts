import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startHost, type TestHost } from '../../support/host.ts'

const ASKER = `
  import { onEvent, query } from '@lyceum/sdk'
  export const said = query(({ plugins: { source } }) => source.said())
  export const slow = query(async ({ plugins: { source, self } }) => {
    await source.said()
    await self.gate()
    return source.said()
  })
  export const gate = query(({ db }) => db.collection('gate').countDocuments())
  export const own = query(() => 'own')
  export const take = onEvent('take', async ({ events, plugins: { source }, db }) => {
    for (const e of events) await db.collection('taken').insertOne({ said: await source.said() })
  })
  export const taken = query(({ db }) => db.collection('taken').countDocuments())`
const SOURCE = "import { query } from '@lyceum/sdk'\nexport const said = query(() => 's')"

let lyceum: TestHost
let ann: string
beforeAll(async () => {
  lyceum = await startHost()
  ann = await lyceum.token({ role: 'author', user: 'ann' })
  await lyceum.publish('source', SOURCE)
  await lyceum.publish('other', SOURCE)
  await lyceum.publish('asker', ASKER, { token: ann })
  await post('asker/approve')
})
afterAll(() => lyceum.dispose())

const post = (path: string, body?: object, token?: string) =>
  lyceum.call('POST', `/v1/plugins/${path}`, { ...(body && { body }), ...(token && { token }) })
const shown = async (id: string) => (await lyceum.call('GET', `/v1/plugins/${id}`, { token: ann })).json
const ask = async (path: string) => {
  const { status, json } = await lyceum.call('GET', `/v1/queries/${path}`)
  return status === 200 ? json : json.code
}

describe('a pending version', () => {
  const more =
    `${ASKER.replace("query(() => 'own')", "query({ title: 'Own' }, () => 2)").replace('export const gate', 'const gate')}
    export const both = query(({ plugins: { other } }) => other.said())`.replace('await self.gate()', '')

  test('tells its author and the admin what it would change, while the old one runs', async () => {
    const published = await lyceum.publish('asker', more, { version: '2.0.0', token: ann })
    const pending = {
      version: '2.0.0',
      needs: ['plugins.other'],
      approved: ['plugins.source'],
      endpoints: { added: ['both'], removed: ['gate'], changed: ['own'] },
    }
    expect(published.json).toMatchObject({ approval: 'pending', pending })
    expect(await shown('asker')).toMatchObject({ version: '1.0.0', state: 'active', pending })
    expect(await ask('asker/own')).toBe('own')
  })

  test('is approved by its name only while it is the newest: an author cannot ask for more meanwhile', async () => {
    const early = await post('asker/approve', { version: '1.0.0' })
    expect([early.status, early.json.code]).toEqual([409, 'version_newer'])
    expect(early.json.detail).toContain('Version 2.0.0 of asker was published meanwhile')
    expect(await shown('asker')).toMatchObject({ version: '1.0.0', pending: { needs: ['plugins.other'] } })
  })

  test('is denied with a reason that its author reads, and waits on', async () => {
    expect((await post('asker/deny', { reason: 'Not this term.' }, ann)).json.code).toBe('role_denied')
    expect((await post('asker/deny', { reason: ' ' })).json.code).toBe('bad_parameter')
    const denied = await post('asker/deny', { reason: 'Not this term.' })
    expect(denied.json).toEqual({ plugin: 'asker', version: '1.0.0', state: 'active' })
    expect((await shown('asker')).pending).toMatchObject({ version: '2.0.0', denied: 'Not this term.' })
    const again = await lyceum.publish('asker', more, { version: '2.0.0', token: ann })
    expect(again.json).toMatchObject({ approval: 'pending', pending: { denied: 'Not this term.' } })
  })

  test('is approved in spite of that, which takes the reason away', async () => {
    // Many clients name a type also where they send nothing.
    const headers = { 'content-type': 'application/json' }
    const { json } = await lyceum.call('POST', '/v1/plugins/asker/approve', { headers })
    expect(json).toMatchObject({ version: '2.0.0', needs: [] })
    expect(await ask('asker/both')).toBe('s')
    expect((await shown('asker')).pending).toBeNull()
  })

  test('is needed for a denial', async () => {
    expect((await post('asker/deny', { reason: 'x' })).json.code).toBe('nothing_pending')
  })
})

describe('an approval that is taken back', () => {
  test('is one that was given, and an admin does it', async () => {
    expect((await post('asker/revoke', { needs: ['plugins.source'] }, ann)).json.code).toBe('role_denied')
    const typo = await post('asker/revoke', { needs: ['plugins.source', 'plugins.othr'] })
    expect([typo.status, typo.json.code]).toEqual([400, 'bad_parameter'])
    expect(typo.json.detail).toContain('Did you mean `plugins.other`?')
    expect((await shown('asker')).granted).toEqual(['plugins.other', 'plugins.source'])
  })

  test('ends what it allowed and nothing else: handlers wait with their events, none of which is put aside', async () => {
    await lyceum.send([{ event_type: 'take' }])
    expect(await ask('asker/taken')).toBe(1)
    const answer = await post('asker/revoke', { needs: ['plugins.source'] })
    expect(answer.json).toMatchObject({ state: 'active', version: '2.0.0', granted: ['plugins.other'] })
    expect([await ask('asker/said'), await ask('asker/own')]).toEqual(['op_denied', 2])
    await lyceum.send([{ event_type: 'take' }, { event_type: 'take', n: 2 }])
    const { cursors, deadLetters, pending } = await shown('asker')
    expect(cursors).toMatchObject([{ endpoint: 'take', state: 'stopped', lag: 2 }])
    expect(deadLetters).toBe(0)
    expect(pending).toMatchObject({ version: '2.0.0', needs: ['plugins.source'] })
  })

  test('can be given again: what waited is handled', async () => {
    await post('asker/approve')
    await lyceum.settled()
    expect(await ask('asker/taken')).toBe(3)
    expect(await ask('asker/said')).toBe('s')
  })

  test('is given again, too, where an admin publishes the version that runs', async () => {
    const hears = `import { onEvent, query } from '@lyceum/sdk'
      export const hear = onEvent('hear', async ({ events, plugins: { source }, db }) => {
        for (const e of events) await db.collection('heard').insertOne({ n: e.n, said: await source.said() })
      })
      export const heard = query(({ db }) => db.collection('heard').countDocuments())`
    await lyceum.publish('again', hears)
    await post('again/revoke', { needs: ['plugins.source'] })
    await lyceum.send([{ event_type: 'hear' }])
    expect(await ask('again/heard')).toBe(0)
    await lyceum.publish('again', hears)
    await lyceum.settled()
    expect(await ask('again/heard')).toBe(1)
  })

  test('is taken from calls that are under way', async () => {
    const slow = `import { query } from '@lyceum/sdk'
      export const said = query(async ({ plugins: { source } }) => {
        let times = 0
        try {
          for (;;) { await source.said(); times += 1 }
        } catch (error) { return [times > 0, error.code] }
      })`
    await lyceum.publish('patient', slow)
    await lyceum.call('PATCH', '/v1/plugins/patient/quota', { body: { opsPerCall: 1_000_000 } })
    const asked = ask('patient/said')
    const calls = () => lyceum.host.plugins.active().get('source')?.usage.calls ?? 0
    const before = calls()
    while (calls() < before + 3) await new Promise((resolve) => setTimeout(resolve, 1))
    await post('patient/revoke', { needs: ['plugins.source'] })
    expect(await asked).toEqual([true, 'op_denied'])
  })
})
