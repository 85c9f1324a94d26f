import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type Ask, Lab, peakMb, residentMb, type Told } from './lab.ts'

/**
 * What hostile code tries, by family: a name, the body of a handler (`c` is its context), the codes that may
 * come of it, and how it is asked. `lost` stands for a process that had to be killed before it could say more.
 */
type Attempt = readonly [name: string, body: string, codes: string | readonly string[], ask?: Ask]

const LONG = { budget: { wallMs: 400 } }
const cpu = 'over_cpu'
const memory = ['over_memory', 'over_cpu', 'sandbox_lost'] as const
const native = ['over_cpu', 'sandbox_lost'] as const

const FAMILIES: Readonly<Record<string, readonly Attempt[]>> = {
  'loops in JavaScript': [
    ['at once', 'for (;;);', cpu],
    ['after a reply of the host', 'await c.db.collection("a").findOne(); for (;;);', cpu],
    ['in a microtask that begets microtasks', 'const f = () => Promise.resolve().then(f); await f()', cpu],
    [
      'in many short turns',
      'for (;;) { await c.db.collection("a").findOne(); for (let i = 0; i < 2e6; i++); }',
      [cpu, 'over_ops'],
      { budget: { ops: 100_000, wallMs: 10_000 } },
    ],
    [
      'in background work beside the result',
      '(async () => { for (;;) { await null; for (let i = 0; i < 1e5; i++); } })(); return 1',
      cpu,
    ],
    ['in the wall time that is left', 'for (;;);', 'over_wall', { budget: { cpuMs: 10_000, wallMs: 300 } }],
  ],
  'loops in what looks at a result or an error': [
    ['a getter of the result', 'return { get x() { for (;;); } }', cpu],
    ['toJSON', 'return { toJSON() { for (;;); } }', cpu],
    ['a proxy as the result', 'return new Proxy({}, { ownKeys() { for (;;); } })', cpu],
    ['toString of what is thrown', 'throw { toString() { for (;;); }, toJSON() { for (;;); } }', cpu],
    [
      'a proxy that is thrown',
      'throw new Proxy({}, { get() { for (;;); }, getPrototypeOf() { for (;;); } })',
      cpu,
    ],
    ['the name of an error class', 'class E extends Error { get name() { for (;;); } } throw new E()', cpu],
    [
      'a proxy with which a promise is rejected',
      'Promise.reject(new Proxy({}, { get() { for (;;); }, getPrototypeOf() { for (;;); } })); return 1',
      native,
    ],
    [
      'an error with which a promise is rejected',
      'class E extends Error { get name() { for (;;); } get stack() { for (;;); } } Promise.reject(new E()); return 1',
      native,
    ],
    ['prepareStackTrace', 'Error.prepareStackTrace = () => { for (;;); }; throw new Error("x")', cpu],
  ],
  'loops in native code': [
    ['fill of the longest array', 'new Array(2 ** 32 - 2).fill(1)', [...native, 'over_memory']],
    ['indexOf on the longest array', 'new Array(2 ** 32 - 1).indexOf(1)', native],
    ['reverse of a sparse array', 'const a = []; a[2 ** 32 - 2] = 1; a.reverse()', native],
    [
      'lastIndexOf on what says it is long',
      'Array.prototype.lastIndexOf.call({ length: 2 ** 53 - 1 }, 1)',
      native,
    ],
    [
      'localeCompare',
      'const a = "ä".repeat(1e6), b = "a\\u0308".repeat(1e6); for (;;) a.localeCompare(b)',
      native,
    ],
    ['a regular expression that backtracks', '/^(a+)+$/.test("a".repeat(40) + "b")', native],
    ['multiplication of BigInts', 'let x = 3n; for (;;) x *= x', [...native, 'over_memory', 'plugin_failed']],
    [
      'parsing JSON',
      'const s = "[" + "1,".repeat(1e6) + "1]"; for (;;) JSON.parse(s)',
      [...native, 'over_memory'],
    ],
  ],
  'memory bombs': [
    ['arrays', 'const a = []; for (;;) a.push(new Array(1000).fill(a.length))', memory],
    ['one array', 'new Array(1e8).fill({})', [...memory, 'plugin_failed']],
    [
      'strings that double',
      'let s = "x".repeat(1e6); const a = []; for (;;) { s += s; a.push([...s.slice(0, 1e5)]) }',
      [...memory, 'plugin_failed'],
    ],
    [
      'typed arrays',
      'const a = []; for (;;) a.push(new Uint8Array(1e6).fill(1))',
      [...memory, 'plugin_failed'],
    ],
    ['resizable buffers', 'new ArrayBuffer(8, { maxByteLength: 2 ** 30 }).resize(2 ** 30)', 'plugin_failed'],
    ['a Map', 'const m = new Map(); for (let i = 0; ; i++) m.set(i, { i })', memory],
    [
      'closures',
      'let f = () => 0; for (;;) { const g = f, a = new Array(100).fill(0); f = () => g() + a.length }',
      memory,
    ],
    [
      'JSON of what repeats itself',
      'let a = ["x".repeat(1e5)]; for (let i = 0; i < 20; i++) a = [a, a]; JSON.stringify(a)',
      [...memory, 'plugin_failed'],
    ],
    [
      'replacement that multiplies',
      '"a".repeat(1e6).replace(/a/g, "$&".repeat(1000))',
      [...memory, 'plugin_failed'],
    ],
    [
      'memory kept from call to call',
      'globalThis.kept ??= []; for (let i = 0; i < 4e6; i++) globalThis.kept.push({ i })',
      [...memory, 'ok'],
      { budget: { cpuMs: 2_000 } },
    ],
  ],
  floods: [
    [
      'ops',
      'for (let i = 0; ; i++) c.db.collection("a").findOne({ i })',
      ['over_ops', 'plugin_failed', 'over_cpu'],
    ],
    [
      'ops whose errors are swallowed',
      'for (;;) try { c.db.collection("a").findOne().catch(() => {}) } catch {}',
      ['over_cpu', 'over_memory'],
    ],
    [
      'large ops',
      'const x = "x".repeat(5e6); for (;;) await c.db.collection("a").findOne({ x })',
      ['over_bytes', 'plugin_failed', 'over_memory'],
    ],
    ['log lines', 'for (;;) c.log("x".repeat(1e4))', ['over_ops', 'over_bytes', 'plugin_failed']],
    ['output', 'return "x".repeat(1e7)', 'over_output'],
    ['an error as large as it gets', 'throw new Error("x".repeat(1e7))', 'plugin_failed'],
    [
      'answers larger than what was asked',
      'for (;;) await c.db.collection("a").findOne()',
      ['over_bytes', 'plugin_failed'],
      { onOp: (op) => op.reply(JSON.stringify(['x'.repeat(200_000)])) },
    ],
  ],
  'calls without an end': [
    ['a promise that never resolves', 'await new Promise(() => {})', 'plugin_failed'],
    [
      'an answer that never comes',
      'await c.db.collection("a").findOne()',
      'over_wall',
      { ...LONG, onOp() {} },
    ],
  ],
  'runtimes that are turned against themselves': [
    [
      'JSON that encodes nothing',
      'Object.prototype.toJSON = () => undefined; throw new Error("x")',
      'plugin_failed',
    ],
    [
      'JSON that encodes numbers',
      'JSON.stringify = () => 7; Array.prototype.join = () => 7; String.prototype.slice = () => 7; Object.prototype.toJSON = () => 7; c.log("x"); throw new Error("x")',
      ['plugin_failed', 'ok'],
    ],
    [
      'promises that do nothing',
      'Promise.prototype.then = function () {}; globalThis.Promise = function () {}; return c.db.collection("a").findOne()',
      ['plugin_failed', 'ok'],
    ],
    [
      'setters for every property',
      'for (const k of ["resolve", "reject", "code", "done", "end", "error", "0", "1"]) Object.defineProperty(Object.prototype, k, { set() { for (;;); }, get() { return {} } }); return c.db.collection("a").findOne()',
      ['plugin_failed', 'ok', cpu],
    ],
    [
      'a memory of every symbol',
      'Symbol.iterator; Object.defineProperty(Array.prototype, Symbol.iterator, { value: function* () { for (;;) yield 1 } }); c.log(...[1]); return 1',
      ['plugin_failed', 'ok', cpu, 'over_memory'],
    ],
  ],
}

