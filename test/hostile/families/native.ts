import { type Family, handler, NATIVE, query } from '../plugin.ts'

const OR_FAILS = [...NATIVE, 'plugin_failed']

export const rejections: Family = {
  title: 'loops in a promise that is rejected and not caught',
  stoppedBy:
    'poison: isolated-vm reads the error outside of the turn, where nothing can stop it but the end of the process',
  inSoak: ['rejects a promise in a handler with a proxy that loops'],
  plugins: [
    query(
      'rejects a promise with a proxy that loops',
      'Promise.reject(new Proxy({}, { get() { for (;;); }, getPrototypeOf() { for (;;); } })); return 1',
      NATIVE,
    ),
    query(
      'rejects a promise with an error that loops',
      'class E extends Error { get name() { for (;;); } get stack() { for (;;); } } Promise.reject(new E()); return 1',
      NATIVE,
    ),
    query(
      'rejects a promise with an error of a hundred megabytes',
      "const e = new Error('x'); e.stack = '\\n'.repeat(1e8); Promise.reject(e); return 1",
      OR_FAILS,
    ),
    query(
      'rejects a promise with an error whose message is no text',
      "const e = new Error('x'); Object.defineProperty(e, 'message', { value: { toString: null } }); Promise.reject(e); return 1",
      ['plugin_failed'],
    ),
    handler(
      'rejects a promise in a handler with a proxy that loops',
      'Promise.reject(new Proxy({}, { get() { for (;;); }, getPrototypeOf() { for (;;); } }))',
      [...NATIVE, 'quarantined'],
    ),
  ],
}

export const nativeLoops: Family = {
  title:
    'loops in native code: the longest array, sparse arrays, `localeCompare`, regular expressions, BigInt, JSON',
  stoppedBy: 'poison',
  inSoak: [
    'searches the longest array',
    'parses JSON',
    'multiplies BigInts',
    'compares by locale',
    'reverses a sparse array',
    'sorts what says it is long',
    'copies within the longest array',
    'joins the longest array',
    'searches from the end of what says it is long',
    'normalises long texts',
    'segments long texts',
    'writes a BigInt out',
    'sorts numbers without a function',
    'makes formats',
    'stores a document of the longest array',
    'returns the longest array',
  ],
  plugins: [
    query('fills the longest array', 'new Array(2 ** 32 - 2).fill(1)', NATIVE),
    query('searches the longest array', 'new Array(2 ** 32 - 1).indexOf(1)', NATIVE),
    query('reverses a sparse array', 'const a = []; a[2 ** 32 - 2] = 1; a.reverse()', NATIVE),
    query(
      'searches from the end of what says it is long',
      'Array.prototype.lastIndexOf.call({ length: 2 ** 53 - 1 }, 1)',
      NATIVE,
    ),
    query('sorts what says it is long', 'Array.prototype.sort.call({ length: 2 ** 32 - 1, 0: 1 })', OR_FAILS),
    query(
      'copies within the longest array',
      'const a = []; a.length = 2 ** 32 - 1; a.copyWithin(1, 0)',
      NATIVE,
    ),
    query('joins the longest array', 'const a = [1]; a.length = 2 ** 32 - 1; a.join()', OR_FAILS),
    query(
      'writes the longest array as JSON',
      'const a = [1]; a.length = 2 ** 32 - 1; return JSON.stringify(a)',
      OR_FAILS,
    ),
    query('returns the longest array', 'const a = [1]; a.length = 2 ** 32 - 1; return a', OR_FAILS),
    query(
      'compares by locale',
      'const a = "ä".repeat(1e6), b = "a\\u0308".repeat(1e6); for (;;) a.localeCompare(b)',
      NATIVE,
    ),
    query(
      'normalises long texts',
      'const a = "\\u1e9b\\u0323".repeat(1e6); for (;;) a.normalize("NFKD").normalize("NFC")',
      OR_FAILS,
    ),
    query(
      'segments long texts',
      'const s = new Intl.Segmenter("th", { granularity: "word" }), t = "กขค".repeat(1e6); for (;;) [...s.segment(t)].length',
      OR_FAILS,
    ),
    query('matches a pattern that backtracks', '/^(a+)+$/.test("a".repeat(40) + "b")', NATIVE),
    query(
      'compiles patterns that explode',
      'for (let n = 1; ; n++) new RegExp(`(?:a{0,200}){0,200}(?:b|${n})`.repeat(20)).test("a".repeat(1000))',
      OR_FAILS,
    ),
    query('multiplies BigInts', 'let x = 3n; for (;;) x *= x', OR_FAILS),
    query('writes a BigInt out', '(1n << (1n << 27n)).toString()', OR_FAILS),
    query('parses JSON', 'const s = "[" + "1,".repeat(1e6) + "1]"; for (;;) JSON.parse(s)', NATIVE),
    query(
      'sorts numbers without a function',
      'for (;;) new Float64Array(3e6).map((_, n) => -n).sort()',
      OR_FAILS,
    ),
    query(
      'counts in calendars',
      'for (;;) Temporal.PlainDate.from("-271821-04-20").until("+275760-09-13", { largestUnit: "days" })',
      OR_FAILS,
    ),
    query(
      'makes formats',
      'for (;;) new Intl.DateTimeFormat("ar-u-ca-islamic", { dateStyle: "full", timeZone: "Asia/Kathmandu" }).format(0)',
      OR_FAILS,
    ),
    query(
      'stores a document of the longest array',
      "const a = [1]; a.length = 2 ** 32 - 1; return db.collection('a').find({ a }).toArray()",
      OR_FAILS,
    ),
  ],
}
