import { type Ends, type Family, type HostilePlugin, handler, query } from '../plugin.ts'

const REFUSED: Ends = [
  'document_invalid',
  'update_invalid',
  'query_invalid',
  'operator_unknown',
  'op_malformed',
  'op_unknown',
  'document_too_large',
  'result_too_large',
  'time_limit',
]
const ROOMY = { quota: { cpuMsPerCall: 300, bytesPerCall: 20_000_000, outputBytes: 4_000_000 } }

/** A handler that stores a document, then does one thing to it. */
const write = (name: string, act: string, ends: Ends = REFUSED): HostilePlugin =>
  handler(
    name,
    `const c = db.collection('a'); await c.insertOne({ _id: 1, a: [1], o: {}, s: 'x'.repeat(1e5) })\n${act}`,
    ends,
    ROOMY,
  )

/** A query that reads with each of some arguments, and tells only the codes of what comes of them. */
const reads = (name: string, attempts: string): HostilePlugin =>
  query(
    name,
    `const c = db.collection('a'), told = []
     const nest = (n, x, wrap) => { for (let i = 0; i < n; i++) x = wrap(x); return x }
     for (const attempt of [${attempts}])
       try { told.push(JSON.stringify(await attempt()).length) } catch (error) { told.push(error.code ?? error.name) }
     return told`,
    ['ok'],
    {
      // All of them together take long, each of them has its time.
      quota: { cpuMsPerCall: 5_000, wallMs: 60_000, bytesPerCall: 20_000_000, outputBytes: 4_000_000 },
      // One per attempt, and no error of the host among them.
      answers: /^\[(?!.*(?:internal|store_lost)).*\]/,
      fill: "await db.collection('a').insertOne({ _id: 1, a: [1, 2, 3], s: 'a'.repeat(1e5) + '!', o: { p: 1 } })",
    },
  )

