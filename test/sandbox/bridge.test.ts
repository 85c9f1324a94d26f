import { globSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CallTree } from '../../host/dispatch/call-tree.ts'
import { Invoker } from '../../host/dispatch/invoker.ts'
import { LyceumError } from '../../host/errors.ts'
import { Meter } from '../../sandbox/budget.ts'
import { Kind, OPS } from '../../sandbox/protocol.ts'
import { failureOf, poisonedOf, reportOf } from '../../sandbox/reports.ts'
import { UnderWay } from '../../sandbox/under-way.ts'
import { startHost, type TestHost } from '../support/host.ts'
import { longTest } from '../support/long.ts'
import { callOf } from './lab.ts'

const ROOT = join(import.meta.dirname, '../..')

describe('the table of ops', () => {
  test('has for each op exactly one offer in the guest', () => {
    const guest = globSync('sandbox/guest/*.ts', { cwd: ROOT })
      .map((file) => readFileSync(join(ROOT, file), 'utf8'))
      .join('\n')
    const offered = [...guest.matchAll(/\b(?:call|post)\(\s*'(\w+)'/g)].map(([, name]) => name)
    expect(offered.sort()).toEqual(Object.keys(OPS).sort())
  })

  test('gives each op and each frame a number of its own', () => {
    const codes = Object.values(OPS).map(({ code }) => code)
    expect(new Set(codes).size).toBe(codes.length)
    expect(codes).not.toContain(0)
    expect(new Set(Object.values(Kind)).size).toBe(Object.keys(Kind).length)
    expect(Math.min(...Object.values(Kind))).toBeGreaterThanOrEqual(8)
  })
})

describe('the host checks every op itself', () => {
  let lyceum: TestHost
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lyceum-lms-'))
    const path = join(folder, 'lms.db')
    new DatabaseSync(path).close()
    const env = { LYCEUM_REPLICAS: JSON.stringify({ lms: { kind: 'sqlite', path } }) }
    lyceum = await startHost(undefined, undefined, env)
    const { host } = lyceum
    await lyceum.publish(
      'asking',
      `import { query, onEvent, view } from '@lyceum/sdk'
       export const none = query(() => 1)
       export const shows = view(() => '')
       export const reads = query(async ({ db, fs, cache, log, progress, signal, replica: { lms }, plugins: { self } }) => { await self.none(); log('x'); return db.collection('a').find().toArray() })
       export const writes = onEvent(async ({ events, db }) => { await db.collection('a').insertOne({}) })`,
    )
    expect(host.plugins.get('asking').endpoints.size).toBe(4)
  })
  afterAll(async () => {
    await lyceum.dispose()
    await rm(folder, { recursive: true })
  })

  /** Sends an op as a sandbox process would that has fallen to the plugin: the guest's own checks are left out. */
  async function forge(endpoint: string, name: keyof typeof OPS, payload: string): Promise<string> {
    const { supervisor } = lyceum.host
    const answer = Promise.withResolvers<string>()
    const run = supervisor.run.bind(supervisor)
    supervisor.run = async (call) => {
      supervisor.run = run
      call.onOp({
        name,
        payload: Buffer.from(payload),
        cpuMs: 0,
        spent: () => {},
        reply: (reply) => answer.resolve(`replied ${reply}`),
        refuse: (failure) => answer.resolve(failure.code),
      })
      await answer.promise
      return { cpuMs: 0, result: Buffer.from('null'), failure: undefined }
    }
    if (endpoint === 'shows')
      await lyceum.host.questions.answer('view', 'asking', endpoint, [], {
        role: 'admin',
        user: undefined,
        courses: [],
        plugins: 'all',
      })
    else await lyceum.call('GET', `/v1/queries/asking/${endpoint}`)
    return answer.promise
  }
  /** An endpoint that was granted an op: views have theirs without asking. */
  const granted = (name: keyof typeof OPS) => (OPS[name].needs === 'view' ? 'shows' : 'reads')

  const WELL: Readonly<Record<keyof typeof OPS, string>> = {
    dbRead: '{"op":"find","collection":"a"}',
    dbWrite: '[["insertOne","a",{"_id":1}]]',
    dbWriteCounted: '[["insertOne","a",{"_id":1}]]',
    dbPage: '{"op":"find","collection":"a"}',
    dbMore: '7',
    dbClose: '7',
    pluginAsk: '["self","none",{}]',
    pluginRead: 'self\n{"op":"find","collection":"a"}',
    queryClear: '["self","none"]',
    cacheGet: '["self"]',
    cacheSet: '["key",60]\n1',
    cacheDelete: '["self"]',
    cacheTake: '["key",60]',
    cacheFill: '[1]\n1',
    cacheGiveUp: '[1]',
    fsRead: '{"path":"a","as":"text"}',
    fsStat: '{"path":"a"}',
    fsList: '{}',
    fsWrite: '{"path":"a","as":"text","expire":60}\nx',
    fsAppend: '{"path":"a","as":"text"}\nx',
    fsDelete: '{"path":"a"}',
    fsExpire: '{"path":"a","seconds":60}',
    fsUrl: '{"path":"a"}',
    replicaQuery: 'lms\n{"sql":["SELECT 1 AS one"],"values":[]}',
    replicaNext: '7',
    replicaEnd: '7',
    chartDraw: JSON.stringify({ named: JSON.stringify({ spec: '{"data":{"values":[]},"mark":"bar"}' }) }),
    log: '{"level":"info","line":"x"}',
    progress: '{"fraction":0.5,"text":"half"}',
    signal: '',
  }
  /** Only who was asked to compute a value can fill it in. */
  const NOT_ASKED_TO = /^(?:cacheFill|cacheGiveUp)$/
  const names = Object.keys(OPS) as (keyof typeof OPS)[]

  test.each(names)('%s is denied where the handler does not destructure it', async (name) => {
    expect(await forge('none', name, WELL[name])).toBe('op_denied')
  })

  test.each(names.filter((name) => OPS[name].writes))(
    '%s is denied where the endpoint only reads',
    async (name) => {
      expect(await forge('reads', name, WELL[name])).toBe('write_denied')
    },
  )

  test.each(names.filter((name) => !OPS[name].writes))(
    '%s is carried out where it is granted',
    async (name) => {
      // A signal comes shortly before the time is over; others may have to start a process first.
      const wallMs = name === 'signal' ? 1_000 : 10_000
      await lyceum.call('PATCH', '/v1/plugins/asking/quota', { body: { wallMs } })
      // A cursor that this call has not opened is nobody else's either.
      expect(await forge(granted(name), name, WELL[name])).toMatch(
        name === 'dbMore' || name === 'replicaNext'
          ? /^cursor_unknown$/
          : NOT_ASKED_TO.test(name)
            ? /^op_denied$/
            : /^replied/,
      )
    },
  )

  const malformed = [
    '',
    '{',
    'null',
    '7',
    '[]',
    '{}',
    '"x"',
    '[[[[',
    '["self"]',
    '{"level":"x","line":7}',
    '\u0000',
    '{"fraction":2,"text":""}',
  ]
  test.each(
    names
      .filter((name) => !OPS[name].writes)
      .flatMap((name) =>
        malformed.filter((payload) => payload !== WELL[name]).map((payload) => [name, payload] as const),
      ),
  )('%s with %j is refused with a code, not with an error of the host', async (name, payload) => {
    const answer = await forge(granted(name), name, payload)
    expect(answer).toMatch(
      /^(op_malformed|query_invalid|op_denied|document_invalid|operator_unknown|op_unknown|chart_refused)$/,
    )
  })

  test('arguments and log lines that are too long are refused before they are parsed', async () => {
    expect(await forge('reads', 'pluginAsk', `["self","none",{"a":"${'x'.repeat(20_000)}"}]`)).toBe(
      'op_malformed',
    )
    expect(await forge('reads', 'log', `{"level":"info","line":"${'x'.repeat(100_000)}"}`)).toBe(
      'op_malformed',
    )
  })

  test('only plugins that the handler named can be asked', async () => {
    expect(await forge('reads', 'pluginAsk', '["other","none",{}]')).toBe('op_denied')
    expect(await forge('reads', 'pluginAsk', '["__proto__","none",{}]')).toBe('op_denied')
  })
})

