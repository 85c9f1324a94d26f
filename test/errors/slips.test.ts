import { describe, expect, test } from 'vitest'
import { readManifest } from '../../host/registry/manifest.ts'
import { decodeSourceMap } from '../../host/registry/source-map.ts'
import { bundleSource } from '../support/host.ts'

async function warnings(body: string): Promise<readonly string[]> {
  const source = `import { cron, onEvent, query } from '@lyceum/sdk'\n${body}`
  const { bundle, sourceMap } = await bundleSource('slips', source)
  return readManifest(bundle, { sourceMap: decodeSourceMap(sourceMap) }).warnings
}

describe('what is probably not meant is told with its place', () => {
  test.each([
    [
      'Date.now() of the file',
      'const at = Date.now()\nexport const a = query(() => at)',
      'plugin.ts:2:12 This time',
    ],
    [
      'new Date() of the file',
      'const at = new Date()\nexport const a = query(() => at)',
      'plugin.ts:2:12 This time',
    ],
    [
      'a variable that a job counts in',
      "let runs = 0\nexport const a = cron('0 4 * * *', () => { runs++ })",
      'plugin.ts:3:44 `runs` is a variable',
    ],
    [
      'a handler of the top level',
      "let n = 0\nfunction count() { n = n + 1 }\nexport const a = onEvent('x', count)",
      'plugin.ts:3:20 `n` is a variable',
    ],
    [
      'chance in a handler',
      "export const a = onEvent('x', ({ log }) => log(Math.random()))",
      'plugin.ts:2:48 Math.random gives',
    ],
    [
      'a loop that nobody awaits',
      "export const a = onEvent('x', ({ events, log }) => events.forEach(async (e) => { await e; log(e) }))",
      'plugin.ts:2:52 forEach does not await',
    ],
    [
      'a job that is not exported',
      "const tidy = cron('0 4 * * *', () => {})\nexport const a = query(() => 1)",
      'plugin.ts:2:7 This cron is not exported, so the plugin is without it. Write export const tidy = cron(…)',
    ],
    [
      'a handler without a name',
      "onEvent('x', () => {})\nexport const a = query(() => 1)",
      'plugin.ts:2:1 This onEvent is not exported',
    ],
    [
      'braces without a return',
      'export const a = query(() => { [1].map((n) => { return n }) })',
      'plugin.ts:2:24 This returns nothing',
    ],
  ])('%s', async (_, body, expected) => {
    expect(await warnings(body)).toEqual([expect.stringContaining(expected)])
  })
})

describe('what is meant is not told', () => {
  test.each([
    ['a time inside of a handler', 'export const a = query(() => Date.now() + new Date().getTime())'],
    ['a date that is given', "const term = new Date('2026-09-01')\nexport const a = query(() => term)"],
    ['an endpoint that has two names', 'const a = query(() => 1)\nconst b = a\nexport { b as c }'],
    ['a return in a branch', 'export const a = query(({ now }) => { if (now() > 1) return 1 })'],
    ['what only throws', "export const a = query(() => { throw new Error('not yet') })"],
    ['chance in a query', 'export const a = query(() => Math.random())'],
    ['a variable of the handler', "export const a = onEvent('x', ({ log }) => { let n = 0; n++; log(n) })"],
    [
      'a variable that has the name of one of the file',
      "let n = 0\nexport const b = query(() => n)\nexport const a = onEvent('x', ({ log }) => { let n = 1; n++; log(n) })",
    ],
    [
      'what a query keeps for a while',
      'let kept: number | undefined\nexport const a = query(() => (kept ??= 1))',
    ],
    [
      'forEach of a cursor',
      "export const a = query(({ db }) => db.collection('a').find().forEach(async (row) => row))",
    ],
    [
      'forEach with a plain function',
      "export const a = onEvent('x', ({ events, log }) => events.forEach((e) => log(e)))",
    ],
  ])('%s', async (_, body) => {
    expect(await warnings(body)).toEqual([])
  })
})

test('so many are told and no more, in their order; without a map nobody could find them', async () => {
  const lines = Array.from({ length: 30 }, () => 'log(Math.random())').join('\n')
  const source = `import { onEvent } from '@lyceum/sdk'\nexport const a = onEvent('x', ({ log }) => {\n${lines}\n})`
  const { bundle, sourceMap } = await bundleSource('slips', source)
  const told = readManifest(bundle, { sourceMap: decodeSourceMap(sourceMap) }).warnings
  expect(told.map((text) => Number(/^plugin\.ts:(\d+):/.exec(text)?.[1]))).toEqual(
    Array.from({ length: 20 }, (_, at) => at + 3),
  )
  expect(readManifest(bundle, {}).warnings).toEqual([])
})
