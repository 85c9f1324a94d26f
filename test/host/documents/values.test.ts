import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareStrings } from '../../../host/storage/documents/values.ts'
import { collectionOf, openDatabase } from './support.ts'

/** Units at the edges of what UTF-16 orders otherwise than code points do, so that pairs and lone halves are common. */
const UNITS = [
  '',
  'a',
  '\ud7ff',
  '\ud800',
  '\ud83d',
  '\udbff',
  '\udc00',
  '\ude00',
  '\udfff',
  '\ue000',
  '\uffee',
]
const text = fc.array(fc.constantFrom(...UNITS), { maxLength: 6 }).map((units) => units.join(''))

function byCodePoints(a: string, b: string): number {
  const [x, y] = [a, b].map((whole) => Array.from(whole, (point) => point.codePointAt(0) ?? 0))
  const at = (x ?? []).findIndex((point, i) => point !== y?.[i])
  if (at < 0) return Math.sign((x?.length ?? 0) - (y?.length ?? 0))
  return (x?.[at] ?? 0) < (y?.[at] ?? -1) ? -1 : 1
}

describe('strings', () => {
  it('are ordered by code points, a lone half of a pair as what it is', () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(compareStrings(a, b)).toBe(byCodePoints(a, b))
      }),
      { numRuns: 5_000 },
    )
  })

  it('are found by a range as the index holds them, also where half of a pair is missing', () => {
    const db = openDatabase()
    db.declare([
      { name: 'indexed', indexes: [{ keys: { a: 1 } }] },
      { name: 'plain', indexes: [] },
    ])
    const stored = [...UNITS, '😀', '\ud800\ud800', '\ud800a']
    for (const name of ['indexed', 'plain']) db.write(stored.map((a, _id) => ['insertOne', name, { _id, a }]))
    for (const bound of stored.filter((a) => a.isWellFormed()))
      for (const filter of [{ a: { $gt: bound } }, { a: { $lte: bound } }])
        expect(collectionOf(db, 'indexed').ids(filter)).toEqual(collectionOf(db, 'plain').ids(filter))
  })
})
