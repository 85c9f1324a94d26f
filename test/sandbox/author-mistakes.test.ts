import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Lab } from './lab.ts'

let lab: Lab
beforeAll(async () => {
  lab = new Lab()
  await lab.supervisor.start()
})
afterAll(() => lab.close())

describe('a query that forgot something is told what', () => {
  test.each([
    ["c.db.collection('a').find()", 'The query returned a cursor: add .toArray()'],
    ["c.db.collection('a').aggregate([])", 'The query returned a cursor: add .toArray()'],
    ["{ rows: c.db.collection('a').find() }", 'At "rows" the query returned a cursor: add .toArray()'],
    ["{ rows: c.db.collection('a').find().toArray() }", 'At "rows" the query returned a promise: await it'],
    ['[1, 2].map(async (n) => n)', 'The query returned a list of promises: return Promise.all(list)'],
    ['() => 1', 'The query returned a function: call it'],
  ])('%s', async (returned, message) => {
    const { code, message: told } = await lab.handler('forgetful', `return ${returned}`)
    expect([code, told]).toEqual(['plugin_failed', expect.stringContaining(message)])
  })

  test.each([
    ["c.db.collection('a').find().toArray()", []],
    ['[{ n: null }, 1, undefined]', [{ n: null }, 1, null]],
    ['new Date(0)', '1970-01-01T00:00:00.000Z'],
    ['undefined', null],
  ])('%s is an answer', async (returned, result) => {
    expect(await lab.handler('mindful', `return ${returned}`)).toMatchObject({ code: 'ok', result })
  })
})

describe('the console', () => {
  test.each(['log', 'info', 'warn', 'error', 'debug'])('console.%s says to use log', async (name) => {
    const { code, message, stack } = await lab.handler('console', `console.${name}('x')`)
    expect([code, message]).toEqual([
      'plugin_failed',
      "A plugin has no console. Destructure log in the handler: ({ log }) => log('…')",
    ])
    expect(stack).toMatch(/^Error: A plugin has no console.*\n\s+at .*plugin\.js:1:\d+/)
  })

  test('says so at the top level too, where the plugin does not load', async () => {
    const told = await lab.run('console', "console.log('x')\nexport const run = { handler: () => 1 }")
    expect(told).toMatchObject({
      code: 'bundle_broken',
      message: expect.stringContaining('({ log }) => log'),
    })
  })
})
