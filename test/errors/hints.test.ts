import { describe, expect, test } from 'vitest'
import { hintFor } from '../../host/hints.ts'

describe('a usual message of V8 gets a word on what to do', () => {
  test.each([
    ['ReferenceError: fetch is not defined', 'no network'],
    ['ReferenceError: setTimeout is not defined', 'cron job'],
    ['ReferenceError: window is not defined', 'reader’s browser'],
    ['process is not defined', 'no environment'],
    ['module is not defined', '`export const hello = view(…)`'],
    ['React is not defined', 'returns html`'],
    ['ISODate is not defined', "new Date('2026-09-01')"],
    ['The plugin does not load: db is not defined', '({ db }) => …'],
    ['ReferenceError: db is not defined', '({ db }) => …'],
    ['ReferenceError: course is not defined', '({ course }) => …'],
    ['ReferenceError: html is not defined', "import { html } from '@lyceum/sdk'"],
    ['ReferenceError: quer is not defined', 'Did you mean `query`?'],
    ['TypeError: rows.map is not a function', 'await … .toArray()'],
    ['TypeError: chart.columns is not a function', '`chart` has bar, line, area'],
    ['The plugin does not load: t.int is not a function', '`t` has string, number, boolean, date, enum'],
    ['TypeError: log.log is not a function', 'has debug, info, warn, error'],
    ['TypeError: db.getCollection is not a function', "collection alone: db.collection('plays')"],
    ['TypeError: db.find is not a function', "db.collection('plays').find(…)"],
    ['TypeError: db.collection(...).findAll is not a function', 'Did you mean `find`?'],
    ['TypeError: db.collection(...).find(...).limits is not a function', 'Did you mean `limit`?'],
    ['TypeError: rows is not iterable', 'for await'],
    ["TypeError: Cannot read properties of null (reading 'n')", '`?.n`'],
    ["TypeError: Cannot read properties of undefined (reading 'find')", "db.collection('plays').find(…)"],
    ["TypeError: Cannot destructure property 'n' of 'play' as it is null.", '`?.n`'],
    ["TypeError: Cannot assign to read only property 'n' of object '#<Object>'", 'make a copy'],
    ['TypeError: Do not know how to serialize a BigInt', 'Number(n)'],
    ['RangeError: Maximum call stack size exceeded', 'recursion'],
  ])('%s', (message, words) => {
    expect(hintFor(message)).toContain(words)
  })

  test.each([
    'no such video: intro',
    'ReferenceError: gradeOf is not defined',
    'TypeError: a.b is not a function',
    '',
  ])('nothing is known about: %s', (message) => {
    expect(hintFor(message)).toBeUndefined()
  })

  test('a message of any length costs little', () => {
    expect(hintFor(`${'a.'.repeat(1_000_000)} is not a function`)).toBeUndefined()
    expect(hintFor(`${'a.'.repeat(120)}map is not a function`)).toEqual(expect.any(String))
  })
})
