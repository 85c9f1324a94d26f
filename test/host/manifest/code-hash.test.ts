import { expect, test } from 'vitest'
import { readManifest } from '../../../host/registry/manifest.ts'
import { longTest } from '../../support/long.ts'

const IMPORT = 'import { view, query, onEvent } from "@lyceum/sdk";'
const BUNDLE = `
var limit = 10;
function add(a, b) { return a + b; }
var plus = (a, b) => add(a, b);
class Point { far() { return this.x > limit; } }
Point.prototype.near = function () { return !this.far(); };
var count = onEvent("play", ({ events }) => events.map((e) => new Point(e)));
var sum = onEvent("play", ({ events }) => events.reduce(plus, 0));
var shown = view(() => "<p>" + limit);
export { count, sum, shown };`

/** The names of the endpoints whose hash another bundle changes. */
function changed(from: string, to: string, text = BUNDLE): string[] {
  expect(text).toContain(from)
  const [before, after] = [text, text.replace(from, to)].map((bundle) =>
    readManifest(`${IMPORT}\n${bundle}`).endpoints.map(({ name, codeHash }) => [name, codeHash] as const),
  )
  return [...new Map(after)]
    .filter(([name, hash]) => new Map(before).get(name) !== hash)
    .map(([name]) => name)
}

test.each([
  ['its own text', 'new Point(e)', 'new Point(e.event)', ['count']],
  ['its options', 'sum = onEvent("play"', 'sum = onEvent("pause"', ['sum']],
  ['a function that it reaches through another', 'a + b', 'a - b', ['sum']],
  ['a constant, of all that reach it', 'limit = 10', 'limit = 11', ['count', 'shown']],
  ['a statement that changes a class', '!this.far()', 'this.far()', ['count']],
  ['what nobody reaches', 'var limit', 'var unused = 1;\nvar limit', []],
])('the hash of an endpoint tells %s', (_, from, to, endpoints) => {
  expect(changed(from, to)).toEqual(endpoints)
})

test('options that have no say in the data of a handler have none in its hash; others have', () => {
  const text = `const late = "now";
var a = onEvent({ where: { event_type: "play" }, mode: "soft", from: "start", title: "A", 'description': "1" }, ({ events, db }) => db);
var b = query({ title: "A", params: { mode: "soft" } }, () => 1);
export { a, b };`
  expect(
    changed('mode: "soft", from: "start", title: "A", \'description\': "1"', 'mode: "queued"', text),
  ).toEqual([])
  expect(changed('mode: "soft", ', 'asUsers: true, ', text)).toEqual(['a'])
  expect(changed('"play"', '"pause"', text)).toEqual(['a'])
  // What is computed may be anything.
  expect(changed('from: "start"', 'from: late', text)).toEqual(['a'])
  expect(changed('{ mode: "soft" }', '{ mode: "hard" }', text)).toEqual(['b'])
})

test('a key that is called like a declaration is not that declaration', () => {
  const text = `var n = 1;\nvar a = query(() => ({ n: 2, m: ({}).n }));\nexport { a };`
  expect(changed('n = 1', 'n = 2', text)).toEqual([])
  expect(changed('n = 1', 'n = 2', text.replace('{ n: 2,', '{ n,'))).toEqual(['a'])
})

test.each([
  [
    'a local variable',
    '({ events }) => events.map((e) => new Point(e))',
    '({ events: all }) => all.map((x) => new Point(x))',
  ],
  ['a key that is written short', 'return a + b', 'const c = { a, b }; return c.a + c.b'],
])('what %s is called has no say', (_, from, to) => {
  const other = to.replaceAll('x', 'y').replaceAll('all', 'every').replace('{ a, b }', '{ a: a, b: b }')
  expect(changed(to, other, BUNDLE.replace(from, to))).toEqual([])
})

test.each([
  [
    'a comment among arguments',
    'onEvent("play", ({ events }) => events.reduce',
    'onEvent(\n  "play",\n  // all\n  ({ events }) => events.reduce',
  ],
  [
    'a comment in an object, with the parentheses that a bundler puts there',
    '{ n: a }',
    '{ n: (\n  /* of it */\n  a\n) }',
  ],
  ['another layout', 'return { n: a };', 'return {\n  n: a\n  };'],
])('%s has no say', (_, from, to) => {
  expect(changed(from, to, BUNDLE.replace('return a + b;', 'return { n: a };'))).toEqual([])
})

