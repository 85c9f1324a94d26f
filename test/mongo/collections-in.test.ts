import { describe, expect, test } from 'vitest'
import { STAGES } from '../../host/storage/documents/operators.ts'
import { collectionsIn, OUTWARD } from '../../host/storage/mongo/collections-in.ts'
import { checkRead } from '../../host/storage/mongo/reads.ts'

/** Stages that name no collection and hold no pipeline. */
const INWARD =
  `$set $addFields $unset $project $replaceRoot $replaceWith $match $group $sort $limit $skip $unwind $count
  $sortByCount $bucket $bucketAuto $sample $redact $setWindowFields $densify $fill`.split(/\s+/)

describe('the collections that a pipeline names', () => {
  test('are looked for in every stage that is offered', () => {
    expect([...INWARD, ...OUTWARD.keys()].sort()).toEqual([...STAGES].sort())
  })

  test('are found however deep they are', () => {
    const union = { $unionWith: { coll: 'd', pipeline: [{ $unionWith: 'e' }] } }
    const lookup = { $lookup: { from: 'a', pipeline: [{ $graphLookup: { from: 'b' } }] } }
    expect(collectionsIn([lookup, { $facet: { x: [{ $lookup: { from: 'c' } }], y: [] } }, union])).toEqual([
      'a',
      'b',
      'c',
      'd',
      'e',
    ])
  })

  test.each([
    [[{ $lookup: { from: 'lyceum:cursors', localField: 'a', foreignField: '_id', as: 'b' } }]],
    [[{ $unionWith: 'lyceum:dead_letters' }]],
    [[{ $facet: { x: [{ $unionWith: { coll: 'lyceum:cursors', pipeline: [] } }] } }]],
  ])('are never the host’s own: %j', (pipeline) => {
    expect(() => checkRead({ op: 'aggregate', collection: 'plays', pipeline }, undefined)).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^(op_malformed|operator_unknown)$/) }),
    )
  })

  test('are those that another plugin may read, and no others', () => {
    const read = (from: string) => ({
      op: 'aggregate',
      collection: 'plays',
      pipeline: [{ $lookup: { from, localField: 'a', foreignField: '_id', as: 'b' } }],
    })
    expect(checkRead(read('courses'), ['plays', 'courses']).pipeline).toHaveLength(1)
    for (const only of [['plays'], ['courses'], []])
      expect(() => checkRead(read('courses'), only)).toThrow(expect.objectContaining({ code: 'op_denied' }))
  })
})
