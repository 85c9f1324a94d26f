import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Decimal128, decode } from '../../../sdk/ejson.ts'
import { collectionOf, openDatabase, refusalOf, soon } from './support.ts'

type Doc = Record<string, unknown>

/** Wraps an expression in itself: `levels` times what `wrap` makes of it. */
function nest(levels: number, innermost: unknown, wrap: (inner: unknown) => unknown): unknown {
  let value = innermost
  for (let i = 0; i < levels; i++) value = wrap(value)
  return value
}

const BIG = 'x'.repeat(100_000)
const doubled = (operator: string) => (x: unknown) => ({
  $let: { vars: { v: x }, in: { [operator]: ['$$v', '$$v'] } },
})
const stages = (count: number, make: (i: number) => Doc) => Array.from({ length: count }, (_, i) => make(i))

describe('hostile expressions are refused while they grow', () => {
  it.each<[string, unknown]>([
    ['a string doubled 40 times', nest(40, '$s', doubled('$concat'))],
    ['an array doubled 40 times', nest(40, [1, 2], doubled('$concatArrays'))],
    ['a literal doubled 45 times', nest(45, 'x', (x) => ({ $let: { vars: { v: x }, in: ['$$v', '$$v'] } }))],
    [
      'a doubled literal compared',
      {
        $eq: [
          nest(40, '$s', (x) => ({ $let: { vars: { v: x }, in: ['$$v', '$$v'] } })),
          nest(40, 'y', (x) => ({ $let: { vars: { v: x }, in: ['$$v', '$$v'] } })),
        ],
      },
    ],
    [
      'a doubled literal in a set',
      { $setUnion: [nest(40, ['$s'], (x) => ({ $let: { vars: { v: x }, in: ['$$v', '$$v'] } }))] },
    ],
    ['one replacement that multiplies', { $replaceAll: { input: '$s', find: 'x', replacement: '$s' } }],
    ['a range without end', { $range: [0, 4294967290] }],
    ['ranges in ranges', { $map: { input: { $range: [0, 1_000_000] }, in: { $range: [0, 1_000_000] } } }],
    ['many long strings', { $map: { input: { $range: [0, 100_000] }, in: { $concat: ['$s', 'y'] } } }],
    [
      'a reduction that doubles',
      {
        $reduce: { input: { $range: [0, 60] }, initialValue: '$s', in: { $concat: ['$$value', '$$value'] } },
      },
    ],
    [
      'a reduction that nests',
      { $reduce: { input: { $range: [0, 60] }, initialValue: '$s', in: ['$$value', '$$value'] } },
    ],
    ['a wide zip', { $zip: { inputs: stages(400, () => Object({ $range: [0, 100_000] })) } }],
    ['a split into characters', { $split: [nest(7, '$s', doubled('$concat')), 'x'] }],
    [
      'a decimal that grows',
      {
        $reduce: {
          input: { $range: [0, 900_000] },
          initialValue: new Decimal128('1.1'),
          in: { $multiply: ['$$value', { $concatArrays: [['$$value']] }] },
        },
      },
    ],
    ['a power of a power', { $size: { $range: [0, { $pow: [10, 9] }] } }],
    ['a format of many parts', { $dateToString: { date: '$$NOW', format: '%Y'.repeat(1_000) } }],
  ])('%s', (_, expression) => {
    const c = collectionOf(openDatabase({ opMs: 10_000 }))
    c.insert({ _id: 1, s: BIG })
    const refused = refusalOf(() => c.aggregate([{ $project: { grown: expression } }]))
    expect(refused.code).toMatch(/^(query_invalid|result_too_large|time_limit)$/)
  })

  it.each<[string, unknown[]]>([
    ['documents doubled in stages', stages(40, () => ({ $set: { a: ['$a', '$a'] } }))],
    ['roots nested in stages', stages(40, () => ({ $replaceWith: { l: '$$ROOT', r: '$$ROOT' } }))],
    ['groups of groups', stages(40, () => ({ $group: { _id: null, a: { $push: ['$$ROOT', '$$ROOT'] } } }))],
    [
      'facets that copy',
      [
        {
          $facet: Object.fromEntries(
            stages(40, (i) => Object([`f${i}`, [{ $set: { x: { $range: [0, 500_000] } } }]])) as never,
          ),
        },
      ],
    ],
    [
      'a lookup that multiplies',
      stages(3, () => ({
        $lookup: {
          from: 'things',
          pipeline: stages(2, () => ({ $set: { x: { $range: [0, 900_000] } } })),
          as: 'all',
        },
      })),
    ],
    [
      'a graph in which all is linked',
      [
        {
          $graphLookup: {
            from: 'things',
            startWith: null,
            connectFromField: 'none',
            connectToField: 'none',
            as: 'g',
          },
        },
        ...stages(20, () => ({ $set: { g: { $concatArrays: ['$g', '$g', '$g'] } } })),
      ],
    ],
    [
      'gaps without end',
      [{ $densify: { field: '_id', range: { step: 1e-9, bounds: 'full' } } }, { $count: 'n' }],
    ],
    [
      'windows that keep everything',
      [
        { $set: { r: { $range: [0, 3_000] } } },
        { $unwind: '$r' },
        {
          $setWindowFields: {
            sortBy: { r: 1 },
            output: { all: { $push: '$$ROOT', window: { documents: [-3_000, 0] } } },
          },
        },
      ],
    ],
    [
      'unions of unions',
      stages(40, () => ({
        $unionWith: { coll: 'things', pipeline: [{ $set: { x: { $range: [0, 900_000] } } }] },
      })),
    ],
    [
      'values that a bucket pushes',
      [
        { $set: { r: { $range: [0, 5_000] } } },
        { $unwind: '$r' },
        { $set: { s: { $range: [0, 5_000] } } },
        { $bucketAuto: { groupBy: '$r', buckets: 5, output: { all: { $push: '$s' } } } },
      ],
    ],
    [
      'a fill that repeats a large value',
      [
        { $set: { r: { $range: [0, 5_000] } } },
        { $unwind: '$r' },
        { $set: { big: { $cond: [{ $eq: ['$r', 0] }, { $range: [0, 100_000] }, null] } } },
        { $fill: { sortBy: { r: 1 }, output: { big: { method: 'locf' } } } },
      ],
    ],
    [
      'an unwinding that multiplies',
      [
        { $set: { r: { $range: [0, 5_000] } } },
        ...stages(6, (i) => ({ $set: { [`r${i}`]: '$r' } })),
        ...stages(6, (i) => ({ $unwind: `$r${i}` })),
        { $group: { _id: '$$ROOT' } },
      ],
    ],
  ])('%s', (_, pipeline) => {
    const c = collectionOf(openDatabase({ opMs: 1_500 }))
    c.insert({ _id: 1, a: 'x' }, { _id: 2, a: 'y' })
    expect(refusalOf(() => c.aggregate(pipeline)).code).toMatch(
      /^(query_invalid|result_too_large|time_limit)$/,
    )
  })
})

