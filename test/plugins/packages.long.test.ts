import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { bin, deviation, extent, mean, quantile, rollup } from 'd3-array'
import { addDays, differenceInCalendarISOWeeks, format } from 'date-fns'
import { EigenvalueDecomposition, Matrix, solve } from 'ml-matrix'
import { linearRegression, sampleCorrelation, tTest } from 'simple-statistics'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bundlePlugin } from '../../workbench/bundle.ts'
import { type Answer, startHost, type TestHost } from '../support/host.ts'
import { longTest } from '../support/long.ts'

const ROOT = join(import.meta.dirname, '../..')
const REAL = ['d3-array', 'internmap', 'simple-statistics', 'ml-matrix', 'date-fns']

let lyceum: TestHost
let dir: string
beforeAll(async () => {
  lyceum = await startHost()
  dir = await mkdtemp(join(tmpdir(), 'lyceum-packages-'))
  await mkdir(join(dir, 'node_modules'))
  for (const name of REAL) await symlink(join(ROOT, 'node_modules', name), join(dir, 'node_modules', name))
})
afterAll(async () => {
  await rm(dir, { recursive: true, force: true })
  await lyceum.dispose()
})

/** A package of which only its code counts. */
async function install(name: string, files: Readonly<Record<string, string>>, main = 'index.js') {
  const folder = join(dir, 'node_modules', name)
  for (const [file, text] of Object.entries({
    ...files,
    'package.json': JSON.stringify({
      name,
      version: '1.0.0',
      type: main.endsWith('.cjs') ? 'commonjs' : 'module',
      main,
    }),
  })) {
    await mkdir(dirname(join(folder, file)), { recursive: true })
    await writeFile(join(folder, file), text)
  }
}

async function bundled(id: string, files: Readonly<Record<string, string>>) {
  const all = { ...files, 'package.json': JSON.stringify({ name: id, version: '1.0.0' }) }
  for (const [file, text] of Object.entries(all)) await writeFile(join(dir, file), text)
  return bundlePlugin(dir)
}

async function publish(
  id: string,
  source: string,
  files: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const body = await bundled(id, { ...files, 'plugin.ts': `import { query } from '@lyceum/sdk'\n${source}` })
  return lyceum.call('POST', `/v1/plugins/${id}/versions`, { body })
}

async function ask(plugin: string, query: string): Promise<unknown> {
  const { status, json, text } = await lyceum.call('GET', `/v1/queries/${plugin}/${query}`)
  expect(status, text).toBe(200)
  return json
}

const POINTS = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5]
const PAIRS = POINTS.map((y, x) => [x, y])
const DAY = new Date('2026-03-01T12:00:00Z')

