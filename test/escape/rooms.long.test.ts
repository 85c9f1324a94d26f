import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { claimsSchema } from '../../host/auth/tokens.ts'
import type { OpName } from '../../sandbox/protocol.ts'
import { gateOf } from '../cache/gate.ts'
import { forge, type Send } from '../support/forge.ts'
import { startHost, type TestHost } from '../support/host.ts'

/** In everything that the victim has. Whoever else gets to see it has got into its room. */
const CANARY = 'canary-5f1d'
const GUEST_BATCHES = 6
const FORGED_BATCHES = 18
const NAMES_PER_BATCH = 30
const TRIES = 10_000

const VICTIM = `
  import { collection, onEvent, query, t } from '@lyceum/sdk'
  const asked = { cacheSeconds: 600 }
  const secret = { secret: '${CANARY}' }
  export const secrets = collection({ indexes: [{ secret: 1 }], read: ['report'] })
  export const plant = onEvent('plant', async ({ events, db, fs, cache, log }) => {
    await db.collection('secrets').insertOne({ _id: 'secret', ...secret })
    await fs.write('secret.txt', '${CANARY}')
    await fs.write('deep/secret.txt', '${CANARY}')
    await cache.set('secret', secret, { seconds: 600 })
    log('${CANARY}')
  })
  export const kept = query(({ cache }) => cache.get('secret'))
  export const file = query(({ fs }) => fs.readText('secret.txt'))
  export const found = query(({ db }) => db.collection('secrets').findOne())
  export const flying = query(({ cache, db }) => cache.memoize('flying', 600, async () => {
    await db.collection('secrets').countDocuments()
    return secret
  }))
  export const top = query(asked, () => secret)
  export const mine = query(asked, ({ user }) => ({ user, ...secret }))
`
const ATTACKER = `
  import { onEvent, query } from '@lyceum/sdk'
  export const stands = query(({ db, fs, cache, log, plugins: { self } }) => 1)
  export const attack = onEvent('attack', async ({ event, db, fs, cache, plugins: { self } }) => {
    const seen = []
    const attempt = async (name, read) => {
      tries += 1
      try { if (JSON.stringify(await read()).includes('${CANARY}')) seen.push(name) } catch {}
    }
    for (const name of event.names) await Promise.all([
      attempt('db ' + name, () => db.collection(name).find().toArray()),
      attempt('lookup ' + name, () => db.collection('own').aggregate([{ $lookup: { from: name, pipeline: [], as: 'all' } }]).toArray()),
      attempt('fs ' + name, () => fs.readText(name)),
      attempt('list ' + name, () => fs.list(name)),
      attempt('cache ' + name, () => cache.get(name)),
      attempt('memoize ' + name, () => cache.memoize(name, 1, () => 1)),
      attempt('self ' + name, () => self[name]()),
      attempt('collection ' + name, () => self.collection(name).findOne()),
    ])
    await db.collection('seen').insertOne({ _id: event.id, seen, tries })
    tries = 0
  })
  let tries = 0
  export const prepare = onEvent('prepare', async ({ events, db }) => { await db.collection('own').insertOne({ n: 1 }) })
  export const seen = query(({ db }) => db.collection('seen').find().toArray())
`
let lyceum: TestHost
let tries = 0
beforeAll(async () => {
  lyceum = await startHost()
  const author = await lyceum.token({ role: 'author', user: 'victor' })
  await lyceum.publish('victim', VICTIM, { token: author })
  await lyceum.publish('attacker', ATTACKER)
  await lyceum.call('PATCH', '/v1/plugins/attacker/quota', { body: { wallMs: 60_000, cpuMsPerCall: 20_000 } })
  await lyceum.send([{ event_type: 'plant' }, { event_type: 'prepare' }])
  for (const name of ['kept', 'file', 'found', 'top', 'mine?user=ann'])
    expect((await lyceum.call('GET', `/v1/queries/victim/${name}`)).text).toContain(CANARY)
})
afterAll(() => lyceum.dispose())

