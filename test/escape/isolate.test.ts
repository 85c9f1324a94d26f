import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { GuestOp } from '../../sandbox/supervisor.ts'
import { type Ask, Lab } from '../sandbox/lab.ts'

let lab: Lab
beforeAll(async () => {
  lab = new Lab()
  await lab.supervisor.start()
})
afterAll(() => lab.close())

const ask: Ask = { budget: { cpuMs: 2_000, outputBytes: 1_000_000 }, input: { plugins: ['self'] } }
/** What the body of a handler returns. */
async function inside(body: string, more: Ask = {}): Promise<unknown> {
  const { code, message, result } = await lab.handler('spy', body, { ...ask, ...more })
  return code === 'ok' ? result : `${code}: ${message}`
}

/** Walks everything that can be reached from some values: properties, symbols, accessors, prototypes. */
const WALK = `
  const { apply, getPrototypeOf, ownKeys, getOwnPropertyDescriptor } = Reflect
  const sourceOf = Function.prototype.toString
  function walk(roots) {
    const seen = new Set(), texts = new Set(), queue = [...roots]
    for (let at = 0; at < queue.length; at++) {
      const value = queue[at]
      if (typeof value === 'string') texts.add(value)
      if (value === null || (typeof value !== 'object' && typeof value !== 'function') || seen.has(value)) continue
      seen.add(value)
      queue.push(getPrototypeOf(value))
      for (const key of ownKeys(value)) {
        const { value: held, get, set } = getOwnPropertyDescriptor(value, key)
        queue.push(held, get, set, typeof key === 'string' ? key : key.description)
        if (get) try { queue.push(apply(get, value, [])) } catch (error) { queue.push(error) }
      }
    }
    return { seen, texts }
  }
  const native = (value) => typeof value === 'function' && apply(sourceOf, value, []).includes('[native code]')
`

/** Every function of ours that a plugin can get hold of. */
const OFFERED = [
  'collection Collection insertOne insertMany updateOne updateMany replaceOne deleteOne deleteMany bulkWrite find',
  'findOne aggregate countDocuments estimatedDocumentCount distinct Cursor FindCursor toArray next hasNext forEach',
  '[Symbol.asyncIterator] sort limit skip project tryNext close toString toJSON log OpError ReadCollection Facilities',
].flatMap((line) => line.split(' '))

test('the globals are those of the language, without what escapes turns and budgets', async () => {
  expect(await inside('return Object.getOwnPropertyNames(globalThis).sort()')).toEqual(
    [
      'AggregateError Array ArrayBuffer AsyncDisposableStack BigInt BigInt64Array BigUint64Array Boolean DataView',
      'Date DisposableStack Error EvalError Float16Array Float32Array Float64Array Function Infinity Int16Array',
      'Int32Array Int8Array Intl Iterator JSON Map Math NaN Number Object Promise Proxy RangeError ReferenceError',
      'Reflect RegExp Set String SuppressedError Symbol SyntaxError Temporal TypeError URIError Uint16Array',
      'Uint32Array Uint8Array Uint8ClampedArray WeakMap WeakSet console decodeURI decodeURIComponent encodeURI',
      'encodeURIComponent escape eval globalThis isFinite isNaN parseFloat parseInt undefined unescape',
    ].flatMap((line) => line.split(' ')),
  )
})

