import * as sdk from '@lyceum/sdk'
import { describe, expect, test } from 'vitest'
import { LyceumError } from '../../../host/errors.ts'
import { type ManifestProblem, readManifest } from '../../../host/registry/manifest.ts'
import { DIMENSIONS, FACILITIES, KINDS, SDK_VALUES } from '../../../host/registry/manifest-names.ts'

const IMPORT = 'import { view, query, onEvent, cron, collection, html, t } from "@lyceum/sdk";'

/** The only endpoint of a bundle. */
function only(text: string) {
  const { endpoints } = readManifest(`${IMPORT}\n${text}`)
  expect(endpoints).toHaveLength(1)
  return endpoints[0]
}

function refusalOf(bundle: string): LyceumError {
  try {
    readManifest(bundle)
  } catch (error) {
    if (error instanceof LyceumError) return error
    throw error
  }
  throw new Error('the bundle was not refused')
}

function problemsOf(text: string): ManifestProblem[] {
  const error = refusalOf(text)
  expect(error.code).toBe('manifest_refused')
  return error.details?.problems as ManifestProblem[]
}

describe('the manifest tells what each endpoint needs', () => {
  test('facilities, dimensions, plugins and replicas are what the handler destructures', () => {
    expect(
      only(
        'var top = query(({ db, course, params: { limit }, plugins: { self, grades: g }, replica: { lms } }) => 1);\nexport { top };',
      ),
    ).toEqual({
      name: 'top',
      kind: 'query',
      facilities: ['db', 'params', 'plugins', 'replica'],
      dimensions: ['course'],
      plugins: ['self', 'grades'],
      replicas: ['lms'],
      codeHash: expect.stringMatching(/^[0-9a-f]{64}$/),
      at: { line: 2, column: 11 },
      source: 'plugin.js',
      line: 2,
      column: 11,
    })
  })

  test.each([
    ['a handler without a parameter', 'export const a = view(() => "<p>")', []],
    ['an async function', 'export const a = view(async function ({ user }) {})', ['user']],
    ['a renamed dimension', 'export const a = view(({ course: c }) => c)', ['course']],
    ['a dimension with a default', 'export const a = view(({ course = "x" }) => course)', ['course']],
    ['a quoted name', 'export const a = view(({ "course": c }) => c)', ['course']],
    ['a name asked for twice', 'export const a = view(({ user, user: u }) => u)', ['user']],
    [
      'a function declared elsewhere',
      'async function h({ user }) {}\nvar a = view(h);\nexport { a }',
      ['user'],
    ],
    [
      'a function in a variable',
      'const h = ({ user }) => user\nexport const a = view({ title: "A" }, h)',
      ['user'],
    ],
    [
      'an endpoint under another name',
      'const b = view(({ user }) => user); const c = b; export { c as a }',
      ['user'],
    ],
    [
      'arguments of a function inside',
      'export const a = view(function ({ user }) { return function () { return arguments } })',
      ['user'],
    ],
  ])('%s', (_, text, dimensions) => {
    expect(only(text)).toMatchObject({ name: 'a', kind: 'view', facilities: [], dimensions })
  })

  test('functions of the SDK are recognised under the names that a bundler gives them', () => {
    const { endpoints } = readManifest(
      'import { view as view2 } from "@lyceum/sdk";\nimport * as lyceum from "@lyceum/sdk";\n' +
        'export const a = view2(({ user }) => user)\nexport const b = lyceum.cron("* * * * *", ({ db }) => db)\n' +
        'export const c = lyceum.collection({ indexes: [] })',
    )
    expect(endpoints.map(({ name, kind }) => [name, kind])).toEqual([
      ['a', 'view'],
      ['b', 'cron'],
      ['c', 'collection'],
    ])
  })

  test('a handler of events may take events one at a time', () => {
    expect(only('export const a = onEvent("x", ({ event, db, log, now }) => 1)')).toMatchObject({
      facilities: ['event', 'db', 'log', 'now'],
    })
  })
})

