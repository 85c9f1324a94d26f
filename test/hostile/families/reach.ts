import { type Family, handler, job, query, view } from '../plugin.ts'

/** Walks everything that can be reached from some values: properties, symbols, accessors, prototypes. */
const WALK = `
  const { apply, getPrototypeOf, ownKeys, getOwnPropertyDescriptor } = Reflect
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
        if (get) try { queue.push(apply(get, value, [])) } catch (error) { queue.push(error, error.stack) }
      }
    }
    return { seen, texts }
  }`
/** A walk ends when it has seen all; its texts are searched for what must not be seen. */
const WALKS = { top: WALK, quota: { cpuMsPerCall: 2_000, outputBytes: 4_000_000, bytesPerCall: 10_000_000 } }
const NOWHERE = { answers: /^"?undefined"?$|^\[(?:"undefined",?)*\]/ }

export const prototypes: Family = {
  title: 'prototypes, `JSON`, `Promise` and `Error` that are changed under what crosses',
  stoppedBy:
    'what holds limits lives in closures with what it captured first; text is checked to be text before it is counted',
  inSoak: [
    'throws an error that asks to be run again',
    'iterates for ever',
    'answers with the species of another',
    'throws an error that asks to be tried again for ever',
    'throws an error that says it broke no limit',
    'sets every property',
  ],
  plugins: [
    query('encodes nothing', 'Object.prototype.toJSON = () => undefined; throw new Error("x")', [
      'plugin_failed',
    ]),
    query(
      'encodes numbers',
      'JSON.stringify = () => 7; Array.prototype.join = () => 7; String.prototype.slice = () => 7; Object.prototype.toJSON = () => 7; log("x"); throw new Error("x")',
      ['plugin_failed', 'ok'],
    ),
    query(
      'promises nothing',
      "Promise.prototype.then = function () {}; globalThis.Promise = function () {}; return db.collection('a').findOne()",
      ['plugin_failed', 'ok'],
    ),
    query(
      'sets every property',
      `for (const k of ["resolve", "reject", "code", "done", "end", "error", "0", "1"]) Object.defineProperty(Object.prototype, k, { set() { for (;;); }, get() { return {} } }); return db.collection('a').findOne()`,
      ['plugin_failed', 'ok', 'over_cpu'],
    ),
    query(
      'iterates for ever',
      'Object.defineProperty(Array.prototype, Symbol.iterator, { value: function* () { for (;;) yield 1 } }); log(...[1]); return 1',
      ['plugin_failed', 'ok', 'over_cpu', 'over_memory'],
    ),
    query(
      'answers with the species of another',
      `class A extends Array { static get [Symbol.species]() { return class { constructor() { return new Proxy([], { get: () => 7 }) } } } }
      return A.from([1, 2, 3]).map((x) => x)`,
      ['ok', 'plugin_failed'],
    ),
    query(
      'subclasses what it returns',
      'class P extends Promise { static resolve() { return { then: (done) => done({ polluted: true }) } } } return P.resolve(1)',
      ['ok'],
    ),
    query(
      'returns a result that says it is the failure',
      'return { failure: { code: "internal", message: "x" }, cpuMs: -1e9, isolateLost: true }',
      ['ok'],
    ),
    query(
      'throws an error with a code of the host',
      'throw Object.assign(new Error("x"), { code: "sandbox_lost" })',
      ['plugin_failed'],
    ),
    query(
      'throws an error that says it broke no limit',
      'throw Object.assign(new Error("x"), { code: "over_concurrency", details: { thrown: "internal" }, passing: true })',
      ['plugin_failed'],
    ),
    handler(
      'throws an error that asks to be tried again for ever',
      'throw Object.assign(new Error("x"), { code: "store_lost" })',
      ['plugin_failed'],
    ),
    job(
      'throws an error that asks to be run again',
      'throw Object.assign(new Error("x"), { code: "disk_full" })',
      ['plugin_failed'],
    ),
    query(
      'freezes what the runtime writes to',
      'for (const x of [Object.prototype, Array.prototype, Promise.prototype, Function.prototype, Error.prototype, globalThis]) Object.freeze(x); log("x"); return db.collection("a").find().toArray()',
      ['ok', 'plugin_failed'],
    ),
    query('stands in for its own handler', 'return 1', ['ok', 'manifest_refused', 'plugin_failed'], {
      top: `Object.freeze = (x) => new Proxy(x, { get: (o, k) => k === 'handler' ? (c) => Object.keys(c) : k === 'kind' ? 'query' : o[k] })`,
    }),
    view(
      'passes off as markup what is none',
      'Html.prototype.toString = () => ({ length: -1, toString: () => "x".repeat(1e9) }); return html`<p>x</p>`',
      ['plugin_failed', 'ok', 'over_memory'],
    ),
    handler(
      'changes its batch under the runtime',
      'try { events.length = 0 } catch {} try { events[0] = null } catch {} events.push?.(...events); try { events.splice(0) } catch {}',
      ['ok', 'plugin_failed'],
    ),
  ],
}