export const documents: Family = {
  title: '`db` with hostile documents: `__proto__`, huge indexes, deep nesting, invalid values',
  stoppedBy:
    'documents are copied into plain data and checked before anything looks at them: `document_invalid`, `update_invalid`',
  inSoak: [
    'stores operators as fields',
    'stores a key __proto__',
    'writes markers of values that are none',
    'sets a negative index',
    'pushes a slice of endless length',
    'sets a path of a thousand steps',
    'stores a document that holds itself',
    'counts with what is no number',
    'multiplies to infinity',
    'makes a Decimal128 of endless length',
    'makes a Long of a million digits',
    'stores a NUL in a key',
    'names a collection by a path',
    'writes in bulk by getters',
    'upserts by a filter of the prototype',
    'makes an operator in a pipeline',
    'forges the bytes of a Binary',
  ],
  plugins: [
    write('stores a key __proto__', 'await c.insertOne(JSON.parse(\'{"__proto__":{"polluted":1}}\'))'),
    write(
      'sets a path into the prototype',
      "await c.updateOne({ _id: 1 }, { $set: { 'o.__proto__.polluted': 1 } })",
    ),
    write(
      'renames a field to the prototype',
      "await c.updateOne({ _id: 1 }, { $rename: { o: '__proto__' } })",
    ),
    write(
      'sets an index four billion past the end',
      "await c.updateOne({ _id: 1 }, { $set: { 'a.4294967290': 1 } })",
    ),
    write('sets a negative index', "await c.updateOne({ _id: 1 }, { $set: { 'a.-1': 1 } })", [
      ...REFUSED,
      'ok',
    ]),
    write(
      'pushes a slice of endless length',
      'await c.updateOne({ _id: 1 }, { $push: { a: { $each: [1], $slice: -1e308, $position: 1e308 } } })',
      [...REFUSED, 'ok'],
    ),
    write(
      'nests a document a thousand levels deep',
      'let x = 1; for (let n = 0; n < 1_000; n++) x = { x }; await c.insertOne(x)',
      [...REFUSED, 'plugin_failed'],
    ),
    write(
      'sets a path of a thousand steps',
      "await c.updateOne({ _id: 1 }, { $set: { [Array(1_000).fill('p').join('.')]: 1 } })",
    ),
    write('stores a document that holds itself', 'const x = {}; x.x = x; await c.insertOne(x)', [
      ...REFUSED,
      'plugin_failed',
    ]),
    write('stores operators as fields', "await c.insertOne({ $where: '1' })"),
    write(
      'makes an operator in a pipeline',
      '{ await c.updateOne({ _id: 1 }, [{ $set: { x: { $literal: { $where: 1 } } } }]) }',
    ),
    write(
      'stores NaN, -0, infinities and dates that are none',
      'await c.insertOne({ n: NaN, z: -0, i: -Infinity }); await c.insertOne({ d: new Date(NaN) })',
      [...REFUSED, 'plugin_failed'],
    ),
    write('counts with what is no number', 'await c.updateOne({ _id: 1 }, { $inc: { s: NaN } })'),
    write(
      'multiplies to infinity',
      'await c.updateOne({ _id: 1 }, { $set: { m: 1e308 } }); for (let n = 0; n < 9; n++) await c.updateOne({ _id: 1 }, { $mul: { m: 1e308 } })',
      [...REFUSED, 'ok'],
    ),
    write(
      'adds to the largest Long',
      "await c.insertOne({ _id: 2, n: new Long('9223372036854775807') }); await c.updateOne({ _id: 2 }, { $inc: { n: new Long(1) } })",
      [...REFUSED, 'ok'],
    ),
    write('makes a Long of a million digits', "await c.insertOne({ n: new Long('9'.repeat(1e6)) })", [
      'plugin_failed',
    ]),
    write('makes a Decimal128 of endless length', "await c.insertOne({ n: new Decimal128('1e99999') })", [
      'plugin_failed',
    ]),
    write(
      'forges the bytes of a Binary',
      "await c.insertOne({ b: new Binary({ length: 2 ** 32, byteLength: 8 }, 'x') })",
      [...REFUSED, 'ok', 'over_cpu', 'plugin_failed', 'over_memory'],
    ),
    write(
      'forges an ObjectId',
      'const id = Object.create(ObjectId.prototype); await c.insertOne({ _id: id })',
      [...REFUSED, 'plugin_failed'],
    ),
    write(
      'writes markers of values that are none',
      `const { stringify } = JSON
      for (const bad of ['{"$oid":"zz"}', '{"$date":1e99}', '{"$numberLong":"1e5"}', '{"$binary":{"base64":"=","subType":"zz"}}', '{"$regularExpression":{"pattern":"(","options":"zz"}}']) {
        JSON.stringify = (x) => x === bad ? bad : stringify(x); await c.insertOne({ _id: new ObjectId(), v: 1 })
        JSON.stringify = () => bad; await c.updateOne({ _id: 1 }, { $set: { v: 1 } }) }`,
    ),
    write(
      'stores lone surrogates and NULs',
      "await c.insertOne({ _id: '\\ud800', x: '\\udfff\\0', '\\ud800key': 1 }); const rows = await c.find({ _id: '\\ud800' }).toArray()",
      [...REFUSED, 'ok'],
    ),
    write('stores a NUL in a key', "await c.insertOne({ 'a\\0b': 1 })"),
    write(
      'names a collection like a table of the host',
      "await db.collection('lyceum_cursors').insertOne({ x: 1 }); await db.collection('sqlite_master').insertOne({ x: 1 })",
      ['ok'],
    ),
    write('names collections in SQL', "await db.collection('a; DROP TABLE collections; --').insertOne({})", [
      'op_malformed',
    ]),
    write('names a collection by a path', "await db.collection('../secretive.1.db').insertOne({})", [
      'op_malformed',
    ]),
    write(
      'upserts by a filter of the prototype',
      `await c.updateOne(JSON.parse('{"__proto__":{"x":1}}'), { $set: { y: 1 } }, { upsert: true })`,
    ),
    write(
      'filters arrays by what is no filter',
      "await c.updateMany({}, { $set: { 'a.$[x].y': 1 } }, { arrayFilters: [{ 'x.__proto__': 1 }, 7, null] })",
    ),
    write('writes an op that does not exist', 'await c.bulkWrite([{ dropDatabase: {} }])', [
      'op_malformed',
      'plugin_failed',
    ]),
    write('writes in bulk by getters', 'await c.bulkWrite([{ get insertOne() { for (;;); } }])', [
      'over_cpu',
    ]),
  ],
}