describe('packages that authors use give in an isolate what they give in Node', () => {
  const cases = {
    d3: {
      code: `import { bin, deviation, extent, mean, quantile, rollup } from 'd3-array'
        export const d3 = query(() => [extent(POINTS), mean(POINTS), deviation(POINTS), quantile(POINTS, 0.9),
          bin().thresholds(4)(POINTS).map((b) => [b.x0, b.x1, b.length]),
          [...rollup(POINTS, (v) => v.length, (p) => p % 2 === 0)]])`,
      expected: () => [
        extent(POINTS),
        mean(POINTS),
        deviation(POINTS),
        quantile(POINTS, 0.9),
        bin()
          .thresholds(4)(POINTS)
          .map((b) => [b.x0, b.x1, b.length]),
        [
          ...rollup(
            POINTS,
            (v) => v.length,
            (p) => p % 2 === 0,
          ),
        ],
      ],
    },
    statistics: {
      code: `import { linearRegression, sampleCorrelation, tTest } from 'simple-statistics'
        export const statistics = query(() => [linearRegression(PAIRS), sampleCorrelation(PAIRS.map(([x]) => x), POINTS), tTest(POINTS, 4)])`,
      expected: () => [
        linearRegression(PAIRS),
        sampleCorrelation(
          PAIRS.map(([x = 0]) => x),
          POINTS,
        ),
        tTest(POINTS, 4),
      ],
    },
    matrix: {
      code: `import { EigenvalueDecomposition, Matrix, solve } from 'ml-matrix'
        export const matrix = query(() => {
          const a = new Matrix([[4, 1], [2, 3]])
          return [a.mmul(a).to2DArray(), solve(a, Matrix.columnVector([1, 2])).to1DArray(), new EigenvalueDecomposition(a).realEigenvalues]
        })`,
      expected: () => {
        const a = new Matrix([
          [4, 1],
          [2, 3],
        ])
        return [
          a.mmul(a).to2DArray(),
          solve(a, Matrix.columnVector([1, 2])).to1DArray(),
          new EigenvalueDecomposition(a).realEigenvalues,
        ]
      },
    },
    dates: {
      code: `import { addDays, differenceInCalendarISOWeeks, format } from 'date-fns'
        const DAY = new Date('2026-03-01T12:00:00Z')
        export const dates = query(() => [addDays(DAY, 40).toISOString(), differenceInCalendarISOWeeks(addDays(DAY, 40), DAY), format(DAY, 'EEEE, do MMMM yyyy')])`,
      expected: () => [
        addDays(DAY, 40).toISOString(),
        differenceInCalendarISOWeeks(addDays(DAY, 40), DAY),
        format(DAY, 'EEEE, do MMMM yyyy'),
      ],
    },
  }

  test.each(Object.entries(cases))('%s', async (name, { code, expected }) => {
    const data = `const POINTS: number[] = ${JSON.stringify(POINTS)}; const PAIRS: number[][] = ${JSON.stringify(PAIRS)}`
    const { status, json } = await publish(name, `${data}\n${code}`)
    expect([status, json]).toEqual([
      201,
      { version: '1.0.0', needs: [], approval: 'granted', rebuildOffered: null },
    ])
    expect(await ask(name, name)).toEqual(JSON.parse(JSON.stringify(expected())))
  })
})

describe('what is not JavaScript alone', () => {
  test.each([
    ['node:fs', "import fs from 'node:fs'; export const a = fs", '"node:fs" is part of Node'],
    [
      'fs/promises',
      "import { readFile } from 'fs/promises'; export const a = readFile",
      '"fs/promises" is part of Node',
    ],
    ['a folder of Node', "export { default as a } from 'path/posix'", '"path/posix" is part of Node'],
    ['WebAssembly', "import a from './fast.wasm'; export { a }", '"./fast.wasm" cannot run in a plugin'],
    ['native code', "import a from './fast.node'; export { a }", '"./fast.node" cannot run in a plugin'],
  ])('is refused where it is bundled, with who imports it: %s', async (_, code, says) => {
    await install('outer', { 'index.js': "export * from 'inner'" })
    await install('inner', { 'index.js': code })
    const bundling = bundled('bad', {
      'plugin.ts':
        "import { query } from '@lyceum/sdk'\nimport { a } from 'outer'\nexport const b = query(() => a)",
    })
    await expect(bundling).rejects.toMatchObject({
      code: 'bundle_broken',
      message: expect.stringContaining(says),
    })
    await expect(bundling).rejects.toThrow('inner, which plugin.ts imports by way of outer')
  })

  test('is refused where a package requires it to load', async () => {
    await install('old', { 'index.cjs': "exports.a = require('crypto').createHash" }, 'index.cjs')
    const { status, json } = await publish('old', "import { a } from 'old'\nexport const b = query(() => a)")
    expect([status, json.code]).toEqual([422, 'bundle_broken'])
    expect(json.detail).toMatch(/"crypto" is part of Node.*The import is in old, which plugin\.ts imports/)
  })

  test('may be tried for, as packages for several places do', async () => {
    await install(
      'careful',
      { 'index.cjs': "let c; try { c = require('crypto') } catch {}\nexports.a = c === undefined" },
      'index.cjs',
    )
    expect(
      (await publish('careful', "import { a } from 'careful'\nexport const b = query(() => a)")).status,
    ).toBe(201)
    expect(await ask('careful', 'b')).toBe(true)
  })
})