export const reach: Family = {
  title: "attempts to reach host objects, modules, other plugins' data, invocation ids, the parent process",
  stoppedBy:
    'there is no reference to anything outside an isolate, and only text crosses; modules are not supported; made code stays inside',
  inSoak: [
    'overflows the stack to catch what is under it',
    'asks a plugin of whom it has no approval, in a handler',
    'asks for a debugger',
    'looks for a process',
  ],
  plugins: [
    query(
      'looks for a process',
      'return [typeof process, typeof require, typeof module, typeof Buffer, typeof fetch, typeof setTimeout, typeof global, typeof performance, typeof navigator, typeof Deno]',
      ['ok'],
      NOWHERE,
    ),
    query(
      'makes code outside of its module',
      "return [new Function('return typeof process')(), (0, eval)('typeof require'), (async () => {}).constructor('return typeof process')() && 'undefined', Reflect.construct(Function, ['return typeof global'])()]",
      ['ok'],
      NOWHERE,
    ),
    query(
      'imports what is not its own',
      `const told = []
      for (const name of ['node:fs', 'fs', 'isolated-vm', '/etc/passwd', './guest/bridge.ts', 'lyceum:sandbox/guest/bridge.ts', '@lyceum/sdk/ejson', 'data:text/javascript,1'])
        told.push(await new Function('name', 'return import(name)')(name).then((found) => Object.keys(found), (error) => error.message))
      return told`,
      ['ok'],
      { answers: /^\[(?:"Not supported",?){8}\]/ },
    ),
    query(
      'walks all that it can reach',
      `
      const held = [globalThis, db, log, now, self, new Error('x'), db.collection('a'), db.collection('a').find(), async () => {}, function* () {}, async function* () {}]
      try { null.x } catch (error) { held.push(error) }
      try { await self.nothing() } catch (error) { held.push(error, error.stack, error.details) }
      try { await db.collection('a').find({ $where: 1 }).toArray() } catch (error) { held.push(error, error.stack, error.details) }
      return [...walk(held).texts].join('\\n')`,
      ['ok'],
      { ...WALKS, answers: /captureStackTrace/ },
    ),
    query(
      'walks the frames of every stack',
      `
      const held = []
      Error.stackTraceLimit = 100
      Error.prepareStackTrace = (error, frames) => { for (const f of frames) held.push(f, f.getThis(), f.getFunction(), f.getFileName(), f.getEvalOrigin(), f.getScriptNameOrSourceURL(), f.getTypeName(), String(f)); return 'x' }
      for (const act of [() => self.nothing(), () => db.collection(7), () => db.collection('a').find({ $x: 1 }).toArray(), () => log(Symbol('x')), () => null.x, () => new (class extends Promise { constructor(f) { super(f); throw new Error('x') } })(() => {})])
        try { await act() } catch (error) { held.push(error, error.stack) }
      return [...walk(held).texts].join('\\n')`,
      ['ok', 'plugin_failed'],
      WALKS,
    ),
    query(
      'overflows the stack to catch what is under it',
      `
      const held = []
      const f = () => { try { f() } catch (error) { held.push(error, error.stack) } }
      f()
      const g = () => { try { db.collection('a').find({}).toArray().catch(() => {}); g() } catch (error) { held.push(error, error.stack) } }
      g()
      return [...walk(held.slice(-50)).texts].join('\\n')`,
      ['ok', 'over_ops', 'over_cpu', 'plugin_failed', 'over_memory', 'over_wall'],
      WALKS,
    ),
    query(
      'catches what passes through the language',
      `
      const caught = [], keep = (...values) => { for (let n = 0; n < values.length && caught.length < 5_000; n++) caught[caught.length] = values[n] }
      for (const place of [Array.prototype, Map.prototype, Promise.prototype, Function.prototype, String.prototype])
        for (const key of ownKeys(place)) {
          const { value, configurable } = getOwnPropertyDescriptor(place, key)
          if (typeof value !== 'function' || !configurable || key === 'constructor' || key === 'apply' || key === 'push') continue
          Object.defineProperty(place, key, { configurable: true, writable: true, value(...args) { keep(this, ...args); return apply(value, this, args) } })
        }
      for (const act of [() => db.collection('a').find({ a: 1 }).toArray(), () => log('line', { a: 1 }), () => self.other({}), () => { throw new TypeError('x') }])
        try { await act() } catch (error) { keep(error) }
      const functions = [...walk(caught).seen].filter((value) => typeof value === 'function')
      for (const value of functions) for (let n = 0; n < 3; n++) try { value(n, 5, 0, '{"level":"info","line":"escaped"}') } catch {}
      return caught.length`,
      ['ok', 'plugin_failed', 'over_cpu', 'over_ops', 'over_memory'],
      { ...WALKS, answers: /^(?!.*"line":"escaped").*$/s },
    ),
    query(
      'guesses invocations',
      `for (let n = 0; n < 200; n++) try { open?.[n]?.settle?.(1, false, '[]') } catch {}
      return [typeof send, typeof out, typeof boot, typeof open, typeof bridge]`,
      ['ok', 'plugin_failed'],
      NOWHERE,
    ),
    query(
      'reads what another plugin left in the process',
      "return [typeof kept, typeof mark, typeof [].mark, typeof Symbol.for('mark').mark]",
      ['ok'],
      {
        top: 'Array.prototype.other = Symbol.for("mark")',
        answers: NOWHERE.answers,
      },
    ),
    query(
      'asks a plugin of whom it has no approval',
      'return secretive.tell()',
      ['plugin_pending', 'op_denied'],
      { takes: 'plugins: { secretive }' },
    ),
    handler(
      'asks a plugin of whom it has no approval, in a handler',
      'return secretive.tell()',
      ['plugin_pending'],
      {
        takes: 'events, plugins: { secretive }',
      },
    ),
    query('writes where it may only read', "await db.collection('a').insertOne({})", ['write_denied']),
    query(
      'reads the clock of the machine',
      'const a = Date.now(); for (let n = 0; n < 2e6; n++); return [Date.now() - a, typeof performance, typeof Temporal?.Now]',
      ['ok'],
      {
        answers: /^\[0,"undefined","undefined"\]/,
      },
    ),
    query('acts as another person', 'return viewer', ['ok', 'bad_parameter'], {
      takes: 'viewer',
      asked: '?viewer=admin&role=admin',
    }),
    query(
      'asks for a debugger',
      'debugger; return [typeof console.profile, typeof inspect, typeof gc, typeof d8, typeof Shell]',
      ['ok'],
      { answers: /"undefined","undefined","undefined","undefined"\]/ },
    ),
    query(
      'reads its own module',
      'return [Object.keys(import.meta), import.meta.url, String(import.meta.resolve)]',
      ['ok'],
      { answers: /^\[\[\],null,"undefined"\]/ },
    ),
  ],
}

export const markup: Family = {
  title: 'hostile HTML of views',
  stoppedBy: 'the frame: an origin of nobody, no network, no forms; the host never reads what is in it',
  inSoak: ['returns what is no markup'],
  plugins: [
    view(
      'closes the frame around it',
      'return \'<p></body></html><script>parent.location = "//example.org"</script><iframe src="/"></iframe><base href="//example.org">\'',
      ['ok'],
    ),
    view(
      'sends its reader on',
      'return \'<meta http-equiv="refresh" content="0;url=//example.org"><form action="//example.org"><button>x</button></form>\'',
      ['ok'],
    ),
    view('writes lone surrogates and NULs', "return '<p>' + '\\ud800\\0\\ufffe\\u202e'.repeat(1_000)", [
      'ok',
    ]),
    view('returns more than a page holds', "return '<p>' + '\\u20ac'.repeat(60_000)", ['over_output']),
    view('returns what is no markup', 'return { toString: () => "<p>" }', ['plugin_failed']),
    view(
      'raises the markup of an error',
      'throw new Error("</pre><script>alert(1)</script>\\u202e")',
      ['plugin_failed'],
      { answers: /^$/ },
    ),
  ],
}