export const queries: Family = {
  title:
    '`db` with hostile queries: operators that multiply, catastrophic patterns, JavaScript, other collections',
  stoppedBy:
    'operators are allow-listed and metered, patterns run on a linear engine, reads have a time: `operator_unknown`, `query_invalid`, `time_limit`',
  inSoak: [
    'gives values of every type where another belongs',
    'multiplies documents',
    'matches by patterns that backtrack',
    'gives expressions values of every type',
    'multiplies texts and lists',
    'nests and widens what it asks',
    'asks for dates at the ends of time',
  ],
  plugins: [
    reads(
      'runs JavaScript in the store',
      `
      () => c.find({ $where: 'while(1);' }).toArray(), () => c.find({ $expr: { $function: { body: 'while(1);', args: [], lang: 'js' } } }).toArray(),
      () => c.aggregate([{ $group: { _id: 1, x: { $accumulator: { init: 'x', accumulate: 'x', accumulateArgs: [], merge: 'x', lang: 'js' } } } }]).toArray(),
      () => c.aggregate([{ $set: { x: { $getField: { field: 'constructor', input: '$s' } } } }]).toArray()`,
    ),
    reads(
      'reaches for other collections, databases and servers',
      `
      () => c.aggregate([{ $out: 'b' }]).toArray(), () => c.aggregate([{ $merge: { into: { db: 'secretive.1', coll: 'secrets' } } }]).toArray(),
      () => c.aggregate([{ $lookup: { from: { db: 'secretive', coll: 'secrets' }, pipeline: [], as: 'x' } }]).toArray(),
      () => c.aggregate([{ $unionWith: 'secrets' }]).toArray(), () => c.aggregate([{ $lookup: { from: 'secrets', pipeline: [], as: 'x' } }]).toArray(),
      () => c.aggregate([{ $currentOp: {} }]).toArray(), () => c.aggregate([{ $listSessions: {} }]).toArray(), () => c.aggregate([{ $indexStats: {} }]).toArray(),
      () => db.collection('lyceum_cursors').find().toArray(), () => db.collection('lyceum_dead_letters').find().toArray(), () => db.collection('sqlite_master').find().toArray()`,
    ),
    reads(
      'multiplies texts and lists',
      `
      ...[['$concat', '$s'], ['$concatArrays', [1, 2]]].map(([op, x]) => () => c.aggregate([{ $project: { x: nest(40, x, (v) => ({ $let: { vars: { v }, in: { [op]: ['$$v', '$$v'] } } })) } }]).toArray()),
      () => c.aggregate([{ $project: { x: { $replaceAll: { input: '$s', find: 'a', replacement: '$s' } } } }]).toArray(),
      () => c.aggregate([{ $project: { x: { $range: [0, 4294967290] } } }]).toArray(),
      () => c.aggregate([{ $project: { x: { $map: { input: { $range: [0, 1e6] }, in: { $range: [0, 1e6] } } } } }]).toArray(),
      () => c.aggregate([{ $project: { x: { $reduce: { input: { $range: [0, 60] }, initialValue: '$s', in: { $concat: ['$$value', '$$value'] } } } } }]).toArray()`,
    ),
    reads(
      'multiplies documents',
      `
      () => c.aggregate(Array.from({ length: 40 }, () => ({ $replaceWith: { l: '$$ROOT', r: '$$ROOT' } }))).toArray(),
      () => c.aggregate([{ $set: { r: { $range: [0, 5000] } } }, ...Array.from({ length: 6 }, (_, n) => ({ $set: { ['r' + n]: '$r' } })), ...Array.from({ length: 6 }, (_, n) => ({ $unwind: '$r' + n }))]).toArray(),
      () => c.aggregate([{ $facet: Object.fromEntries(Array.from({ length: 40 }, (_, n) => ['f' + n, [{ $set: { x: { $range: [0, 500000] } } }]])) }]).toArray(),
      () => c.aggregate([{ $densify: { field: '_id', range: { step: 1e-9, bounds: [0, 1e9] } } }]).toArray()`,
    ),
    reads(
      'matches by patterns that backtrack',
      `
      ...['^(a+)+$', '^(a|a)*$', '(a+a+)+b', '^(a+){16}$', '(x+x+)+y'].map(($regex) => () => c.find({ s: { $regex } }).toArray()),
      ...['(?<=a)b', '(a)\\\\1', '(?=a)a', 'a{1001}', '(a{16}){16}', '('.repeat(50), '[', '\\\\u{1F600}', 'a'.repeat(5000)].map(($regex) => () => c.find({ s: { $regex } }).toArray()),
      () => c.find({ s: { $regex: 'a', $options: 'gyd' } }).toArray(), () => c.find({ s: /(a+)+$/v }).toArray(),
      () => c.aggregate([{ $project: { x: { $regexFindAll: { input: '$s', regex: '(a*)*' } } } }]).toArray()`,
    ),
    reads(
      'nests and widens what it asks',
      `
      () => c.find(nest(99, { a: 1 }, (x) => ({ $and: [x] }))).toArray(), () => c.find(nest(2_000, { a: 1 }, (x) => ({ $and: [x] }))).toArray(),
      () => c.find({ a: { $in: Array(30_000).fill(1) } }).toArray(), () => c.find({ $or: Array.from({ length: 19_000 }, (_, n) => ({ a: n })) }).toArray(),
      () => c.aggregate(Array.from({ length: 5_000 }, () => ({ $set: { x: 1 } }))).toArray(), () => c.aggregate([nest(9, [], (pipeline) => [{ $lookup: { from: 'a', pipeline, as: 'x' } }])[0]]).toArray(),
      () => c.find({ [Array(1_000).fill('a').join('.')]: 1 }).toArray()`,
    ),
    reads(
      'asks about prototypes',
      `
      () => c.find(JSON.parse('{"__proto__":{"a":1}}')).toArray(), () => c.find({ 'a.__proto__.b': 1 }).toArray(), () => c.find({ 'constructor.name': 'Object' }).toArray(),
      () => c.find({}, { projection: { '__proto__.x': 1 } }).toArray(), () => c.find().sort({ __proto__: null, ['__proto__']: 1 }).toArray(),
      () => c.distinct('__proto__.constructor'), () => c.distinct('a.constructor'), () => c.aggregate([{ $project: { x: '$__proto__', y: '$constructor', z: '$$ROOT.__proto__' } }]).toArray(),
      () => c.aggregate([{ $set: { x: { $arrayToObject: [[['__proto__', { p: 1 }]]] } } }]).toArray(), () => c.aggregate([{ $set: { x: { $setField: { field: '__proto__', input: {}, value: 1 } } } }]).toArray(),
      () => c.aggregate([{ $group: { _id: '$__proto__', constructor: { $sum: 1 }, ['__proto__']: { $sum: 1 } } }]).toArray()`,
    ),
    reads(
      'gives options of the wrong kind',
      `
      () => c.find({}, { limit: -1 }).toArray(), () => c.find({}, { skip: 1e308 }).toArray(), () => c.find({}, { limit: NaN }).toArray(), () => c.find().limit('x').toArray(),
      () => c.find().sort([['a', 1]]).toArray(), () => c.find().sort({ a: 'x' }).toArray(), () => c.find().project(7).toArray(), () => c.find(7).toArray(), () => c.find([]).toArray(), () => c.find(null).toArray(),
      () => c.countDocuments({}, { limit: 0.5 }), () => c.distinct(7), () => c.distinct(''), () => c.distinct({ toString: 7 }), () => c.aggregate({}).toArray(), () => c.aggregate('x').toArray(), () => c.aggregate([7]).toArray(), () => c.aggregate([{}]).toArray()`,
    ),
    reads(
      'gives values of every type where another belongs',
      `
      ...[NaN, -0, Infinity, new Long('-9223372036854775808'), new Decimal128('NaN'), new ObjectId(), new Date(8.64e15), new Date(-8.64e15), /x/, new Binary(new Uint8Array(9)), '\\ud800', [[[]]], {}, true, null]
        .flatMap((x) => ['$gt', '$in', '$mod', '$size', '$type', '$exists', '$regex', '$elemMatch', '$bitsAllSet', '$all'].map((op) => () => c.find({ a: { [op]: x } }).toArray()))`,
    ),
    reads(
      'gives expressions values of every type',
      `
      ...[NaN, Infinity, -1e308, new Long('9223372036854775807'), new Decimal128('1e6144'), new Date(8.64e15), '\\ud800', '$$NOW', '$$ROOT', [], {}]
        .flatMap((x) => ['$add', '$multiply', '$pow', '$mod', '$substrCP', '$dateToString', '$dateAdd', '$toString', '$toDate', '$toObjectId', '$range', '$slice', '$split', '$trim', '$indexOfArray', '$arrayElemAt', '$round', '$log']
          .map((op) => () => c.aggregate([{ $project: { x: { [op]: [x, x, x] } } }]).toArray()))`,
    ),
    reads(
      'asks for dates at the ends of time',
      `
      () => c.aggregate([{ $project: { x: { $dateAdd: { startDate: '$$NOW', unit: 'year', amount: 1e300 } } } }]).toArray(),
      () => c.aggregate([{ $project: { x: { $dateDiff: { startDate: new Date(-8.64e15), endDate: new Date(8.64e15), unit: 'millisecond' } } } }]).toArray(),
      () => c.aggregate([{ $project: { x: { $dateToString: { date: '$$NOW', timezone: '../../etc/passwd', format: '%Y'.repeat(5000) } } } }]).toArray(),
      () => c.aggregate([{ $project: { x: { $dateFromString: { dateString: '9'.repeat(1e5) } } } }]).toArray(),
      () => c.aggregate([{ $project: { x: { $dateTrunc: { date: '$$NOW', unit: 'second', binSize: 1e-300 } } } }]).toArray()`,
    ),
    query(
      'asks by ops that no guest sends',
      `
      const { stringify } = JSON, told = []
      for (const text of ['{}', 'null', '"x"', '7', '[]', '{"op":"drop"}', '{"op":"find","collection":"a","filter":{"a":1e999}}', '{"op":"__proto__","collection":"a"}', '{"op":"find","collection":{"toString":1}}', '\\0', '"\\\\ud800"']) {
        JSON.stringify = () => text
        try { told.push(typeof await db.collection('a').find({ a: 1 }).toArray()) } catch (error) { told.push(error.code ?? error.name) }
      }
      JSON.stringify = stringify
      return told`,
      ['ok'],
      { answers: /^\[(?!.*internal).*\]/ },
    ),
  ],
}