describe('hostile updates are refused', () => {
  it.each<[string, unknown, string]>([
    ['an index far past the end', { $set: { 'a.4294967290': 1 } }, 'update_invalid'],
    ['one 1001 past the end', { $set: { 'a.1002': 1 } }, 'update_invalid'],
    ['a path into the prototype', { $set: { '__proto__.polluted': 1 } }, 'update_invalid'],
    ['one deeper down', { $set: { 'o.__proto__.polluted': 1 } }, 'update_invalid'],
    ['a prototype in a value', decode('{"$set":{"x":{"__proto__":{"polluted":1}}}}'), 'document_invalid'],
    ['a rename to the prototype', { $rename: { o: '__proto__' } }, 'update_invalid'],
    ['a deep path', { $set: { [Array(101).fill('p').join('.')]: 1 } }, 'update_invalid'],
    ['a deep value', { $set: { x: nest(101, 1, (x) => [x]) } }, 'document_invalid'],
    [
      'a deep value at a deep path',
      { $set: { [Array(60).fill('p').join('.')]: nest(60, 1, (x) => [x]) } },
      'document_invalid',
    ],
    ['a pipeline that makes an operator', [{ $set: { x: { $literal: { $where: 1 } } } }], 'document_invalid'],
    [
      'a pipeline that makes a prototype',
      [{ $set: { x: { $arrayToObject: [[['__proto__', { p: 1 }]]] } } }],
      'query_invalid',
    ],
  ])('%s', (_, update, code) => {
    const c = collectionOf(openDatabase())
    c.insert({ _id: 1, a: [1], o: {} })
    expect(refusalOf(() => c.updateOne({ _id: 1 }, update)).code).toBe(code)
    expect(c.find()).toEqual([{ _id: 1, a: [1], o: {} }])
    expect(Reflect.get({}, 'polluted')).toBeUndefined()
  })

  it('names of prototypes are plain fields', () => {
    const c = collectionOf(openDatabase())
    c.updateOne(
      { _id: 1 },
      { $set: { constructor: 1, 'toString.prototype.x': 2, hasOwnProperty: 'z' } },
      { upsert: true },
    )
    expect(c.ids({ 'toString.prototype.x': 2, constructor: 1 })).toEqual([1])
    expect(c.ids({ 'constructor.name': 'Object' })).toEqual([])
    const made = c.aggregate([
      { $set: { 'valueOf.prototype.polluted': 1, x: '$constructor' } },
      { $project: { x: 1, 'isPrototypeOf.y': 1 } },
    ])
    expect(made).toEqual([{ _id: 1, x: 1 }])
    expect(Reflect.get({}, 'polluted')).toBeUndefined()
    expect(Reflect.get(Object, 'polluted')).toBeUndefined()
  })

  it('documents that pose as other types stay documents', () => {
    const c = collectionOf(openDatabase())
    c.insert({
      _id: 1,
      constructor: { name: 'Date' },
      a: { constructor: { name: { toLowerCase: 1 } }, toString: 5 },
    })
    expect(c.ids({ a: { $gt: {} } })).toEqual([1])
    expect(c.ids({}, { sort: { a: 1, constructor: 1 } })).toEqual([1])
    expect(c.aggregate([{ $group: { _id: '$a', n: { $addToSet: '$$ROOT' } } }])).toHaveLength(1)
  })
})

