import { BOMB, type Family, handler, query } from '../plugin.ts'

const OR_OK = [...BOMB, 'ok']

export const heap: Family = {
  title: "memory on V8's heap",
  stoppedBy: "V8's limit, then the watch: `over_memory`",
  inSoak: [
    'keeps a Map',
    'keeps arrays',
    'keeps memory from call to call',
    'keeps arrays in a handler',
    'keeps closures',
    'keeps names of properties',
    'keeps promises',
    'keeps generators',
    'nests arrays',
    'keeps functions that it makes',
  ],
  plugins: [
    query('keeps arrays', 'const a = []; for (;;) a.push(new Array(1000).fill(a.length))', BOMB),
    handler(
      'keeps arrays in a handler',
      'const a = []; for (;;) a.push(new Array(1000).fill(a.length))',
      BOMB,
    ),
    query('keeps a Map', 'const m = new Map(); for (let i = 0; ; i++) m.set(i, { i })', BOMB),
    query(
      'keeps closures',
      'let f = () => 0; for (;;) { const g = f, a = new Array(100).fill(0); f = () => g() + a.length }',
      BOMB,
    ),
    query(
      'keeps texts that double',
      'let s = "x".repeat(1e6); const a = []; for (;;) { s += s; a.push([...s.slice(0, 1e5)]) }',
      BOMB,
    ),
    query(
      'keeps names of properties',
      'const o = {}; for (let i = 0; ; i++) o["name" + i + "x".repeat(100)] = i',
      BOMB,
    ),
    query(
      'keeps symbols for the whole isolate',
      'for (let i = 0; ; i++) Symbol.for("s" + i + "x".repeat(1000))',
      BOMB,
    ),
    query(
      'keeps functions that it makes',
      'const a = []; for (let i = 0; ; i++) { const f = new Function(`return ${i} + ${"1+".repeat(1000)}1`); f(); a.push(f) }',
      BOMB,
    ),
    query('keeps promises', 'const a = []; for (;;) a.push(new Promise(() => {}))', BOMB),
    query(
      'keeps generators',
      'function* g() { const a = new Array(100).fill(1); for (;;) yield a } const all = []; for (;;) { const one = g(); one.next(); all.push(one) }',
      BOMB,
    ),
    query(
      'keeps errors with long stacks',
      'Error.stackTraceLimit = 1e9; const a = []; const f = (n) => { if (n > 0) return f(n - 1); const e = new Error("x"); e.stack; a.push(e) }; for (;;) f(1000)',
      BOMB,
    ),
    query('nests arrays', 'let a = []; for (;;) a = [a]', BOMB),
    query(
      'keeps memory from call to call',
      'globalThis.kept ??= []; for (let i = 0; i < 4e5; i++) globalThis.kept.push({ i, x: [i] }); return 1',
      OR_OK,
      {
        times: 3,
        quota: { memoryMb: 16, cpuMsPerCall: 1_000 },
      },
    ),
    query(
      'writes JSON of what repeats itself',
      'let a = ["x".repeat(1e5)]; for (let i = 0; i < 20; i++) a = [a, a]; return JSON.stringify(a)',
      BOMB,
    ),
    query(
      'returns what repeats itself',
      'let a = ["x".repeat(1e5)]; for (let i = 0; i < 20; i++) a = [a, a]; return a',
      [...BOMB, 'over_output'],
    ),
  ],
}

export const oneStep: Family = {
  title: 'memory in one native step (`fill`, `concat`, `replace`)',
  stoppedBy:
    'poison within 250 ms; else the cap of the process. Where V8 aborts the process (an invalid table or array size), the host starts another',
  inSoak: [
    'writes a long text of control characters as JSON',
    'spreads a long text',
    'escapes a long text',
    'raises a BigInt',
    'makes a table of what says it is long',
    'groups without end',
    'expands ligatures',
  ],
  plugins: [
    query('fills one array', 'new Array(1e8).fill({})', BOMB),
    query('concatenates an array with itself', 'let a = [1]; for (;;) a = a.concat(a)', BOMB),
    query('replaces by what multiplies', '"a".repeat(1e6).replace(/a/g, "$&".repeat(1000))', BOMB),
    query('splits a text so long that V8 gives up', '"a".repeat(2 ** 28).split("")', BOMB),
    query('spreads a long text', 'return [..."ab".repeat(2 ** 26)].length', BOMB),
    query('expands ligatures', 'return "\\ufdfa".repeat(1e7).normalize("NFKD").length', OR_OK),
    query('escapes a long text', 'return encodeURIComponent("\\u20ac".repeat(2e7)).length', OR_OK),
    query(
      'writes a long text of control characters as JSON',
      'return JSON.stringify("\\0".repeat(5e7)).length',
      OR_OK,
    ),
    query('raises a BigInt', 'return String(2n ** (2n ** 29n)).length', BOMB),
    query('makes an array from what says it is long', 'Array.from({ length: 2 ** 32 - 1 })', BOMB),
    query(
      'makes a table of what says it is long',
      'Object.fromEntries(Array.from({ length: 1e8 }, (_, n) => [n, n]))',
      BOMB,
    ),
    query(
      'groups without end',
      'function* all() { for (let n = 0; ; n++) yield n } Map.groupBy(all(), (n) => n)',
      BOMB,
    ),
  ],
}