test('no host function and no path can be reached from globals, what a handler gets, errors and answers', async () => {
  const source = `${WALK}
    import * as sdk from '@lyceum/sdk'
    const before = walk([globalThis, sdk, async () => {}, function* () {}, async function* () {}]).seen
    export const run = { handler: async (context) => {
      const held = [context, new Error('x'), globalThis, sdk]
      try { null.x } catch (error) { held.push(error) }
      try { await context.plugins.self.refused() } catch (error) { held.push(error, error.stack, error.details) }
      const collection = context.db.collection('a')
      held.push(collection, collection.find(), await collection.find().toArray(), context.plugins.self, context.log)
      held.push(context.db)
      const { seen, texts } = walk(held)
      return {
        // A plugin that may be asked is a proxy, which prints as native.
        natives: [...seen].filter((value) => native(value) && !before.has(value) && value !== context.plugins.self).map((value) => value.name),
        functions: [...seen].filter((value) => typeof value === 'function' && !before.has(value) && value !== context.plugins.self)
          .map((value) => value.name).filter((name) => !name.startsWith('get ')),
        texts: [...texts].filter((text) => /file:|node:|node_modules|\\/[a-z]+\\//.test(text)),
        size: seen.size,
      }
    } }`
  const onOp = (op: GuestOp) =>
    op.name === 'pluginAsk'
      ? op.refuse({ code: 'op_denied', message: 'no', details: { why: 'because' } })
      : op.reply('[{"_id":1}]')
  const { result, message } = await lab.run('spy', source, { ...ask, onOp })
  expect(message).toBe('')
  expect(result.natives).toEqual([])
  // The levels of `log` have no name of their own.
  expect(new Set(result.functions)).toEqual(new Set([...OFFERED, '']))
  expect(result.texts.filter((text: string) => !/lyceum:(sandbox|sdk)\//.test(text))).toEqual([])
  expect(result.size).toBeGreaterThan(1_000)
})

test('whoever changes the language catches no function of the host while the bridge works', async () => {
  const source = `${WALK}
    const before = walk([globalThis, async () => {}, async function* () {}]).seen
    const caught = []
    let spying = false
    const keep = (...values) => { for (let at = 0; spying && at < values.length; at++) caught[caught.length] = values[at] }
    const spied = [Array, Map, Set, WeakMap, Promise, String, Function, Error, Number, RegExp, Date].flatMap((Class) => [Class, Class.prototype])
    for (const place of [...spied, Object, Reflect, JSON, Math, getPrototypeOf([][Symbol.iterator]())])
      for (const key of ownKeys(place)) {
        const { value, configurable } = getOwnPropertyDescriptor(place, key)
        if (typeof value !== 'function' || !configurable || key === 'constructor' || key === 'apply') continue
        Object.defineProperty(place, key, { configurable: true, writable: true, value(...args) {
          keep(this, args)
          return apply(value, this, args)
        } })
      }
    for (const key of ['out', 'send', 'call', 'post', 'op', 'bridge', 'resolve', 'reject', 'invocation', 'get', 'set', 'construct', 'apply', 'then'])
      if (!(key in Object.prototype)) Object.defineProperty(Object.prototype, key, { configurable: true, get() { keep(this) }, set(value) {
        keep(this, value)
        Object.defineProperty(this, key, { value, configurable: true, writable: true, enumerable: true })
      } })
    Error.prepareStackTrace = (error, frames) => {
      for (const frame of frames) keep(frame.getThis(), frame.getFunction(), frame.getTypeName())
      return 'stack'
    }
    const Real = Promise
    globalThis.Promise = class extends Real { constructor(executor) { super((a, b) => { keep(executor, a, b); executor(a, b) }) } }
    spying = true
    export const run = { handler: async (context) => {
      const collection = context.db.collection('a')
      for (const use of [
        () => collection.find({ a: 1 }).sort({ a: 1 }).toArray(), () => collection.insertOne({ a: 1 }),
        () => collection.updateOne({}, { $set: { a: new Date() } }, { ack: true }), () => context.log('line', { a: 1 }),
        () => context.plugins.self.top({ a: 1 }), () => { throw new TypeError('x') },
      ]) try { await use() } catch (error) { keep(error) }
      spying = false
      const found = [...walk(caught).seen].filter((value) => typeof value === 'function' && !before.has(value))
      for (const value of found)
        for (let invocation = 0; invocation < 5; invocation++)
          // What it calls with nonsense may be asynchronous, and reject: that is its own to catch.
          try { Real.resolve(value(invocation, 5, 0, '{"level":"info","line":"escaped"}')).catch(() => {}) } catch {}
      for (const key of ['then', 'get', 'set', 'apply', 'call', 'resolve']) delete Object.prototype[key]
      await context.log('caught ' + caught.length)
    } }`
  const ops: string[] = []
  const onOp = (op: GuestOp) => {
    ops.push(`${op.name} ${op.payload}`)
    op.reply(op.name === 'pluginAsk' ? '\n1' : '[{}]')
  }
  const { message, code } = await lab.run('spy', source, { ...ask, onOp, kind: 'onEvent', memoryMb: 128 })
  // What it calls with nonsense may ask the host for something, and nobody awaits that.
  expect(code === 'ok' || /^The handler ended before this was answered/.test(message), message).toBe(true)
  expect(ops.filter((op) => op.includes('escaped'))).toEqual([])
  const [caught] = ops.flatMap((op) => /caught (\d+)/.exec(op)?.[1] ?? [])
  expect(Number(caught)).toBeGreaterThan(100)
})

test('counting cannot be switched off by what is counted', async () => {
  const body = `
    JSON.stringify = () => undefined; Array.prototype.join = () => ({ length: -1e9 })
    Object.prototype.toJSON = () => 7; String.prototype.toString = () => 7
    for (let at = 0; at < 1e6; at++) try { await c.log('x') } catch {}
    return 1`
  let ops = 0
  const onOp = (op: GuestOp) => {
    ops += 1
    op.reply('')
  }
  await inside(body, { onOp })
  expect(ops).toBeLessThanOrEqual(1_000)
})

test('two plugins in one process see nothing of each other', async () => {
  await lab.handler('a', 'globalThis.mark = Array.prototype.mark = Symbol.for("mark").mark = 1; return 1')
  expect(await lab.handler('b', 'return [typeof mark, [].mark ?? null]')).toMatchObject({
    result: ['undefined', null],
  })
})

describe('what is left out', () => {
  test.each([
    [
      'through constructors',
      'return new (new Uint8Array(8).buffer.constructor)(8, { maxByteLength: 16 }).byteLength',
    ],
    [
      'through a subclass',
      'class B extends ArrayBuffer {} return new B(8, { maxByteLength: 16 }).byteLength',
    ],
    ['through Reflect', 'return Reflect.construct(ArrayBuffer, [8, { maxByteLength: 16 }]).byteLength'],
    [
      'through a changed Object.prototype',
      'Object.prototype.get = Object.prototype.construct = (t) => new t(8, { maxByteLength: 16 }); return new ArrayBuffer(8, { maxByteLength: 16 }).byteLength',
    ],
  ])('resizable buffers stay out %s', async (_, body) => {
    expect(await inside(body)).toContain('Resizable ArrayBuffers are not available')
  })

  test('buffers of a fixed length work as ever', async () => {
    const body = `
      const buffer = new ArrayBuffer(8), part = buffer.slice(2)
      return [buffer instanceof ArrayBuffer, buffer.byteLength, part.byteLength, ArrayBuffer.isView(new DataView(buffer)),
        new Float64Array([1.5]).buffer.constructor === ArrayBuffer, buffer.resizable, typeof buffer.resize, typeof buffer.transfer,
        ArrayBuffer.name, ArrayBuffer.length, Object.prototype.toString.call(buffer), new Uint8Array(buffer).fill(3).join()]`
    expect(await inside(body)).toEqual([
      true,
      8,
      6,
      true,
      true,
      false,
      'undefined',
      'undefined',
      'ArrayBuffer',
      1,
      '[object ArrayBuffer]',
      '3,3,3,3,3,3,3,3',
    ])
    expect(await inside('return ArrayBuffer(8)')).toContain("requires 'new'")
  })

  test.each(['WebAssembly', 'SharedArrayBuffer', 'Atomics', 'FinalizationRegistry', 'WeakRef'])(
    '%s is out of reach',
    async (name) => {
      const source = `${WALK}
        const names = [...walk([globalThis, async () => {}, function* () {}, async function* () {}]).seen]
          .filter((value) => typeof value === 'function').map((value) => value.name)
        export const run = { handler: () => [typeof ${name}, names.includes('${name}')] }`
      expect((await lab.run('spy', source, ask)).result).toEqual(['undefined', false])
    },
  )

  test('modules cannot be imported, and code that is made stays inside', async () => {
    const body = `
      const tried = []
      for (const name of ['node:fs', 'fs', 'isolated-vm', 'file:///etc/passwd', './guest/bridge.ts', '@lyceum/sdk/ejson'])
        tried.push(await import(name).then(Object.keys, (error) => error.message))
      return [...tried, typeof new Function('return globalThis.process')(), (0, eval)('typeof require'), Object.keys(import.meta)]`
    const denied = Array.from({ length: 6 }, () => 'Not supported')
    expect(await inside(body)).toEqual([...denied, 'undefined', 'undefined', []])
  })

  test.each([
    'node:fs',
    './../sandbox/isolate.ts',
    '../process.ts',
    '/etc/passwd',
    'lyceum:sandbox/guest/main.ts',
  ])('a bundle that imports %s does not load', async (name) => {
    const { code, message } = await lab.run('spy', `import x from '${name}'; export const run = {}`, ask)
    expect([code, message]).toEqual([
      'bundle_broken',
      expect.stringContaining('cannot be imported in a plugin'),
    ])
  })
})

describe('Date', () => {
  test('behaves like the real one', async () => {
    const body = `
      class Mine extends Date { year() { return this.getFullYear() } }
      return [
        new Date() instanceof Date, typeof Date(), Date() === new Date().toString(), new Date(2020, 1, 1).getMonth(),
        new Date('2020-02-01').toISOString(), Date.UTC(2020, 1), Date.parse('2020-01-01'), new Date(new Date(5)).getTime(),
        new Date(undefined).getTime() !== new Date(undefined).getTime(), new Mine(2020, 1, 1).year(), new Mine() instanceof Date,
        Reflect.construct(Date, [5], Mine) instanceof Mine, new Date(0).constructor === Date, Date.length, Date.name,
        Object.prototype.toString.call(new Date()), new Date(1e9).toJSON(), JSON.stringify({ at: new Date(0) }),
      ]`
    expect(await inside(body)).toEqual([
      true,
      'string',
      true,
      1,
      '2020-02-01T00:00:00.000Z',
      1580515200000,
      1577836800000,
      5,
      true,
      2020,
      true,
      true,
      true,
      7,
      'Date',
      '[object Date]',
      '1970-01-12T13:46:40.000Z',
      '{"at":"1970-01-01T00:00:00.000Z"}',
    ])
  })

  test('stands still within a turn, shows the time of the call, and goes on with the next turn', async () => {
    const body = `
      const first = Date.now()
      for (let at = 0; at < 2e7; at++);
      const same = [Date.now(), +new Date(), Date.parse(Date())]
      await c.db.collection('a').findOne()
      return [first, ...same, Date.now() > first, c.now().getTime() === Date.now()]`
    const atMs = Date.UTC(2026, 0, 1)
    expect(await inside(body)).toEqual([atMs, atMs, atMs, atMs, true, true])
  })

  test('is what dates are formatted from that are not given', async () => {
    const body = `
      const format = new Intl.DateTimeFormat('en', { fractionalSecondDigits: 3, second: 'numeric', year: 'numeric', timeZone: 'UTC' })
      const shown = [format.format(), format.format(undefined), format.formatToParts().map(({ value }) => value).join('')]
      Object.prototype.apply = Function.prototype.apply = () => 5
      for (let at = 0; at < 2e7; at++);
      return [shown[0] === format.format(), shown[0] === shown[1], shown[0] === shown[2], shown[0].includes('2026'),
        format.format(new Date(0)).includes('1970'), format.format(5) === format.format(new Date(5)),
        format.resolvedOptions().timeZone, typeof format.formatRange(new Date(0), new Date(1e12))]`
    expect(await inside(body)).toEqual([true, true, true, true, true, true, 'UTC', 'string'])
    expect(await inside('return new Intl.DateTimeFormat("en").format(NaN)')).toContain('RangeError')
    expect(await inside('return Reflect.get(Intl.DateTimeFormat.prototype, "format", {})')).toContain(
      'TypeError',
    )
    // Every way to make text of what has a time says the time of the turn.
    expect(
      await inside(`const all = [new Date().toLocaleString('sv', { timeZone: 'UTC' }), Temporal.Instant.fromEpochMilliseconds(Date.now()).toString()]
        return all.map((text) => text.slice(0, 10))`),
    ).toEqual(['2026-01-01', '2026-01-01'])
  })

  test('leads to no other clock', async () => {
    const body = `
      const clocks = [Object.getPrototypeOf(Date), Date.prototype.constructor, new Date().constructor]
      return [clocks[0] === Function.prototype, clocks[1] === Date, clocks[2] === Date, typeof performance, typeof Temporal.Now]`
    expect(await inside(body)).toEqual([true, true, true, 'undefined', 'undefined'])
  })
})
