import { BOMB, type Family, handler, job, query } from '../plugin.ts'

const FILLED =
  "for (let n = 0; n < 1_500; n++) await db.collection('a').insertOne({ _id: n, x: 'x'.repeat(50) })"
const SLOW_READ = `[{ $lookup: { from: 'a', let: { x: '$_id' }, as: 'y',
  pipeline: [{ $match: { $expr: { $eq: [{ $add: ['$_id', 0.5] }, '$$x'] } } }] } }]`

export const floods: Family = {
  title: 'floods of ops, promises, log lines, calls of plugins',
  stoppedBy:
    'counted in the guest before they leave, in the process, and in the host; 64 ops of a call at a time, two reads of a plugin in a store',
  inSoak: [
    'floods the store with reads, each of them slow',
    'counts each of its writes',
    'writes without end',
    'makes a million promises that wait for an answer',
    'burns time in those whom it asks, and rejects',
    'overflows the stack inside the bridge',
    'counts with what cannot be counted',
    'asks itself for ever',
    'asks and never reads the answers',
    'overflows the stack inside the bridge, and is asked again',
    'asks for more at each answer',
    'writes without end and swallows what is refused',
    'inserts an endless list',
    'asks itself often',
    'logs on although it is refused',
  ],
  plugins: [
    query('asks without waiting', "for (let i = 0; ; i++) db.collection('a').findOne({ i })", [
      'over_ops',
      'plugin_failed',
      'over_cpu',
    ]),
    query(
      'asks on although it is refused',
      "for (;;) try { db.collection('a').findOne().catch(() => {}) } catch {}",
      ['over_cpu', 'over_memory'],
    ),
    query(
      'asks and never reads the answers',
      "for (let n = 0; n < 900; n++) db.collection('a').find().toArray(); return 1",
      // It ends before it is answered.
      ['plugin_failed'],
    ),
    query(
      'asks for more at each answer',
      "const more = () => db.collection('a').findOne().then(() => Promise.all([more(), more()])); return more()",
      ['over_ops', 'over_cpu', 'plugin_failed'],
    ),
    handler('writes without end', "for (let n = 0; ; n++) db.collection('a').insertOne({ n })", [
      'over_cpu',
      'over_bytes',
      'over_memory',
      'plugin_failed',
    ]),
    handler(
      'writes without end and swallows what is refused',
      "for (let n = 0; ; n++) try { db.collection('a').insertOne({ n }).catch(() => {}) } catch {}",
      ['over_cpu', 'over_bytes', 'over_memory', 'plugin_failed'],
    ),
    handler(
      'counts each of its writes',
      "const c = db.collection('a'); for (;;) await c.insertOne({}, { ack: true })",
      ['over_ops', 'over_cpu'],
    ),
    handler(
      'inserts an endless list',
      "function* all() { for (let n = 0; ; n++) yield { n } } await db.collection('a').insertMany(all())",
      ['over_cpu', 'over_bytes', 'over_memory', 'plugin_failed'],
    ),
    handler(
      'fills its database',
      "for (let n = 0; n < 9; n++) await db.collection('a').insertOne({ x: 'x'.repeat(9e5) })",
      ['database_full'],
      {
        quota: { databaseMb: 2, bytesPerCall: 20_000_000, cpuMsPerCall: 2_000 },
      },
    ),
    job(
      'fills its database from a job',
      "for (let n = 0; n < 9; n++) await db.collection('a').insertOne({ x: 'x'.repeat(9e5) })",
      ['ok', 'refused'],
      {
        quota: { databaseMb: 2, bytesPerCall: 20_000_000, cpuMsPerCall: 2_000 },
      },
    ),
    query('logs without end', 'for (;;) log("x".repeat(1e4))', ['over_ops', 'over_bytes', 'plugin_failed']),
    query('logs on although it is refused', 'for (;;) try { log("x") } catch {}', ['over_cpu']),
    query(
      'counts with what cannot be counted',
      `
      JSON.stringify = () => undefined; Array.prototype.join = () => ({ length: -1e9 })
      Object.prototype.toJSON = () => 7; String.prototype.toString = () => 7
      for (let at = 0; at < 1e5; at++) try { await log('x') } catch {}
      return 1`,
      ['ok', 'over_cpu', 'plugin_failed'],
    ),
    query('asks itself for ever', 'return self.run()', ['call_circle']),
    query('asks itself often', 'return Promise.all(Array.from({ length: 100 }, () => self.other()))', [
      'over_depth',
      'plugin_failed',
    ]),
    query(
      'burns time in those whom it asks, and rejects',
      'return Promise.all(Array.from({ length: 30 }, () => self.burn().catch(() => 0)))',
      ['over_cpu', 'over_wall', 'ok', 'sandbox_lost'],
      {
        top: "export const burn = query(() => { let x = 0; for (let n = 0; n < 3e7; n++) x = (x + n) % 7; Promise.reject(new Error('x')); return x })",
      },
    ),
    query(
      'floods the store with reads, each of them slow',
      `return Promise.all(Array.from({ length: 60 }, () =>
      db.collection('a').aggregate(${SLOW_READ}).toArray().catch((error) => error.code)))`,
      ['over_wall', 'over_cpu', 'ok', 'store_lost'],
      {
        fill: FILLED,
        quota: { cpuMsPerCall: 2_000, outputBytes: 4_000_000 },
      },
    ),
    query(
      'makes a million promises that wait for an answer',
      "const p = db.collection('a').findOne(); for (let n = 0; n < 1e6; n++) p.then(() => n); await p; return 1",
      [...BOMB, 'ok'],
    ),
    query(
      'overflows the stack inside the bridge',
      'const f = () => { try { f() } finally { log("x") } }; try { f() } catch {} return 1',
      ['ok', 'over_ops', 'over_cpu', 'plugin_failed', 'over_bytes'],
    ),
    query(
      'overflows the stack inside the bridge, and is asked again',
      "const f = () => { try { f() } catch { try { log('x') } catch {} } }; f(); await db.collection('a').findOne(); return 1",
      ['ok'],
      { times: 2, quota: { cpuMsPerCall: 2_000, opsPerCall: 100_000, bytesPerCall: 20_000_000 } },
    ),
  ],
}