test('what stands in a text, a pattern or a number has its say, down to a space', () => {
  const text = (what: string) => `var a = query(() => ${what});\nexport { a };`
  for (const [from, to] of [
    ['"a b"', '"a  b"'],
    ['`a b`', '`a  b`'],
    ['/a b/g', '/a  b/g'],
    ['/a b/g', '/a b/i'],
    ['1', '"1"'],
    ['1', '1n'],
    ['[, 1]', '[1]'],
    ['[1, [2]]', '[[1, 2]]'],
    ['null', '"null"'],
  ] as const)
    expect(changed(from, to, text(from)), `${from} ${to}`).toEqual(['a'])
})

test('names that a bundler changes because a module was added have no say', () => {
  const text = `${IMPORT}\nvar limit = 1;\nvar a = query(({ db }) => { const rows = db; return [limit, rows] });\nexport { a };`
  const renamed = text
    .replace('{ view, query, onEvent }', '{ query as query2 }')
    .replace('query(', 'query2(')
    .replaceAll('limit', 'limit2')
    .replace('const rows = db; return [limit2, rows]', 'const rows2 = db; return [limit2, rows2]')
    .replace(';', ';var limit = 7, rows = 8;')
  const [before, after] = [text, renamed].map((bundle) => readManifest(bundle).endpoints[0]?.codeHash)
  expect(renamed).not.toBe(text)
  expect(after).toBe(before)
})

test('which of two variables of the same name is meant has its say', () => {
  const text = `var n = 1;\nvar a = query(() => { { const n = 2; } return n });\nexport { a };`
  expect(changed('{ const n = 2; } return n', '{ const n = 2; return n }', text)).toEqual(['a'])
  expect(changed('var n = 1', 'var n = 3', text)).toEqual(['a'])
})

test('which of two declarations is used has its say', () => {
  const text = `var m = 1, n = 1;\nvar a = query(() => m);\nexport { a };`
  expect(changed('var m = 1', 'var m = 2', text)).toEqual(['a'])
  expect(changed('=> m', '=> m + n', text)).toEqual(['a'])
  expect(changed('=> m', '=> n', text.replace('n = 1', 'n = 2'))).toEqual(['a'])
})

test('a bundle that declares one name again and again costs little', () => {
  const text = `${'var a = a + a;'.repeat(50_000)}\nvar b = view(() => a);\nexport { b };`
  expect(changed('var a = a + a;', 'var a = a - a;', text)).toEqual(['b'])
})

test('which variable stands where is told, though what it is called is not', () => {
  const locals = 'var a = query(({ params }) => ((x, y) => x - y)(1, 2));\nexport { a };'
  expect(changed('x - y', 'y - x', locals)).toEqual(['a'])
  const inner = 'var a = query(({ params }) => ((x) => ((y) => x)(2))(1));\nexport { a };'
  expect(changed('=> x)', '=> y)', inner)).toEqual(['a'])
  // Each x is its own: which one is meant is all that there is to tell.
  expect(changed('(y) => x)', '(x) => x)', inner)).toEqual(['a'])
  expect(changed('(y) => y)', '(x) => x)', inner.replace('=> x)', '=> y)'))).toEqual([])
  const far =
    'var one = 1, two = 2;\nvar f = () => one;\nvar a = query(() => [one, two, f()]);\nexport { a };'
  expect(changed('f = () => one', 'f = () => two', far)).toEqual(['a'])
  const top = 'var one = 1, two = 2;\nvar a = query(() => one - two - one);\nexport { a };'
  expect(changed('one - two - one', 'one - two - two', top)).toEqual(['a'])
  expect(changed('one - two - one', 'two - one - two', top)).toEqual(['a'])
  const sdk = 'var a = query(() => [query, view, onEvent].length && query);\nexport { a };'
  expect(changed('&& query', '&& view', sdk)).toEqual(['a'])
})

longTest('where endpoints reach too much to be told apart in time, whatever changes has a say', () => {
  const all = Array.from({ length: 20_000 }, (_, index) => `var v${index} = ${index};`).join('')
  const names = Array.from({ length: 20_000 }, (_, index) => `v${index}`)
  const queries = Array.from({ length: 100 }, (_, index) => `export const q${index} = query(() => all());`)
  const text = `${all}var far = 1;const all = () => [${names.join(',')}];${queries.join('\n')}`
  const unlike = changed('far = 1', 'far = 2', text)
  expect(unlike).not.toContain('q0')
  expect(unlike).toContain('q99')
})