export const others: Family = {
  title: '`log`, `plugins` and parameters with hostile arguments',
  stoppedBy:
    'bounded before they are parsed, and checked by a schema: `op_malformed`, `bad_parameter`; lines are cut and stripped of control characters',
  inSoak: [
    'logs control characters, other lines and other directions',
    'logs what cannot be shown',
    'is asked with parameters of prototypes',
  ],
  plugins: [
    query(
      'logs what cannot be shown',
      `
      const circle = {}; circle.circle = circle
      for (const x of [circle, 1n, Symbol('x'), () => {}, Object.create(null), new Proxy({}, {}), new Proxy(class {}, {}), undefined, null, NaN, { toJSON() { return undefined } }, { toJSON() { throw new Error('x') } }, new Date(NaN)])
        try { log(x) } catch {}
      return 1`,
      ['ok'],
    ),
    query(
      'logs control characters, other lines and other directions',
      'log("a\\r\\n{\\"level\\":\\"error\\"}\\x1b[2J\\u202e\\u2066\\0\\ud800\\x9b31m"); return 1',
      ['ok'],
      {
        answers: /^(?!.*(?:\\u001b|\\u202e|\u202e|\\u009b)).*$/s,
      },
    ),
    query(
      'asks a plugin for what is on every object',
      `
      const told = []
      for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty', 'prototype', '', ' ', '\\0', '../other', 'x'.repeat(1e4), '\\ud800'])
        told.push(await self[name]().then(() => 'answered', (error) => error.code ?? error.name))
      return told`,
      ['ok'],
      { answers: /^\[(?!.*(?:answered|internal)).*\]/ },
    ),
    query(
      'asks a plugin with arguments of every kind',
      `
      const told = []
      for (const x of [1, 'x', null, [], [[]], () => 1, Symbol('x'), 1n, NaN, { user: {} }, JSON.parse('{"__proto__":{"n":1}}'), { constructor: 1 }, { n: Infinity }, { n: { $gt: 1 } }, { n: /x/ }, { x: 'x'.repeat(1e5) }, { '\\ud800': 1 }, { n: new Proxy({}, {}) }])
        told.push(await self.typed(x).then(() => 'answered', (error) => error.code ?? error.name))
      return told`,
      ['ok'],
      {
        top: 'export const typed = query({ params: { n: t.number() } }, ({ params }) => params.n)',
        answers: /^\[(?!.*(?:answered|internal)).*\]/,
      },
    ),
    query(
      'asks a plugin that it did not name',
      `
      const told = [typeof self.constructor, Object.getPrototypeOf(self)]
      const { stringify } = JSON
      for (const name of ['secretive', 'quiet', '__proto__', '']) {
        JSON.stringify = (x) => stringify(x)?.replace('"self"', stringify(name))
        told.push(await self.tell({}).then((x) => x, (error) => error.code))
      }
      return told`,
      ['ok'],
      { answers: /^\["function",null,"op_denied","op_denied","op_denied","op_denied"\]/ },
    ),
    query(
      'asks a plugin by text that no guest sends',
      `
      const told = []
      for (const text of ['', '{', 'null', '["self"]', '["self","other",[]]', '["self","other",null]', '[["self"],"other",{}]', '["self","other",{"__proto__":{"x":1}}]', '["self","other",{"x":' + '['.repeat(5_000)]) {
        JSON.stringify = () => text
        told.push(await self.other({}).then(() => 'answered', (error) => error.code ?? error.name))
      }
      return told.length`,
      ['ok', 'plugin_failed'],
    ),
    query(
      'is asked with parameters of prototypes',
      'return [params.n, Object.keys(params), typeof params.constructor]',
      ['bad_parameter'],
      {
        takes: 'params',
        options: '{ params: { n: t.number() } }',
        asked: '?n=1&__proto__=1&constructor=2',
      },
    ),
    query('is asked with a number that is none', 'return params.n', ['bad_parameter'], {
      takes: 'params',
      options: '{ params: { n: t.number() } }',
      asked: `?n=${'9'.repeat(5_000)}e`,
    }),
    query(
      'is asked with lone surrogates and control characters',
      'return params.s.length',
      ['ok', 'bad_parameter'],
      {
        takes: 'params',
        options: '{ params: { s: t.string() } }',
        asked: '?s=%ED%A0%80%00%1B%E2%80%AE',
      },
    ),
  ],
}