const QUIET = 'export const run = { handler: ({ params }) => ({ answer: 42 }) }'
/** Of its budget, a call may overdraw what it takes to notice and to end it. */
const NOTICE_MS = 1_000

let lab: Lab
beforeAll(async () => {
  lab = new Lab()
  await lab.supervisor.start()
})
afterAll(() => lab.close())

for (const [family, attempts] of Object.entries(FAMILIES))
  describe(family, () => {
    test.for(attempts)('%s', async ([name, body, codes, ask]) => {
      const hostile = again(() => lab.handler('hostile', body, ask))
      const beside = []
      for (let asked = 0; asked < 5; asked++) beside.push(await quiet())
      const { code, tookMs } = await hostile
      expect([codes].flat(), name).toContain(code)
      const { wallMs } = { wallMs: 3_000, ...ask?.budget }
      expect(tookMs).toBeLessThan(wallMs + NOTICE_MS)
      expect(beside.every((result) => result === 42)).toBe(true)
      expect(await quiet()).toBe(42)
    })
  })

async function quiet(): Promise<unknown> {
  return (await again(() => lab.run('quiet', QUIET))).result?.answer
}

/** As the host asks: what a lost process took with it is asked again. */
async function again(ask: () => Promise<Told>): Promise<Told> {
  for (let tries = 1; ; tries++) {
    const told = await ask()
    if (told.code !== 'sandbox_lost' || tries === 3) return told
  }
}

describe('bombs with the memory and the time of a default quota', () => {
  const ask: Ask = { memoryMb: 64, budget: { cpuMs: 2_000, wallMs: 10_000 } }
  test.for<readonly [name: string, body: string]>([
    ['the longest array', 'new Array(2 ** 32 - 2).fill(1)'],
    ['arrays that double', 'let a = [1]; for (;;) a = a.concat(a)'],
    ['many arrays', 'const a = []; for (;;) a.push(new Array(1000).fill(a.length))'],
    ['replacement that multiplies', '"a".repeat(1e6).replace(/a/g, "$&".repeat(1000))'],
    ['an array so large that V8 gives up', '"a".repeat(2 ** 28).split("")'],
  ])('%s: no process ever holds more than its cap and what grows while that is noticed', async ([, body]) => {
    let peak = 0
    const look = setInterval(() => {
      peak = Math.max(peak, ...lab.supervisor.pids.map(peakMb))
    }, 5)
    const { code } = await lab.handler('hostile', body, ask)
    expect(['over_memory', 'over_cpu', 'sandbox_lost', 'plugin_failed']).toContain(code)
    expect(await quiet()).toBe(42)
    clearInterval(look)
    expect(peak).toBeGreaterThan(50)
    expect(peak).toBeLessThan(1_300)
  })
})

afterEach(() => {
  for (const pid of lab.supervisor.pids) expect(residentMb(pid)).toBeLessThan(1_024)
})

test('the innocent is never named for what a process was lost to', () => {
  expect(lab.losses.length).toBeGreaterThan(5)
  for (const { suspects } of lab.losses) expect(suspects).toEqual(['hostile'])
})