describe('what Node or a browser has and no plugin', () => {
  test.each([
    ['fetch', "fetch('https://a.example')", 'no network'],
    ['XMLHttpRequest', 'new XMLHttpRequest()', 'no network'],
    ['WebSocket', "new WebSocket('wss://a.example')", 'no network'],
    ['WebAssembly', 'WebAssembly.compile(new Uint8Array())', 'only JavaScript'],
    ['setTimeout', 'new Promise((done) => setTimeout(done, 1))', 'no timers'],
    ['Buffer', "Buffer.from('a')", 'Uint8Array.fromBase64'],
    ['process', 'process.env.HOME', 'no environment'],
    ['window', 'window.location', 'not in the reader'],
    ['document', 'document.title', 'not in the reader'],
  ])('is refused in the author’s own files, with the line: %s', async (name, code, says) => {
    const { status, json } = await publish(
      'own',
      "import { work } from './work.ts'\nexport const a = query(() => work())",
      {
        'work.ts': `// the work\nexport const work = () => ${code}`,
      },
    )
    expect([status, json.code]).toEqual([422, 'manifest_refused'])
    expect(json.detail).toMatch(/work\.ts:2:\d+ /)
    expect(json.detail).toContain(`A plugin has no \`${name}\``)
    expect(json.detail).toContain(says)
  })

  longTest(
    'is only a warning in packages, with the line that imports them; what is looked for or never reached is none',
    async () => {
      await install('outer', {
        'index.js':
          "import { half as halve, send } from 'leaflike'\nexport { send }\nexport const half = (a) => halve(a)\nexport const never = () => document.title",
      })
      await install('leaflike', {
        'index.js': `const isBrowser = typeof window !== 'undefined' && window.document
        export const send = (a) => a > 1 ? fetch(a) : new XMLHttpRequest()
        export const half = (a) => isBrowser ? window.half(a) : a / 2`,
      })
      const source =
        "import { half, send } from 'outer'\nexport const a = query(() => half(4))\nexport const b = query(() => send(1))"
      const { status, json } = await publish('mixed', source)
      expect(status).toBe(201)
      expect(json.warnings).toEqual([
        expect.stringMatching(
          /^The package leaflike, which plugin\.ts:2 imports by way of outer, uses `fetch`, `XMLHttpRequest`, which no plugin has: .*no network/,
        ),
      ])
      expect(await ask('mixed', 'a')).toBe(2)
      const body = await bundled('mixed', { 'plugin.ts': `import { query } from '@lyceum/sdk'\n${source}` })
      const plan = await lyceum.call('POST', '/v1/plugins/mixed/versions?dry=true', { body })
      expect(plan.json.warnings).toEqual(json.warnings)
    },
  )

  test('is a warning without a source map, which tells whose it is', async () => {
    const body = await bundled('bare', {
      'plugin.ts': "import { query } from '@lyceum/sdk'\nexport const a = query(() => fetch('x'))",
    })
    const { status, json } = await lyceum.call('POST', '/v1/plugins/bare/versions', {
      body: { ...body, sourceMap: '' },
    })
    expect([status, json.warnings]).toEqual([201, [expect.stringContaining('The bundle uses `fetch`')]])
  })

  test('eval and new Function are there: what they make is in the same isolate', async () => {
    await publish(
      'evals',
      "export const a = query(() => [new Function('return 1 + 1')(), (0, eval)('2 + 2')])",
    )
    expect(await ask('evals', 'a')).toEqual([2, 4])
  })
})

test('a bundle that is too large says which packages make it so', async () => {
  await install('huge', { 'index.js': `export const words = ${JSON.stringify('x'.repeat(1_900_000))}` })
  await install('large', { 'index.js': `export const more = ${JSON.stringify('y'.repeat(400_000))}` })
  const bundling = bundled('fat', {
    'plugin.ts':
      "import { query } from '@lyceum/sdk'\nimport { words } from 'huge'\nimport { more } from 'large'\nexport const a = query(() => words.length + more.length)",
  })
  await expect(bundling).rejects.toMatchObject({
    code: 'bundle_too_large',
    message: expect.stringMatching(/2\.3 MB.*2\.1 MB are allowed.*huge 1\.9 MB, large 400 KB/s),
  })
})