export const large: Family = {
  title: 'memory in the bridge, in a store and in results',
  stoppedBy:
    'measured in the guest and again in the process, after escaping: `over_bytes`, `over_output`; the store has limits of its own and a cap',
  inSoak: [
    'collects everything in one group',
    'stores a document that is too large',
    'returns what is too much only when written as JSON',
    'sends a store ten million empty documents',
    'sends a store ten megabytes of base64',
    'returns too much',
    'is answered more than it asked',
    'throws an error of a thousand causes',
    'stores a document of a hundred thousand fields',
    'returns lone surrogates',
  ],
  plugins: [
    query(
      'asks with large arguments',
      'const x = "x".repeat(5e6); for (;;) await db.collection("a").findOne({ x })',
      ['over_bytes', 'plugin_failed', 'over_memory'],
    ),
    query(
      'is answered more than it asked',
      "for (;;) await db.collection('a').find().toArray()",
      ['over_bytes', 'over_cpu', 'plugin_failed'],
      { fill: FILLED, quota: { outputBytes: 4_000_000 } },
    ),
    query('returns too much', 'return "x".repeat(1e7)', ['over_output']),
    query('returns what is too much only when written as JSON', 'return "\\0".repeat(90_000)', [
      'over_output',
    ]),
    query('returns what is too much only in bytes', 'return "\\u20ac".repeat(60_000)', ['over_output']),
    query('returns lone surrogates', 'return "\\ud800".repeat(30_000)', ['ok', 'over_output']),
    query('throws an error as large as it gets', 'throw new Error("x".repeat(1e7))', ['plugin_failed']),
    query(
      'throws an error of a thousand causes',
      'let cause; for (let n = 0; n < 1_000; n++) cause = new Error("x".repeat(1_000), { cause }); throw cause',
      ['plugin_failed'],
    ),
    handler(
      'stores a document that is too large',
      "await db.collection('a').insertOne({ x: 'x'.repeat(2e6) })",
      ['document_too_large', 'document_invalid'],
      {
        quota: { bytesPerCall: 20_000_000, cpuMsPerCall: 1_000 },
      },
    ),
    handler(
      'sends a store ten million empty documents',
      "JSON.stringify = () => '[' + '{},'.repeat(4e6) + '{}]'; await db.collection('a').insertOne({ x: 1 })",
      ['op_malformed', 'document_invalid', 'quarantined', 'store_lost', 'over_cpu', 'over_memory'],
      { quota: { bytesPerCall: 32_000_000, cpuMsPerCall: 2_000, memoryMb: 128 } },
    ),
    handler(
      'sends a store ten megabytes of base64',
      'const c = db.collection(\'a\'), x = \'A\'.repeat(1e7); JSON.stringify = () => `{"$binary":{"base64":"${x}","subType":"00"}}`; await c.insertOne({ _id: 1, x: 1 })',
      ['document_too_large', 'document_invalid', 'op_malformed', 'quarantined'],
      { quota: { bytesPerCall: 32_000_000, cpuMsPerCall: 2_000, memoryMb: 128 } },
    ),
    query(
      'sends a store text that is no JSON',
      "const c = db.collection('a'); JSON.stringify = () => '['.repeat(2e5); return c.find({ a: 1 }).toArray()",
      ['op_malformed'],
    ),
    handler(
      'collects everything in one group',
      `${FILLED.replaceAll('await ', '')}
      return db.collection('a').aggregate([...Array.from({ length: 20 }, () => ({ $group: { _id: null, a: { $push: ['$$ROOT', '$$ROOT'] } } }))]).toArray()`,
      ['query_invalid', 'result_too_large', 'time_limit'],
      { quota: { cpuMsPerCall: 2_000, bytesPerCall: 20_000_000 } },
    ),
    handler(
      'makes a thousand collections',
      "for (let n = 0; n < 1_000; n++) await db.collection('c' + n).insertOne({})",
      ['collection_limit'],
    ),
    handler(
      'stores a document of a hundred thousand fields',
      "await db.collection('a').insertOne(Object.fromEntries(Array.from({ length: 60_000 }, (_, n) => ['f' + n, n])))",
      ['ok', 'document_invalid', 'document_too_large'],
      { quota: { cpuMsPerCall: 1_000 } },
    ),
  ],
}