test('however much a call asks for, what is refused at once leaves the host its turns', async () => {
  let refused = 0
  const budget = { ops: 2_000 }
  const call = callOf('many', '', {
    budget,
    onOp: async (op) => {
      await undefined
      refused += 1
      op.refuse({ code: 'over_depth', message: 'Ask for more at once.' })
    },
  })
  let answered = 0
  const underWay = new UnderWay(
    call,
    () => {
      answered += 1
    },
    () => {},
  )
  const payload = Buffer.alloc(0)
  for (let n = 1; n <= budget.ops; n++)
    underWay.take({ kind: Kind.op, op: OPS.dbRead.code, flags: 0, call: n, scope: 1n, payload })
  await new Promise(setImmediate)
  expect(refused).toBeLessThan(budget.ops)
  while (answered < budget.ops) await new Promise(setImmediate)
})

longTest('of a handler that tells more than is carried out at once, nothing is lost', async () => {
  const lyceum = await startHost()
  await lyceum.publish(
    'many',
    `import { onEvent, query } from '@lyceum/sdk'
     export const fill = onEvent('fill', async ({ db }) => {
       for (let n = 0; n < 90_000; n++) await db.collection('a').insertOne({ _id: n })
     })
     export const count = query(({ db }) => db.collection('a').countDocuments())`,
  )
  await lyceum.call('PATCH', '/v1/plugins/many/quota', { body: { cpuMsPerCall: 20_000, wallMs: 60_000 } })
  await lyceum.send([{ event_type: 'fill' }])
  expect((await lyceum.call('GET', '/v1/queries/many/count')).json).toBe(90_000)
  await lyceum.dispose()
})