describe('hostile queries are refused', () => {
  it.each<[string, Doc]>([
    ['deep filters', { filter: nest(101, { a: 1 }, (x) => ({ $and: [x] })) }],
    ['wide filters', { filter: { a: { $in: Array(20_001).fill(1) } } }],
    ['prototype paths', { filter: { 'a.__proto__.b': 1 } }],
    ['prototype keys', { filter: decode('{"__proto__":{"a":1}}') }],
    ['prototype projections', { projection: { '__proto__.x': 1 } }],
    ['prototype expressions', { projection: { x: { $getField: '__proto__' }, y: '$__proto__.z' } }],
    ['patterns that look around', { filter: { a: { $regex: '(?<=a)b' } } }],
    ['patterns in expressions', { filter: { $expr: { $regexMatch: { input: 'x', regex: '(a)\\1' } } } }],
    ['functions', { filter: { a: () => 1 } }],
  ])('%s', (_, op) => {
    const c = collectionOf(openDatabase())
    c.insert({ _id: 1, a: 'x', z: 1 })
    const db = openDatabase()
    collectionOf(db).insert({ _id: 1 })
    let found: unknown[] | undefined
    const refused = (() => {
      try {
        found = db.read({ op: 'find', collection: 'things', ...op }, soon())
      } catch (error) {
        return error
      }
    })()
    if (found === undefined)
      expect(String(Reflect.get(Object(refused), 'code'))).toMatch(/^(query_invalid|operator_unknown)$/)
    else expect(found).toEqual([{ _id: 1 }])
  })

  it('a pattern from a document is held to the same rules', () => {
    const c = collectionOf(openDatabase())
    c.insert({ _id: 1, p: '(?=a)a' })
    expect(refusalOf(() => c.find({ $expr: { $regexMatch: { input: 'a', regex: '$p' } } })).mongoCode).toBe(
      51091,
    )
  })

  it('messages hold no stack, no path and little of the input', () => {
    const refused = refusalOf(() => collectionOf(openDatabase()).find({ [`$${'x'.repeat(5_000)}`]: 1 }))
    expect(refused.message.length).toBeLessThan(300)
    expect(refused.message).not.toMatch(/node_modules|\.ts|\/tmp/)
  })

  it('time runs out for a query that compares without end', () => {
    const db = openDatabase()
    const c = collectionOf(db)
    c.insert(...Array.from({ length: 3_000 }, (_, _id) => ({ _id, a: Array(200).fill(_id) })))
    const pipeline = [
      {
        $lookup: {
          from: 'things',
          let: { a: '$a' },
          pipeline: [{ $match: { $expr: { $eq: ['$a', '$$a'] } } }],
          as: 'x',
        },
      },
    ]
    const op = { op: 'aggregate', collection: 'things', pipeline }
    expect(refusalOf(() => db.read(op, performance.now() + 200))).toMatchObject({
      code: 'time_limit',
      mongoCode: 50,
    })
    expect(c.count()).toBe(3_000)
  })

  it('patterns that backtrack end, with the flag that stores run with', () => {
    const folder = mkdtempSync(join(tmpdir(), 'lyceum-patterns-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const module = new URL('../../../host/storage/documents/database.ts', import.meta.url).href
    const script = `
      const { DocumentDatabase } = await import(${JSON.stringify(module)})
      const db = new DocumentDatabase(${JSON.stringify(join(folder, 'patterns.db'))})
      db.write([['insertOne', 'x', { _id: 1, s: 'a'.repeat(40) + '!' }]])
      for (const $options of ['', 'i', 'm', 's'])
        for (const $regex of ['^(a+)+$', '^(a|a)*$', '^(a+){16}$', '^(a+)+[0-9]{32}$', '(a+a+)+b'])
          if (db.read({ op: 'find', collection: 'x', filter: { s: { $regex, $options } } }, Infinity).length > 0) throw 1
      console.log('done')`
    const flags = [
      '--enable-experimental-regexp-engine-on-excessive-backtracks',
      '--input-type=module',
      '-e',
      script,
    ]
    expect(String(execFileSync(process.execPath, flags, { timeout: 20_000 })).trim()).toBe('done')
  })
})