describe('what cannot be read is refused with its place and what to write', () => {
  test.each<[string, string, [number, number], RegExp]>([
    [
      'a plain parameter',
      'export const a = view((ctx) => ctx)',
      [2, 24],
      /`a` takes its parameter whole, as `ctx`\. Name what it needs: `\({ db, course }\) => …`/,
    ],
    [
      'a parameter with a default',
      'export const a = view(({ db } = {}) => db)',
      [2, 24],
      /whole parameter a default/,
    ],
    [
      'parameters collected',
      'export const a = view((...all) => all)',
      [2, 24],
      /collects its parameters with `\.\.\.`/,
    ],
    ['a list pattern', 'export const a = view(([db]) => db)', [2, 24], /cannot be read/],
    ['a second parameter', 'export const a = view(({ db }, more) => more)', [2, 32], /second parameter/],
    ['a rest pattern', 'export const a = view(({ db, ...rest }) => rest)', [2, 30], /collects the rest/],
    [
      'a computed name',
      'const k = "db"\nexport const a = view(({ [k]: db }) => db)',
      [3, 27],
      /computes a name/,
    ],
    [
      'a parameter beside params',
      'export const a = query({ params: { week: 1 } }, ({ week }) => week)',
      [2, 52],
      /`week`, which does not exist\. A parameter is declared in .*`\(\{ params \}\) => params\.week`/,
    ],
    [
      'a misspelt dimension',
      'export const a = view(({ coarse }) => coarse)',
      [2, 26],
      /`coarse`, which does not exist\. Did you mean `course`\? A view handler may ask for db, fs/,
    ],
    [
      'the network',
      'export const a = cron("* * * * *", ({ fetch }) => 1)',
      [2, 39],
      /`fetch`: a plugin has no network.*Read an LMS’s databases by `replica`/,
    ],
    [
      'a name that is nothing',
      'export const a = cron("* * * * *", ({ files }) => 1)',
      [2, 39],
      new RegExp(
        `\`files\`, which does not exist\\. A cron handler may ask for ${FACILITIES.cron.join(', ')}`,
      ),
    ],
    [
      'events in a view',
      'export const a = view(({ events }) => events)',
      [2, 26],
      /`events`, which a view does not have/,
    ],
    [
      'a viewer in a cron job',
      'export const a = cron("* * * * *", ({ viewer }) => 1)',
      [2, 39],
      /`viewer`, which a cron does not have/,
    ],
    [
      'a user in a handler of events',
      'export const a = onEvent(({ user }) => user)',
      [2, 29],
      /`user`, which only views and queries are about. Each event says whose it is/,
    ],
    ['events and event', 'export const a = onEvent(({ event, events }) => 1)', [2, 27], /Choose one/],
    [
      'a facility of a later version',
      'export const a = view(({ emit }) => emit)',
      [2, 26],
      /`emit`, which is not available yet in this version/,
    ],
    [
      'replicas whole',
      'export const a = query(({ replica }) => replica)',
      [2, 27],
      /takes `replica` whole\. .*replica: { lms }/,
    ],
    [
      'plugins whole',
      'export const a = view(({ plugins }) => plugins)',
      [2, 26],
      /takes `plugins` whole\. .*plugins: { self, grades }/,
    ],
    [
      'plugins two levels deep',
      'export const a = view(({ plugins: { self: { top } } }) => top)',
      [2, 43],
      /reaches into the plugin `self`/,
    ],
    [
      'replicas two levels deep',
      'export const a = query(({ replica: { lms: { sql } } }) => sql)',
      [2, 43],
      /reaches into the replica `lms`.*lms\.sql/,
    ],
    [
      'a replica by a name that none has',
      'export const a = query(({ replica: { "my-lms": lms } }) => lms)',
      [2, 38],
      /reads the replica `my-lms`, a name that is not a camelCase name/,
    ],
    [
      'the rest of the plugins',
      'export const a = view(({ plugins: { ...all } }) => all)',
      [2, 37],
      /collects the rest/,
    ],
    [
      'a computed plugin',
      'export const a = view(({ plugins: { ["x" + 1]: p } }) => p)',
      [2, 38],
      /computes a name/,
    ],
    [
      'a plugin with a bad name',
      'export const a = view(({ plugins: { "my-plugin": p } }) => p)',
      [2, 37],
      /calls the plugin `my-plugin`.*`myPlugin`/,
    ],
    [
      'arguments',
      'export const a = view(function ({ db }) { return () => arguments })',
      [2, 56],
      /reads `arguments`/,
    ],
    ['a generator', 'export const a = view(function* ({ db }) {})', [2, 23], /is a generator/],
    [
      'a handler that is made',
      'export const a = view(wrap(({ db }) => db))',
      [2, 23],
      /handler that cannot be read/,
    ],
    ['no handler', 'export const a = view()', [2, 18], /has the wrong arguments/],
    ['spread arguments', 'export const a = view(...x)', [2, 18], /has the wrong arguments/],
    ['a cron job without a schedule', 'export const a = cron(({ db }) => db)', [2, 18], /cron\('0 4/],
    [
      'an exported value',
      'var helper = 3;\nexport { helper };',
      [2, 14],
      /`helper` is exported but is not an endpoint\. Do not export it/,
    ],
    [
      'an endpoint of a misspelt function',
      'export const a = veiw(() => "")',
      [2, 14],
      /^`a` is made by `veiw`, which is not defined here\. Did you mean `view`\? It is imported already\.$/,
    ],
    [
      'an endpoint of a function that nobody defined',
      'export const a = page(() => "")',
      [2, 14],
      /`page`, which is not defined here\. To make an endpoint, write `import \{ view \} from '@lyceum\/sdk'`/,
    ],
    [
      'an endpoint of a function that was taken out of something',
      'const { veiw = 1, ...rest } = {}; export const a = veiw(() => "")',
      [2, 48],
      /not an endpoint/,
    ],
    ['an endpoint of a function of the language', 'export const a = String(1)', [2, 14], /not an endpoint/],
    ['an exported function', 'export function helper() {}', [2, 8], /not an endpoint/],
    ['an exported function of the SDK', 'export { view }', [2, 10], /not an endpoint/],
    ['a re-export', 'export { html } from "@lyceum/sdk"', [2, 10], /not an endpoint/],
    ['an export of nothing', 'export { nothing }', [2, 10], /not an endpoint/],
    [
      'an endpoint of another maker',
      'const view2 = () => 1; export const a = view2(({ db }) => db)',
      [2, 37],
      /not an endpoint/,
    ],
    ['a default export', 'export default view(() => "")', [2, 1], /default export/],
    ['a default export by name', 'var a = view(() => ""); export { a as default }', [2, 9], /default export/],
    ['an export of everything', 'export * from "@lyceum/sdk"', [2, 1], /Export each endpoint by its name/],
    ['an export by destructuring', 'export const { a } = { a: 1 }', [2, 14], /by destructuring/],
    [
      'a name with a capital',
      'export const Top = view(() => "")',
      [2, 14],
      /`Top` is not a camelCase name.*`top`/,
    ],
    ['a name with a dash', 'var a = view(() => ""); export { a as "most-played" }', [2, 9], /`mostPlayed`/],
    ['a reserved name', 'export const self = view(() => "")', [2, 14], /`self` is reserved/],
    [
      'a name that makes the module a promise',
      'export const then = view(() => "")',
      [2, 14],
      /`then` is reserved/,
    ],
    [
      'a name of every object',
      'export const constructor = view(() => "")',
      [2, 14],
      /`constructor` is reserved/,
    ],
    ['a long name', `export const ${'a'.repeat(65)} = view(() => "")`, [2, 14], /longer than 64/],
    ['import while running', 'export const a = view(() => import("x"))', [2, 29], /import\(…\)/],
    ['another import', 'import fs from "node:fs"', [2, 1], /imports "node:fs"/],
    [
      'a function of a later version',
      'import { consumer } from "@lyceum/sdk"',
      [2, 10],
      /`consumer` is not available yet in this version/,
    ],
    [
      'a misspelt function',
      'import { veiw } from "@lyceum/sdk"',
      [2, 10],
      /no `veiw`\. Did you mean `view`\?/,
    ],
    ['the default of the SDK', 'import lyceum from "@lyceum/sdk"', [2, 8], /Import what is used by its name/],
    ['await while loading', 'const x = await 1', [2, 11], /awaits while it loads/],
    ['no endpoint', 'var a = view(() => "")', [1, 1], /exports no endpoint/],
  ])('%s', (_, text, [line, column], message) => {
    const [problem] = problemsOf(`${IMPORT}\n${text}`)
    expect(problem).toMatchObject({
      source: 'plugin.js',
      line,
      column,
      message: expect.stringMatching(message),
    })
  })

  test.each([
    ['view', "Add this line at the top: `import { view } from '@lyceum/sdk'`."],
    ['veiw', "Did you mean `view`? Add this line at the top: `import { view } from '@lyceum/sdk'`."],
  ])('a forgotten import, used as %s, is said with the line to write', (name, advice) => {
    expect(problemsOf(`var a = ${name}(() => "");\nexport { a };`)).toMatchObject([
      { endpoint: 'a', message: `\`a\` is made by \`${name}\`, which is not defined here. ${advice}` },
    ])
  })

  test('all problems are told at once, in the order of the file', () => {
    const error = refusalOf(
      `${IMPORT}\nexport const b = view(({ dbb }) => 1)\nexport const a = query((c) => c)`,
    )
    expect(error.message).toBe(
      '2 things to change in the plugin:\n' +
        `  plugin.js:2:26 \`b\` asks for \`dbb\`, which does not exist. Did you mean \`db\`? A view handler may ask for ${[...FACILITIES.view, ...DIMENSIONS].join(', ')}.\n` +
        '  plugin.js:3:25 `a` takes its parameter whole, as `c`. Name what it needs: `({ db, course }) => …`.',
    )
    expect(error.details?.problems).toMatchObject([{ endpoint: 'b' }, { endpoint: 'a' }])
  })

  test('what is not JavaScript is said with its place', () => {
    const error = refusalOf('var a = 1;\nvar b = ];')
    expect(error).toMatchObject({ code: 'bundle_broken', details: { line: 2, column: 9 } })
    expect(error.message).toContain('line 2, column 9: Unexpected token')
  })

  test('control characters of a bundle never reach the message', () => {
    const { message } = refusalOf(`${IMPORT}\nexport const a = view(({ "\\u001b[31m": x }) => x)`)
    expect(message).toContain('`?[31m`')
  })
})

describe('a hostile bundle costs little', () => {
  test('a bundle at the limit is read, one byte over is refused', () => {
    const bundle = `${IMPORT}\nexport const a = view(() => "")`
    const bundleBytes = Buffer.byteLength(bundle)
    expect(readManifest(bundle, { bundleBytes }).endpoints).toHaveLength(1)
    expect(() => readManifest(bundle, { bundleBytes: bundleBytes - 1 })).toThrow(
      expect.objectContaining({ code: 'bundle_too_large' }),
    )
  })

  test.each([
    ['brackets', '('.repeat(100_000)],
    ['blocks', '{'.repeat(50_000) + '}'.repeat(50_000)],
    ['templates', '`${'.repeat(50_000)],
    ['functions', '()=>'.repeat(100_000)],
    ['lists', `x = ${'['.repeat(50_000)}${']'.repeat(50_000)}`],
  ])('deeply nested %s are refused', (_, bundle) => {
    expect(refusalOf(bundle).code).toBe('bundle_broken')
  })

  test('256 endpoints are read, one more is refused', () => {
    const bundle = (count: number) =>
      `${IMPORT}\n${Array.from({ length: count }, (__, index) => `export const a${index} = view(() => "")`).join('\n')}`
    expect(readManifest(bundle(256)).endpoints).toHaveLength(256)
    expect(problemsOf(bundle(257))).toMatchObject([
      { message: expect.stringContaining('more than 256 endpoints') },
    ])
  })

  test('64 names in a pattern are read, one more is refused', () => {
    const text = (count: number) => `export const a = view(({ ${'user: [], '.repeat(count)} }) => 1)`
    expect(only(text(64))).toMatchObject({ dimensions: ['user'] })
    expect(problemsOf(`${IMPORT}\n${text(65)}`)).toMatchObject([
      { message: expect.stringContaining('more than 64') },
    ])
    const plugins = Array.from({ length: 65 }, (_, index) => `p${index}`).join()
    expect(problemsOf(`${IMPORT}\nexport const a = view(({ plugins: { ${plugins} } }) => 1)`)).toMatchObject([
      { message: expect.stringContaining('more than 64 plugins') },
    ])
  })

  test('the list of problems ends', () => {
    expect(problemsOf(`${IMPORT}\n${'import "x";'.repeat(10_000)}`)).toHaveLength(50)
  })

  test('a file of nothing but names is read', () => {
    const names = Array.from({ length: 150_000 }, (_, index) => `a${index.toString(36)}`).join()
    expect(problemsOf(`let ${names}`)).toMatchObject([{ message: expect.stringContaining('no endpoint') }])
  })
})

test('the table of names is that of the SDK', () => {
  expect(Object.keys(sdk).sort()).toEqual([...KINDS, ...SDK_VALUES].sort())
})
