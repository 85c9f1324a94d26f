import fc from 'fast-check'
import { expect, test } from 'vitest'
import { hasFewValues } from '../../host/bounded-json.ts'

const few = (json: string, most: number) => hasFewValues(Buffer.from(json), most)

test.each([
  ['1', 1],
  ['[]', 2],
  ['[1,2,3]', 4],
  ['{"a":[{}]}', 4],
  ['"[,{\\",[\\\\"', 1],
  ['["a,b","[[[["]', 3],
])('%s has %i values at most', (json, values) => {
  expect([few(json, values), few(json, values - 1)]).toEqual([true, false])
})

test('whatever is in a text counts for nothing', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => few(JSON.stringify({ text }), 2)))
})

test('no JSON has more values than were counted', () => {
  const values = (value: unknown): number =>
    typeof value === 'object' && value !== null
      ? Object.values(value).reduce((sum: number, inner) => sum + values(inner), 1)
      : 1
  fc.assert(fc.property(fc.json(), (json) => !few(json, values(JSON.parse(json)) - 1)))
})
