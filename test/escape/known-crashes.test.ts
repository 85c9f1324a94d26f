import { readdirSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Lab } from '../sandbox/lab.ts'
import { longTest } from '../support/long.ts'

/**
 * What the trackers of isolated-vm, Node and V8 report, as far as a plugin can try it. Each row names the
 * report (`ivm` is laverdet/isolated-vm) and says how it ends here. `lost` is the end of a process, which
 * costs nobody else more than a restart.
 */
let lab: Lab
beforeAll(async () => {
  lab = new Lab()
  await lab.supervisor.start()
})
afterAll(() => lab.close())

const OK = 'export const run = { handler: () => 1 }'
const neighbour = () => lab.run('neighbour', OK)

describe('at load', () => {
  test.each([
    ['ivm#559: a linker that throws after it has resolved', `import '@lyceum/sdk'; import 'x'; ${OK}`],
    ['ivm#559, with many', `import '@lyceum/sdk'; ${"import 'x';".repeat(20_000)} ${OK}`],
    ['a specifier that is no text in one byte each', `import '@lyceum/sdk'; import 'café-中-😀'; ${OK}`],
    ['a specifier of half a character', `import '@lyceum/sdk'; import '\\ud800'; ${OK}`],
    ['import attributes', `import '@lyceum/sdk'; import a from 'x' with { type: 'json' }; ${OK}`],
    ['an export that is not there', `import { nothing } from '@lyceum/sdk'; ${OK}`],
    ['a line of source that fills the isolate', '~'.repeat(1e6)],
    ['ivm#537: an error of syntax met late', `${OK}; new Function('~'.repeat(1e6))()`],
    ['a parser at the end of its stack', '('.repeat(1e6)],
    ['templates in templates', `\`${'${`'.repeat(1e5)}`],
    ['a regular expression too large to compile', `/${'(a|b)'.repeat(1e5)}/.test('a'); ${OK}`],
    ['null thrown', 'throw null'],
    ['ivm#236: what is thrown is no error', 'throw Symbol()'],
    ['a revoked proxy thrown', 'const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); throw proxy'],
    ['every frame of an endless recursion', 'Error.stackTraceLimit = Infinity; (function f() { f() })()'],
    ['a stack that reads itself', 'Error.prepareStackTrace = (error) => error.stack; throw new Error()'],
    ['an address of source as long as a book', `throw new Error('x')\n//# sourceURL=${'y'.repeat(1e6)}`],
  ])('%s: is refused', async (_, source) => {
    const told = await lab.run('crasher', source)
    expect(told.code).toBe('bundle_broken')
    expect(told.stack + told.message).not.toMatch(/file:|node_modules|\/sandbox\/isolate/)
    expect(lab.losses).toEqual([])
  })

  test.each([
    ['await without end', `await new Promise(() => {}); ${OK}`, 'plugin_failed'],
    ['an export called then', `export const then = () => { for (;;); }; ${OK}`, 'ok'],
    ['a proxy as default export', `export default new Proxy({}, { get() { for (;;); } }); ${OK}`, 'ok'],
    ['names that no property has', `const a = 1; export { a as '__proto__', a as 'x y' }; ${OK}`, 'ok'],
    ['the SDK exported again', `export * from '@lyceum/sdk'; ${OK}`, 'ok'],
    ['a first line of a shell', `#!/bin/sh\n${OK}`, 'ok'],
    ['addresses of files of the host', `${OK}\n//# sourceURL=file:///etc/passwd`, 'ok'],
    ['parser-overflow: code of 400 MB', `try { eval('1'.repeat(4e8)) } catch {} ${OK}`, 'ok'],
  ])('%s: loads, and means nothing', async (_, source, code) => {
    expect((await lab.run('odd', source)).code).toBe(code)
    expect(lab.losses).toEqual([])
  })

  test('import source: V8 crashes on it, in a process that is only for the check', async () => {
    const losses = lab.losses.length
    const told = await lab.run('crasher', `import source a from '@lyceum/sdk'; ${OK}`)
    expect(told.code).toBe('sandbox_lost')
    expect(lab.losses.slice(losses)).toMatchObject([{ reason: 'it ended by itself (SIGSEGV)' }])
    expect(await neighbour()).toMatchObject({ result: 1 })
  })
})

describe('at work', () => {
  test.each([
    ['ivm#567: import() at run time', "return await import('fs').catch((e) => e.message)", 'Not supported'],
    [
      'the same for a source',
      'return await eval("import.source(\'@lyceum/sdk\')").catch((e) => e.message)',
      'Not supported',
    ],
    ['natives of V8', "try { return eval('%DebugPrint(1)') } catch (e) { return e.name }", 'SyntaxError'],
    ['realms', 'return typeof ShadowRealm', 'undefined'],
    ['ivm#308: WebAssembly', 'return typeof WebAssembly', 'undefined'],
    [
      'growable views',
      'try { return new ArrayBuffer(8, { maxByteLength: 16 }).byteLength } catch (e) { return e.name }',
      'RangeError',
    ],
    [
      'sorting what shrinks',
      'const a = Array.from({ length: 1e4 }, (_, i) => i); a.sort(() => { a.length = 1; return 1 }); return a.length',
      10_000,
    ],
    [
      'the longest arrays joined',
      'const a = []; a.length = 2 ** 32 - 2; return [].concat(a, a).length',
      2 ** 32 - 1,
    ],
    [
      'a hot function whose world changes',
      `const f = (x) => x.a + 1; for (let i = 0; i < 1e5; i++) f({ a: i })
       Object.defineProperty(Object.prototype, 'a', { get: () => 5 }); return f({})`,
      6,
    ],
    [
      'console that profiles',
      "console.time('x'); console.profile('a'); console.profileEnd('a'); return 1",
      1,
    ],
    ['debugger', 'debugger; return 1', 1],
  ])('%s', async (_, body, result) => {
    expect(await lab.handler('odd', body)).toMatchObject({ code: 'ok', result })
    expect(lab.losses).toMatchObject([{}]) // the one above
  })

  test.each([
    ['ivm#107: text spread', "return [...'.'.repeat(5e8)].length"],
    ['ivm#527: an array near its limit', 'const a = Array(1e8); for (let i = a.length; i--;) a[i] = i'],
    ['ivm#137: filled', 'Array(1e9).fill(0)'],
    ['ivm#457: names of properties', "const o = {}; for (let i = 0; ; i++) o['a' + i] = 'b' + i"],
    ['proxies of proxies', 'let p = {}; for (;;) p = new Proxy(p, {})'],
    ['functions bound again and again', 'let f = () => 1; for (;;) f = f.bind(null)'],
    ['iterators of iterators', 'let it = [1].values(); for (;;) it = it.map((x) => x)'],
    ['causes of causes', "let e = new Error(); for (;;) e = new Error('y', { cause: e })"],
    [
      'disposables that all throw',
      'const s = new DisposableStack(); for (;;) s.defer(() => { throw new Error() })',
    ],
    ['JSON as deep as memory', "JSON.parse('['.repeat(1e7))"],
    ['toJSON without end', 'const a = { toJSON() { return { a } } }; return a'],
    [
      'locales without end',
      "for (const all = []; ;) all.push(new Intl.DateTimeFormat('ar'), new Intl.Collator('zh'))",
    ],
    ['hexadecimal of 400 MB', "Uint8Array.fromHex('00'.repeat(2e8))"],
    [
      'an endless async iterable',
      'await Array.fromAsync({ [Symbol.asyncIterator]: () => ({ next: async () => ({ value: 1 }) }) })',
    ],
  ])('%s: is stopped', async (_, body) => {
    const { code } = await lab.handler('crasher', body)
    expect(['over_cpu', 'over_memory', 'sandbox_lost', 'plugin_failed']).toContain(code)
    await expect.poll(async () => (await neighbour()).result, { timeout: 20_000 }).toBe(1)
  })

  longTest('ivm#572: turns leave no timer behind, of which enough would end the process', async () => {
    const own = new Lab()
    await own.supervisor.start()
    const [pid = 0] = own.supervisor.pids
    const threads = () => readdirSync(`/proc/${pid}/task`).length
    const budget = { wallMs: 120_000, cpuMs: 60_000 }
    const body = 'for (let i = 0; i < 50; i++) await c.db.collection("a").findOne(); return 1'
    const ask = { budget, loadWallMs: 5_000 }
    expect(await own.handler('quick', body, ask)).toMatchObject({ result: 1 })
    // The load has a timer, of five seconds; of a turn it would be the wall time of its call.
    const loading = threads()
    await expect.poll(threads, { timeout: 20_000, interval: 100 }).toBeLessThan(loading)
    const before = threads()
    expect(await own.handler('quick', body, ask)).toMatchObject({ result: 1 })
    expect(threads()).toBe(before)
    own.close()
  })
})
