import fc from 'fast-check'
import { expect, it } from 'vitest'
import { LyceumError } from '../../../host/errors.ts'
import {
  ACCUMULATORS,
  EXPRESSION_OPERATORS,
  FIELD_OPERATORS,
  LOGICAL_OPERATORS,
  STAGES,
  UPDATE_OPERATORS,
} from '../../../host/storage/documents/operators.ts'
import { collectionOf, openDatabase } from './support.ts'

const names = [...ACCUMULATORS, ...EXPRESSION_OPERATORS, ...FIELD_OPERATORS, ...LOGICAL_OPERATORS]
const field = fc.constantFrom(
  'a',
  'b',
  'a.b',
  'a.0',
  '_id',
  'constructor',
  'input',
  'in',
  'as',
  'cond',
  'date',
  'unit',
  'n',
  'vars',
  'regex',
  'format',
)
const leaf = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    -1,
    0,
    1,
    2.5,
    '',
    'x',
    '$a',
    '$b',
    '$a.b',
    '$$ROOT',
    '$$this',
    '$$NOW',
    'day',
    'int',
    '^a+',
  ),
  fc.constantFrom<unknown>(new Date(0), /a/i, 1e300, Number.NaN),
)
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(field, tie('value'), { maxKeys: 3 }),
    fc.tuple(fc.constantFrom(...names), tie('value')).map(([name, operand]) => ({ [name]: operand })),
  ),
}))
const { expression } = fc.letrec((tie) => ({
  expression: fc.oneof(
    { maxDepth: 3 },
    leaf,
    fc
      .tuple(
        fc.constantFrom(...EXPRESSION_OPERATORS),
        fc.oneof(
          tie('expression'),
          fc.array(tie('expression'), { minLength: 1, maxLength: 3 }),
          fc.record(
            Object.fromEntries(
              [
                'input',
                'in',
                'cond',
                'initialValue',
                'as',
                'vars',
                'date',
                'unit',
                'regex',
                'sortBy',
                'inputs',
                'to',
              ].map((name) => [name, tie('expression')]),
            ),
            { requiredKeys: ['input'] },
          ),
        ),
      )
      .map(([name, operand]) => ({ [name]: operand })),
  ),
}))
const computing = fc.oneof(
  expression.map((x) => ({ $project: { x } })),
  expression.map((x) => ({ $match: { $expr: x } })),
  fc
    .tuple(fc.constantFrom(...ACCUMULATORS), expression)
    .map(([name, x]) => ({ $group: { _id: '$a', x: { [name]: x } } })),
)
const stage = fc.tuple(fc.constantFrom(...STAGES), value).map(([name, spec]) => ({ [name]: spec }))
const op = fc.oneof(
  fc.record({
    op: fc.constant('aggregate'),
    collection: fc.constant('things'),
    pipeline: fc.tuple(computing),
  }),
  fc.record(
    {
      op: fc.constant('find'),
      collection: fc.constant('things'),
      filter: value,
      projection: value,
      sort: value,
    },
    { requiredKeys: ['op', 'collection'] },
  ),
  fc.record({
    op: fc.constant('aggregate'),
    collection: fc.constant('things'),
    pipeline: fc.array(stage, { maxLength: 3 }),
  }),
)
const update = fc.dictionary(
  fc.constantFrom(...UPDATE_OPERATORS),
  fc.dictionary(field, value, { maxKeys: 2 }),
  { minKeys: 1, maxKeys: 2 },
)
const write = fc.tuple(
  fc.constantFrom('updateOne', 'updateMany', 'replaceOne'),
  fc.constant('things'),
  fc.oneof(value, fc.constant({})),
  fc.oneof(update, value),
  fc.constantFrom({}, { upsert: true }),
)

const stored = [
  { _id: 1, a: 1, b: 'xaax' },
  { _id: 2, a: [1, { b: [2] }], b: null },
  { _id: 3, a: { b: new Date(0) } },
]

/** Runs work that may be refused, never in a way that says nothing. */
function survives(work: () => unknown): void {
  try {
    work()
  } catch (error) {
    if (!(error instanceof LyceumError)) throw error
    expect(error.code).not.toBe('internal')
    expect(error.message).not.toMatch(
      /is not a function|Cannot read prop|undefined \(reading|not iterable| {4}at /,
    )
  }
}

it('any read made of known words is answered or refused by a code, and changes nothing', () => {
  const db = openDatabase({ opMs: 5_000 })
  const c = collectionOf(db)
  c.insert(...stored)
  fc.assert(
    fc.property(op, (wanted) => {
      survives(() => db.read(wanted, Number.POSITIVE_INFINITY))
      expect(c.find()).toEqual(stored)
    }),
    { numRuns: 3_000 },
  )
})

it('any write made of known words is done or refused by a code, and a rollback undoes it', () => {
  const db = openDatabase({ opMs: 5_000 })
  const c = collectionOf(db)
  c.insert(...stored)
  fc.assert(
    fc.property(write, (wanted) => {
      db.begin()
      survives(() => db.write([wanted]))
      survives(() => c.find())
      db.rollback()
      expect(c.find()).toEqual(stored)
    }),
    { numRuns: 2_000 },
  )
})
