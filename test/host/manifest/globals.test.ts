import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { freeNames } from '../../../host/registry/manifest-globals.ts'
import { parseBundle } from '../../../host/registry/manifest-syntax.ts'

const NAMES = new Set(['fetch', 'process', 'exports'])
function free(code: string): string[] {
  const { uses } = freeNames(parseBundle(code).program, (name) => NAMES.has(name))
  return uses.map(({ name, start }) => `${name} ${start}`)
}

describe('a name that is used and not declared', () => {
  test.each([
    ['called', "fetch('x')"],
    ['read', 'const a = process.env.A'],
    ['in a function', 'const a = () => { return fetch }'],
    ['in a default', 'const a = ({ b = fetch }) => b'],
    ['in a computed key', 'const a = { [fetch]: 1 }'],
    ['in a shorthand', 'const a = { fetch }'],
    ['in a template', 'const a = `${fetch}`'],
    ['in a class', 'class A extends fetch {}'],
    ['in a field', 'class A { b = fetch }'],
    ['in a computed member', 'const a = {}; a[fetch]'],
    ['exported', 'export const a = fetch'],
    ['where another function declares it', 'const a = (fetch) => fetch; const b = () => fetch()'],
    ['where a block beside it declares it', '{ const fetch = 1 } fetch()'],
    ['where a loop beside it declares it', 'for (const fetch of []) fetch; fetch()'],
    ['where a caught error beside it has its name', 'try {} catch (fetch) { fetch } fetch()'],
    ['in what is done about a failure', 'try {} catch { fetch() }'],
    ['at last', 'try {} catch {} finally { fetch() }'],
    ['in a try that catches nothing', 'try { fetch() } finally {}'],
    ['assigned by a pattern', 'let a; ({ a = fetch } = {})'],
  ])('is found: %s', (_, code) => {
    const at = /try \{\} catch \(fetch\)|^const a = \(fetch\)|^\{|^for/.test(code)
      ? code.lastIndexOf('fetch')
      : code.search(/fetch|process/)
    expect(free(code)).toEqual([`${code.slice(at).match(/^\w+/)?.[0]} ${at}`])
  })

  test.each([
    ['a key', 'const a = { fetch: 1 }'],
    ['a member', 'const a = {}; a.fetch()'],
    ['a method', 'class A { fetch() {} }'],
    ['a label', 'fetch: for (;;) { break fetch }'],
    ['an import', "import { a as fetch } from '@lyceum/sdk'; fetch()"],
    ['an import’s own name', "import { fetch as a } from '@lyceum/sdk'"],
    ['an export’s name', 'const a = 1; export { a as fetch }'],
    ['a constant', 'const fetch = 1; fetch'],
    ['a variable of the function, declared later', 'const a = () => { fetch(); { var fetch } }'],
    ['a function, declared later', 'fetch(); function fetch() {}'],
    ['a class', 'class fetch {} new fetch()'],
    ['a parameter', 'const a = (fetch) => fetch()'],
    ['a part of a parameter', 'const a = ({ b: [fetch = 1, ...process] }) => fetch + process'],
    ['a parameter of the function around', 'const a = (fetch) => () => fetch()'],
    ['a function’s own name', 'const a = function fetch() { fetch() }'],
    ['a class’s own name', 'const a = class fetch { b = fetch }'],
    ['a caught error', 'try {} catch (fetch) { fetch }'],
    ['a loop’s variable', 'for (const fetch of []) fetch()'],
    ['a CommonJS wrapper’s', 'const a = { "x"(exports, process) { exports.a = process } }'],
    ['tried', 'try { fetch() } catch {}'],
    ['tried in a function', 'try { (() => fetch())() } catch {}'],
    ['only looked for', "typeof fetch === 'undefined'"],
    ['never of interest', 'other()'],
  ])('is not: %s', (_, code) => {
    expect(free(code)).toEqual([])
  })

  test('is told once it was looked for', () => {
    const { tested } = freeNames(parseBundle('typeof fetch; typeof other').program, (name) => NAMES.has(name))
    expect(tested.map(({ name }) => name)).toEqual(['fetch'])
  })

  test('is found however deep, and however often a name is declared', () => {
    expect(free(`${'(() => {'.repeat(100)}fetch()${'})()'.repeat(100)}`)).toEqual(['fetch 800'])
    const often = '{ let fetch; fetch }'.repeat(20_000)
    expect(free(often)).toEqual([])
    expect(free('fetch;'.repeat(100_000))).toHaveLength(2_000)
  })

  test('shadowing by blocks and functions is that of JavaScript', () => {
    // Each program logs, at each use, whether the name is that of the outside.
    const part: fc.Memo<string> = fc.memo((depth) =>
      depth <= 1
        ? fc.constantFrom('use(fetch);', 'use(fetch);', '')
        : fc.oneof(
            fc.constantFrom('use(fetch);', 'var fetch = 0;', 'use(fetch);'),
            part().map((inner) => `{ let fetch = 0; ${inner.replaceAll('var fetch = 0;', '')} }`),
            part().map((inner) => `{ ${inner} }`),
            part().map((inner) => `(() => { ${inner} })();`),
            part().map((inner) => `((fetch = 0) => { ${inner} })();`),
            part().map((inner) => `(function fetch() { ${inner} })();`),
            fc.tuple(part(), part()).map(([a, b]) => `${a} ${b}`),
          ),
    )
    fc.assert(
      fc.property(part(4), (code) => {
        let outside = 0
        const OUTSIDE = {}
        new Function('fetch', 'use', `{ (() => { ${code} })() }`)(OUTSIDE, (value: unknown) => {
          if (value === OUTSIDE) outside++
        })
        expect(free(`(() => { ${code} })()`)).toHaveLength(outside)
      }),
      { numRuns: 300 },
    )
  })
})