/** Names that somebody might try who knows how everything is stored. */
function inventedNames(): fc.Arbitrary<string> {
  const hash = lyceum.host.plugins.get('victim').code.hash.slice(0, 16)
  const words = (text: string) => text.trim().split(/\s+/)
  const known = fc.constantFrom(
    '',
    ...words('secret secrets secret.txt deep/secret.txt deep top mine found kept flying victim attacker'),
    ...words('victim.1 victim.1.db victim.2 plugins/victim.1.db registry.db events.db keys.json blobs files'),
    ...words('__proto__ constructor prototype toString self then system.indexes sqlite_master main'),
    ...words('documents cursors outbox lyceum * % _ $ . ..'),
  )
  const start = fc.constantFrom(
    ...words(
      '/ ./ ../ ../../ ..\\ %2e%2e%2f ..%252f \uff0e\uff0e/ file:// victim/ victim. victim: victim.1/',
    ),
    ...words('../victim/ ../victim.1/ plugins/victim/'),
    ...['\u0000', ' ', 'victim\u0000', `v/${hash}/1/0/`, `a/${hash}/1/0/0/`, `victim/v/${hash}/1/0/`],
  )
  const end = fc.constantFrom(
    '\u0000',
    '\u0000.txt',
    '/',
    '/.',
    ' ',
    '.',
    '%00',
    ';',
    '?',
    '#',
    '\n',
    "' OR 1=1 --",
  )
  const changed = fc.constantFrom<(name: string) => string>(
    (name) => name,
    (name) => name.toUpperCase(),
    (name) => name.normalize('NFKD'),
    (name) => encodeURIComponent(name),
    (name) =>
      [...name]
        .map((letter) =>
          letter.replace(/[a-z]/, (plain) => String.fromCharCode(plain.charCodeAt(0) + 0xfee0)),
        )
        .join(''),
    (name) => Buffer.from(name).toString('base64url'),
    (name) => `${name}\u0301`,
  )
  const or = (plain: string, other: fc.Arbitrary<string>) =>
    fc.oneof({ weight: 2, arbitrary: fc.constant(plain) }, { weight: 1, arbitrary: other })
  const asIs = fc.constant((name: string) => name)
  const change = fc.oneof({ weight: 2, arbitrary: asIs }, { weight: 1, arbitrary: changed })
  const made = fc
    .tuple(or('', start), known, or('', end), change)
    .map(([before, name, after, changeOf]) => changeOf(before + name + after))
  const anyText = fc
    .array(fc.integer({ min: 0, max: 0x10ffff }), { maxLength: 40 })
    .map((points) => String.fromCodePoint(...points))
  return fc.oneof(
    { weight: 3, arbitrary: known },
    { weight: 6, arbitrary: made },
    { weight: 1, arbitrary: anyText },
    { weight: 1, arbitrary: fc.string({ maxLength: 20 }) },
  )
}

function manyNames(): fc.Arbitrary<string[]> {
  return fc.array(inventedNames(), { minLength: NAMES_PER_BATCH, maxLength: NAMES_PER_BATCH })
}

/** Ops of the attacker that its guest would not send. */
function attack(work: (send: Send) => Promise<void>): Promise<void> {
  return forge(lyceum, 'attacker/stands', (send) =>
    work((name, payload) => {
      tries += 1
      return send(name, payload)
    }),
  )
}

/** What a process that has fallen to a plugin may say with a name. */
function payloadsWith(name: string): [OpName, string][] {
  const text = JSON.stringify(name)
  return [
    ['dbRead', `{"op":"find","collection":${text}}`],
    ['dbRead', `{"op":"find","collection":"secrets","db":${text},"path":${text},"plugin":${text}}`],
    ['dbRead', `{"db":"victim.1","collections":["secrets"]}\n{"op":"find","collection":${text}}`],
    ['dbRead', `{"op":"aggregate","collection":"own","pipeline":[{"$unionWith":${text}}]}`],
    ['fsRead', `{"path":${text},"as":"text"}`],
    ['fsRead', `{"path":"secret.txt","as":"text","db":${text},"generation":1}`],
    ['fsList', `{"prefix":${text}}`],
    ['cacheGet', `[${text}]`],
    ['cacheGet', `[${text},"victim"]`],
    ['cacheTake', `[${text},60]`],
    ['cacheSet', `[${text},60]\n"mine"`],
    ['cacheDelete', `[${text}]`],
    ['pluginAsk', `[${text},"top",{}]`],
    ['pluginAsk', `["victim",${text},{}]`],
    ['pluginAsk', `["self",${text},{"plugin":"victim"},{"cache":"only"}]`],
    ['pluginRead', `${name}\n{"op":"find","collection":"secrets"}`],
    ['pluginRead', `self\n{"op":"find","collection":${text}}`],
    ['pluginRead', `victim\n{"op":"find","collection":${text}}`],
    ['log', `{"level":"info","line":${text}}`],
  ]
}