export const uncounted: Family = {
  title: 'memory that V8 does not count: resizable and shared buffers, WebAssembly, formats of Intl',
  stoppedBy:
    "what can be left out is not there; of the rest, the process's own measure of its memory: `over_memory`; where that does not come back, the process ends",
  inSoak: [
    'keeps formats a few at each call',
    'keeps formats',
    'grows a buffer',
    'keeps typed arrays that are never touched',
    'keeps compiled patterns',
    'keeps collators',
    'waits for other threads',
    'watches what is collected',
  ],
  plugins: [
    query('grows a buffer', 'new ArrayBuffer(8, { maxByteLength: 2 ** 30 }).resize(2 ** 30)', [
      'plugin_failed',
    ]),
    query(
      'transfers a buffer to a larger one',
      'let b = new ArrayBuffer(1e6); for (;;) b = b.transfer(b.byteLength * 2)',
      ['plugin_failed'],
    ),
    query('shares memory', 'new SharedArrayBuffer(1e9)', ['plugin_failed']),
    query('runs WebAssembly', 'new WebAssembly.Memory({ initial: 65536 })', ['plugin_failed']),
    query('waits for other threads', 'Atomics.wait(new Int32Array(8), 0, 0)', ['plugin_failed']),
    query(
      'registers work after its end',
      'new FinalizationRegistry(() => { for (;;); }).register({}, 1); return 1',
      ['plugin_failed'],
    ),
    query('watches what is collected', 'new WeakRef({})', ['plugin_failed']),
    query('keeps typed arrays', 'const a = []; for (;;) a.push(new Uint8Array(1e6).fill(1))', BOMB),
    query(
      'keeps typed arrays that are never touched',
      'const a = []; for (;;) a.push(new Float64Array(1e7))',
      BOMB,
    ),
    query(
      'keeps formats',
      'const a = []; for (;;) a.push(new Intl.DateTimeFormat("ar-u-ca-islamic", { dateStyle: "full", timeZone: "Asia/Kathmandu" }))',
      BOMB,
      {
        quota: { cpuMsPerCall: 1_500 },
      },
    ),
    query(
      'keeps collators',
      'const a = []; for (let n = 0; ; n++) a.push(new Intl.Collator(["zh-u-co-pinyin", "ja", "ko", "de-u-co-phonebk"][n % 4]).compare("a", "b"), new Intl.Segmenter("ja").segment("x".repeat(1e5)))',
      BOMB,
      {
        quota: { cpuMsPerCall: 1_500 },
      },
    ),
    query(
      'keeps compiled patterns',
      'const a = []; for (let n = 0; ; n++) { const r = new RegExp(`(?:${"[a-z]?x{3}".repeat(500)})${n}`, "iu"); r.test("a".repeat(100)); a.push(r) }',
      BOMB,
      {
        quota: { cpuMsPerCall: 1_500 },
      },
    ),
    query(
      'keeps formats a few at each call',
      'globalThis.kept ??= []; for (let n = 0; n < 40; n++) globalThis.kept.push(new Intl.DateTimeFormat("ar-u-ca-islamic", { dateStyle: "full" })); return globalThis.kept.length',
      OR_OK,
      {
        times: 8,
      },
    ),
  ],
}

export const bombs: Family = {
  title: 'bombs with the memory and the time of a default quota',
  stoppedBy: 'the same; no process ever holds more than its cap and what grows while that is noticed',
  inSoak: [
    'doubles arrays, with more time and memory',
    'keeps many arrays, with more time and memory',
    'replaces by what multiplies, with more time and memory',
    'keeps formats of Intl, with more time and memory',
  ],
  plugins: [
    ['fills the longest array', 'new Array(2 ** 32 - 2).fill(1)'],
    ['doubles arrays', 'let a = [1]; for (;;) a = a.concat(a)'],
    ['keeps many arrays', 'const a = []; for (;;) a.push(new Array(1000).fill(a.length))'],
    ['replaces by what multiplies', '"a".repeat(1e6).replace(/a/g, "$&".repeat(1000))'],
    ['makes an array so large that V8 gives up', '"a".repeat(2 ** 28).split("")'],
    [
      'keeps formats of Intl',
      'const a = []; for (;;) a.push(new Intl.DateTimeFormat("ar-u-ca-islamic", { dateStyle: "full", timeZone: "Asia/Kathmandu" }))',
    ],
  ].map(([name = '', body = '']) =>
    query(`${name}, with more time and memory`, body, BOMB, {
      quota: { memoryMb: 64, cpuMsPerCall: 2_000, wallMs: 10_000 },
    }),
  ),
}