test('a limit that a plugin broke is laid to it, whatever else went wrong', async () => {
  const lyceum = await startHost()
  const source = `import { query } from '@lyceum/sdk'; export const reads = query(({ db }) => db.collection('a').find().toArray())`
  await lyceum.publish('asking', source)
  const { supervisor, conduct, plugins } = lyceum.host
  const lose = () => {
    throw new LyceumError('store_lost', 'The store was lost.')
  }
  const ops = { ...lyceum.host.ops, dbRead: lose }
  const invoker = new Invoker(supervisor, conduct, ops)
  const plugin = plugins.get('asking')
  const endpoint = plugin.endpoints.get('reads')
  if (endpoint === undefined) throw new Error('there is no such endpoint')
  const end = async (code: string) => {
    supervisor.run = async (call) => {
      const refused = Promise.withResolvers<void>()
      const refuse = () => refused.resolve()
      call.onOp({ name: 'dbRead', payload: Buffer.alloc(0), cpuMs: 0, spent() {}, reply() {}, refuse })
      await refused.promise
      return { cpuMs: 2_000, result: Buffer.alloc(0), failure: { code, message: 'x' } }
    }
    const tree = new CallTree(plugin.quota)
    const context = { plugin, endpoint, caller: undefined, transaction: undefined, tree, depth: 0 }
    const call = { context, input: '{}', eachEvent: false, plainJson: true, traceWrites: false }
    return (await invoker.run(call)).failure
  }
  expect(await end('over_cpu')).toMatchObject({ code: 'over_cpu', passing: false })
  expect(await end('plugin_failed')).toMatchObject({ code: 'store_lost', passing: true })
  expect(conduct.of('asking').strikes).toBe(1)
  await lyceum.dispose()
})

describe('a meter', () => {
  const budget = { cpuMs: 10, wallMs: 100, ops: 3, bytes: 10, outputBytes: 1 }

  test('accepts what is at the limit and refuses one more', () => {
    const meter = new Meter(budget, 0)
    expect([meter.countOp(5), meter.countOp(5), meter.countOp(0), meter.countOp(0)]).toEqual([
      undefined,
      undefined,
      undefined,
      'over_ops',
    ])
    expect(new Meter(budget, 0).countOp(11)).toBe('over_bytes')
    expect([meter.overTime(10, 100), meter.overTime(10.1, 100), meter.overTime(10, 100.1)]).toEqual([
      undefined,
      'over_cpu',
      'over_wall',
    ])
  })

  test('adds the time of earlier turns', () => {
    const meter = new Meter(budget, 0)
    meter.cpuMs = 9
    expect(meter.overTime(2, 0)).toBe('over_cpu')
  })
})

test.each([
  '',
  'null',
  '7',
  '[]',
  '{"failure":null}',
  '{"__proto__":{"code":"x"}}',
  '['.repeat(60_000),
  'x'.repeat(70_000),
])('a report like %.20s is read as one of no content', (text) => {
  expect(failureOf(text)).toEqual({ code: 'plugin_failed', message: 'It failed without saying why.' })
  expect(reportOf(text).cpuMs).toBe(0)
  expect(poisonedOf(text)).toEqual({ isolates: [], reason: 'it did not say why' })
})