describe('nothing of a plugin can be read by another', () => {
  test('through what a guest is given, by any name', async () => {
    const batches = fc.sample(manyNames(), { numRuns: GUEST_BATCHES })
    for (const [id, names] of batches.entries()) await lyceum.send([{ event_type: 'attack', id, names }])
    const { json } = await lyceum.call('GET', '/v1/queries/attacker/seen')
    expect(json).toHaveLength(GUEST_BATCHES)
    for (const { seen, tries: tried } of json) {
      expect(seen).toEqual([])
      tries += tried
    }
  })

  test('by ops that no guest would send', async () => {
    await fc.assert(
      fc.asyncProperty(manyNames(), (names) =>
        attack(async (send) => {
          const sent = names
            .flatMap(payloadsWith)
            .map(async ([op, payload]) => ({ op, payload, answer: await send(op, payload) }))
          for (const { op, payload, answer } of await Promise.all(sent))
            expect(answer, `${op} ${payload}`).not.toContain(CANARY)
        }),
      ),
      { numRuns: FORGED_BATCHES },
    )
  })

  test('over HTTP, with the token of another plugin’s author', async () => {
    const token = await lyceum.token({ role: 'author', user: 'mallory', plugins: ['attacker'] })
    const addresses = (name: string) => [
      `/v1/plugins/${name}/logs`,
      `/v1/plugins/attacker/logs/${name}`,
      `/v1/plugins/attacker%2f..%2f${name}/logs`,
      `/v1/plugins/${name}/files`,
      `/v1/queries/${name}/top`,
      `/v1/queries/attacker/${name}`,
      `/v1/queries/${name}`,
      `/files/attacker/${name}`,
      `/files/${name}/x`,
      `/v1/plugins/${name}/dead-letters`,
    ]
    await fc.assert(
      fc.asyncProperty(inventedNames(), async (name) => {
        const answers = addresses(encodeURIComponent(name.toWellFormed())).map((path) =>
          lyceum.call('GET', path, { token }),
        )
        for (const { text } of await Promise.all(answers)) expect(text, name).not.toContain(CANARY)
        tries += answers.length
      }),
      { numRuns: 60 },
    )
  })

  test('by the address of a file of one’s own', async () => {
    await attack(async (send) => {
      for (const name of fc.sample(inventedNames(), 50)) {
        const address = await send('fsUrl', JSON.stringify({ path: name }))
        if (!address.startsWith('/files/')) continue
        for (const path of [address, address.replace('/attacker/', '/victim/')])
          expect((await lyceum.call('GET', path)).text, name).not.toContain(CANARY)
      }
    })
  })

  test('while it is being computed: nobody of another plugin waits for it, or fills it in', async () => {
    const gate = gateOf(lyceum, 'victim')
    const reached = gate.shut()
    const flying = lyceum.call('GET', '/v1/queries/victim/flying')
    await reached
    await attack(async (send) => {
      expect(await send('cacheTake', '["flying",60]')).toMatch(/^\d+$/)
      for (let ticket = 0; ticket < 200; ticket++) await send('cacheFill', `[${ticket}]\n"forged"`)
    })
    gate.open()
    expect((await flying).json).toEqual({ secret: CANARY })
  })

  test('and all of it is as it was, after ten thousand tries', async () => {
    for (const name of ['kept', 'file', 'found', 'flying', 'top', 'mine?user=ann'])
      expect((await lyceum.call('GET', `/v1/queries/victim/${name}`)).text, name).toContain(CANARY)
    expect(tries).toBeGreaterThanOrEqual(TRIES)
    expect(lyceum.host.conduct.of('victim').strikes).toBe(0)
  })
})

