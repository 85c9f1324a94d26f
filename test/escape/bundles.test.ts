import { afterAll, beforeAll, expect, test } from 'vitest'
import { startHost, type TestHost } from '../support/host.ts'

let lyceum: TestHost
beforeAll(async () => {
  lyceum = await startHost()
})
afterAll(() => lyceum.dispose())

const OK = "import { query } from '@lyceum/sdk'; export const one = query(() => 1);"
const map = JSON.stringify({ version: 3, sources: [], names: [], mappings: '' })
/** Publishes a bundle as it is: no command line of ours has touched it. */
const publish = (id: string, bundle: string) =>
  lyceum.call('POST', `/v1/plugins/${id}/versions`, {
    body: { bundle, sourceMap: map, package: { name: id, version: '1.0.0' } },
  })
const CODES = ['bundle_broken', 'manifest_refused', 'options_refused']

test.each([
  ['import source, on which V8 crashes', `import source a from '@lyceum/sdk'; ${OK}`],
  ['import defer', `import defer * as a from '@lyceum/sdk'; ${OK}`],
  ['an import with attributes', `import a from 'x' with { type: 'json' }; ${OK}`],
  ['an import beside the SDK', `${OK} import 'node:fs'`],
  ['everything exported again', `${OK} export * from '@lyceum/sdk'`],
  ['the SDK exported as a name', `${OK} export * as two from '@lyceum/sdk'`],
  ['a default export', `${OK} export default query(() => 1)`],
  ['an export called as no property is', `${OK} const a = query(() => 1); export { a as '__proto__' }`],
  ['an export of half a character', `${OK} const a = query(() => 1); export { a as '\\ud800' }`],
  ['an export that changes', `${OK} export let two = query(() => 1); two = 5`],
  ['parentheses in parentheses', `${OK} ${'('.repeat(200_000)}`],
  [
    'brackets in brackets',
    `${OK} export const two = query(() => ${'['.repeat(50_000)}${']'.repeat(50_000)})`,
  ],
  ['templates in templates', `${OK} \`${'${`'.repeat(100_000)}`],
  ['a class of classes', `${OK} ${'class A extends '.repeat(50_000)}`],
  ['arrows of arrows', `${OK} export const two = ${'() => '.repeat(100_000)}1`],
  [
    'a name that is written in escapes',
    `import { \\u{71}uery as q } from '@lyceum/sdk'; export const a = q(({ \\u{5f}\\u{5f}proto__ }) => 1)`,
  ],
  ['a parameter called __proto__', `${OK} export const two = query(({ __proto__ }) => 1)`],
  ['a parameter that is computed', `${OK} export const two = query(({ ['d' + 'b']: db }) => 1)`],
  ['a handler that never loads', `${OK} await new Promise(() => {})`],
  ['awaits at the top', `await 1; ${OK}`],
  ['a comment of HTML', `${OK}\n<!-- x`],
  ['a line that is not of one encoding', `${OK}\u0000`],
])('%s: is refused in a sentence, and the host goes on', async (_, bundle) => {
  const { status, json } = await publish('refused', bundle)
  expect([status, CODES]).toEqual([422, expect.arrayContaining([json.code])])
  expect(json.detail.length).toBeLessThan(2_000)
  expect(json.detail).not.toMatch(/node_modules|file:\/\/|\/sandbox\/|at .*\.ts:\d/)
})

test.each([
  ['a regular expression that takes for ever', `${OK} export const two = query(() => /^(a+)+$/.test('b'))`],
  ['one that is hardly one', `${OK} export const two = query(() => /(?<a>x)|(?<b>y)\\p{L}/u.test('b'))`],
  ['a first line of a shell', `#!/usr/bin/env node\n${OK}`],
  [
    'addresses of files of the host',
    `${OK}\n//# sourceURL=file:///etc/passwd\n//# sourceMappingURL=/etc/passwd`,
  ],
  ['a getter called as an export', `${OK} export const two = query({ get title() { return 'x' } }, () => 2)`],
])('%s: means no more than it says', async (name, bundle) => {
  const id = `taken${name.length}`
  const { status, json } = await publish(id, bundle)
  expect([status, json.code]).toEqual([201, undefined])
  expect((await lyceum.call('GET', `/v1/queries/${id}/one`)).json).toBe(1)
})
