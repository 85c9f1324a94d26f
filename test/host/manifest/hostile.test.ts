import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LyceumError } from '../../../host/errors.ts'
import { readManifest } from '../../../host/registry/manifest.ts'

const BUNDLE = `import { view, query as query2, onEvent, cron, collection, html } from "@lyceum/sdk";
var helper = (s) => s + "!";
var hello = view(({ user, course: c = "x", plugins: { self, grades: g } }) => html\`<h1>\${helper(user + c)}</h1>\`);
var top = query2({ title: "Top" }, async function({ db, params }) {
  return db.collection("plays").find({}).toArray();
});
async function handle({ events, db, ...rest }) {
}
var count = onEvent("play_video", handle);
var tidy = cron("0 4 * * *", ({ db }) => db);
var plays = collection({ indexes: [] });
export { count, hello, top as top2, tidy, plays };
`
const TOKENS = BUNDLE.match(/\w+|\s+|[^\w\s]/g) ?? []
const WORDS = [
  'arguments',
  'import("x")',
  'await',
  '...',
  '[',
  ']',
  '{',
  '}',
  '(',
  ')',
  '=>',
  'export',
  'default',
  '*',
  ',',
  '__proto__',
  'class A {}',
  'function* g() {}',
  '#x',
  '`',
  '/',
  '\u2028',
  '\0',
  'new.target',
  '?.',
  '= {}',
]

const word = fc.constantFrom(...WORDS, ...new Set(TOKENS))
const edit = fc.record({
  at: fc.nat(TOKENS.length),
  remove: fc.nat(3),
  insert: fc.array(word, { maxLength: 2 }),
})

test('a bundle that was changed at random is read, or refused with a reason; it never throws anything else', () => {
  let read = 0
  fc.assert(
    fc.property(fc.array(edit, { maxLength: 3 }), (edits) => {
      const tokens = [...TOKENS]
      for (const { at, remove, insert } of edits) tokens.splice(at, remove, ...insert)
      try {
        const { endpoints } = readManifest(tokens.join(''))
        expect(endpoints.length).toBeGreaterThan(0)
        read++
      } catch (error) {
        expect(error).toBeInstanceOf(LyceumError)
        expect(error).toMatchObject({ code: expect.stringMatching(/^(bundle_broken|manifest_refused)$/) })
      }
    }),
    { numRuns: 2_000 },
  )
  expect(readManifest(BUNDLE.replace(', ...rest', '')).endpoints).toHaveLength(5)
  expect(read).toBeLessThan(2_000)
})