/** What a handler destructures, and what it returns of that. */
const QUESTIONS = [
  ['Mine', 'user, params', '[user, params]'],
  ['InCourse', 'user, course, params', '[user, course, params]'],
  ['Whole', 'course, params', '[course, params]'],
  ['Anyones', 'params', 'params'],
  ['Who', 'viewer, params', '[viewer, params]'],
  [
    'Passed',
    'plugins: { self }, params',
    '[await self.who(), await self.mine().catch((error) => error.code), params]',
  ],
  ['PassedCourse', 'plugins: { self }', `self.whole({ course: 'x' }).catch((error) => error.code)`],
] as const
/** Each question twice: one keeps its answers, the other does not. */
const TWINS = `
  import { query, t } from '@lyceum/sdk'
  const about = { params: { who: t.string({ default: '' }), when: t.date().optional() } }
  ${QUESTIONS.map(
    ([name, asks, gives]) => `
  export const kept${name} = query({ cacheSeconds: 600, ...about }, async ({ ${asks} }) => ${gives})
  export const fresh${name} = query(about, async ({ ${asks} }) => ${gives})`,
  ).join('')}
  export const who = query({ cacheSeconds: 600 }, ({ viewer }) => viewer)
  export const mine = query({ cacheSeconds: 600 }, ({ user }) => user)
  export const whole = query({ cacheSeconds: 600 }, ({ course }) => course)
`

test('no viewer gets a kept answer that is another’s, whoever asked before, and however', async () => {
  await lyceum.publish('twins', TWINS)
  await lyceum.call('PATCH', '/v1/plugins/twins/quota', { body: { concurrentCalls: 256 } })
  const viewers = await Promise.all(
    [
      { role: 'student', user: 'ann', courses: ['x'] },
      { role: 'student', user: 'ann', courses: ['x', 'y'] },
      { role: 'student', user: 'ben', courses: ['x'] },
      { role: 'student', user: 'ben' },
      { role: 'instructor', user: 'ann', courses: ['x'] },
      { role: 'instructor', courses: ['y'] },
      { role: 'researcher', courses: ['x'] },
      { role: 'researcher', user: 'ben' },
      { role: 'author', user: 'ann', courses: ['y'] },
      { role: 'admin' },
    ].map((claims) => lyceum.token(claimsSchema.parse(claims))),
  )
  const value = fc.constantFrom(
    'ann',
    'ben',
    'x',
    'y',
    '',
    'ANN',
    'ann,ben',
    '["ann"]',
    '__proto__',
    '2026-01-01',
  )
  const given = fc.array(fc.tuple(fc.constantFrom('user', 'course', 'who', 'when', 'user'), value), {
    maxLength: 3,
  })
  const question = fc.record({
    name: fc.constantFrom(...QUESTIONS.map(([name]) => name)),
    token: fc.constantFrom(...viewers),
    given,
    control: fc.constantFrom(undefined, undefined, 'no-cache', 'max-age=0'),
  })
  const answerOf = async (path: string, token: string, control: string | undefined) => {
    const { status, json } = await lyceum.call('GET', `/v1/queries/twins/${path}`, {
      token,
      ...(control !== undefined && { headers: { 'cache-control': control } }),
    })
    return status === 200 ? json : [status, json.code]
  }
  await fc.assert(
    fc.asyncProperty(fc.array(question, { minLength: 20, maxLength: 20 }), async (questions) => {
      // At the same time too: those who wait for an answer get it from who computes it.
      const pairs = questions.map(async ({ name, token, given: asked, control }) => {
        const about = `?${new URLSearchParams(asked)}`
        return Promise.all([
          answerOf(`kept${name}${about}`, token, control),
          answerOf(`fresh${name}${about}`, token, control),
        ])
      })
      for (const [kept, fresh] of await Promise.all(pairs)) expect(kept).toEqual(fresh)
    }),
    { numRuns: 15 },
  )
})
