import { type Family, handler, job, LOOP, query, view } from '../plugin.ts'

export const loops: Family = {
  title: 'loops in JavaScript',
  stoppedBy:
    'the watch on CPU time: `over_cpu`; where there is more of that than time, on the time: `over_wall`',
  inSoak: [
    'loops for the wall time that is left',
    'loops in a job',
    'loops in a handler',
    'loops where nothing can be caught',
    'loops in an indirect eval',
    'sorts by a comparison that never ends',
    'revives JSON for ever',
    'is compared for ever',
    'counts the instances of an endless class',
    'never lets go of what it uses',
    'loops over each event',
    'replaces by a function that never returns',
  ],
  plugins: [
    query('loops at once', 'for (;;);', LOOP),
    view('loops in a view', 'for (;;);', LOOP),
    handler('loops in a handler', 'for (;;);', LOOP),
    job('loops in a job', 'for (;;);', LOOP),
    query('loops for the wall time that is left', 'for (;;);', ['over_wall'], {
      quota: { cpuMsPerCall: 10_000, wallMs: 600 },
    }),
    query(
      'loops where nothing can be caught',
      'for (;;) try { for (;;) throw 1 } catch {} finally { continue }',
      LOOP,
    ),
    query(
      'recurses twice from every overflow of the stack',
      'const f = () => { try { f() } catch {} finally { try { f() } catch {} } }; f()',
      [...LOOP, 'plugin_failed'],
    ),
    query('loops in code that it makes', "new Function('for (;;);')()", LOOP),
    query('loops in an indirect eval', "(0, eval)('for (;;);')", LOOP),
    query(
      'asks infinite iterators for their end',
      'function* ones() { for (;;) yield 1 } Iterator.from(ones()).map((n) => n + 1).some((n) => n < 0)',
      LOOP,
    ),
    query('sorts by a comparison that never ends', '[3, 2, 1].sort(() => { for (;;); })', LOOP),
    query('replaces by a function that never returns', '"abc".replace(/./g, () => { for (;;); })', LOOP),
    query('revives JSON for ever', "JSON.parse('[1,2,3]', () => { for (;;); })", LOOP),
    query('is compared for ever', 'return { [Symbol.toPrimitive]() { for (;;); } } > 1', LOOP),
    query(
      'counts the instances of an endless class',
      'return 1 instanceof { [Symbol.hasInstance]() { for (;;); } }',
      LOOP,
    ),
    query(
      'never lets go of what it uses',
      'const all = new DisposableStack(); all.defer(() => { for (;;); }); all.dispose()',
      LOOP,
    ),
    view('loops while a template is read', 'html`${{ toString() { for (;;); } }}`', LOOP),
    handler('loops over each event', 'for (;;);', LOOP, { takes: 'event, db' }),
  ],
}

export const loopsLater: Family = {
  title: 'loops after an await or a reply',
  stoppedBy:
    'every turn is timed, that of a reply too, and all turns of a call are added up: `over_cpu`; a promise that nothing resolves is noticed when nothing is under way: `plugin_failed`',
  inSoak: [
    'goes on beside its commit',
    'never resolves in a handler',
    'waits for all of an endless list',
    'collects an endless async generator',
    'waits for thenables without end',
    'loops after a refusal of the host',
  ],
  plugins: [
    query('loops after a reply of the host', "await db.collection('a').findOne(); for (;;);", LOOP),
    query(
      'loops after a refusal of the host',
      "await db.collection('a').find({ $where: 1 }).toArray().catch(() => { for (;;); })",
      LOOP,
    ),
    query('begets microtasks from microtasks', 'const f = () => Promise.resolve().then(f); await f()', LOOP),
    query(
      'takes many short turns',
      "for (;;) { await db.collection('a').findOne(); for (let i = 0; i < 2e6; i++); }",
      LOOP,
      { quota: { opsPerCall: 100_000, cpuMsPerCall: 150 } },
    ),
    query(
      'goes on beside its result',
      '(async () => { for (;;) { await null; for (let i = 0; i < 1e5; i++); } })(); return 1',
      LOOP,
    ),
    handler(
      'goes on beside its commit',
      '(async () => { for (;;) { await null; for (let i = 0; i < 1e5; i++); } })()',
      LOOP,
    ),
    query('waits for a thenable that loops', 'await { then() { for (;;); } }', LOOP),
    query(
      'waits for thenables without end',
      'const next = () => ({ then: (resolve) => resolve(next()) }); await next()',
      LOOP,
    ),
    query(
      'reads an endless async generator',
      'async function* ones() { for (;;) yield 1 } for await (const n of ones());',
      LOOP,
    ),
    query(
      'collects an endless async generator',
      'async function* ones() { for (;;) yield 1 } await Array.fromAsync(ones())',
      [...LOOP, 'over_memory'],
    ),
    query(
      'waits for all of an endless list',
      'function* all() { for (;;) yield 1 } await Promise.all(all())',
      [...LOOP, 'over_memory', 'sandbox_lost'],
    ),
    query(
      'subclasses Promise so that each then begets another',
      'class P extends Promise { then(a, b) { return super.then(() => new P(() => {}).then(a, b), b) } static get [Symbol.species]() { for (;;); } } await P.resolve(1).then(() => 1)',
      LOOP,
    ),
    query('never resolves', 'await new Promise(() => {})', ['plugin_failed']),
    handler('never resolves in a handler', 'await new Promise(() => {})', ['plugin_failed']),
    query(
      'returns a promise that only resolves with itself',
      'const p = Promise.resolve().then(() => p); return p',
      ['plugin_failed'],
    ),
    query(
      'loops in the callback of a cursor',
      "for await (const row of db.collection('a').find()) for (;;);",
      LOOP,
      {
        fill: "await db.collection('a').insertOne({ _id: 1 })",
      },
    ),
  ],
}

export const loopsInLooking: Family = {
  title: 'loops in what looks at a result, an argument or an error',
  stoppedBy: 'the same watch: all of it is looked at inside the isolate, within the turn',
  inSoak: [
    'throws a proxy out of a handler',
    'throws an error whose message loops',
    'throws an error whose code loops',
    'throws an error whose stack loops',
    'filters by a proxy that loops',
    'asks a plugin with arguments that loop',
    'logs an error that loops',
    'returns an array of a species that loops',
    'stores a document that loops',
  ],
  plugins: [
    query('returns a getter that loops', 'return { get x() { for (;;); } }', LOOP),
    query('returns a toJSON that loops', 'return { toJSON() { for (;;); } }', LOOP),
    query('returns a proxy that loops', 'return new Proxy({}, { ownKeys() { for (;;); } })', LOOP),
    query(
      'returns an array of a species that loops',
      'class A extends Array { static get [Symbol.species]() { for (;;); } get length() { for (;;); } } return new A(3).map((x) => x)',
      LOOP,
    ),
    query('returns what is awaited by a getter that loops', 'return { get then() { for (;;); } }', LOOP),
    view(
      'returns markup that loops when printed',
      'class H extends Html { toString() { for (;;); } } return new H("<p>")',
      LOOP,
    ),
    query(
      'throws an object whose toString loops',
      'throw { toString() { for (;;); }, toJSON() { for (;;); } }',
      LOOP,
    ),
    query(
      'throws a proxy that loops',
      'throw new Proxy({}, { get() { for (;;); }, getPrototypeOf() { for (;;); } })',
      LOOP,
    ),
    query(
      'throws an error whose name loops',
      'class E extends Error { get name() { for (;;); } } throw new E()',
      LOOP,
    ),
    query(
      'throws an error whose message loops',
      "throw Object.defineProperty(new Error('x'), 'message', { get() { for (;;); } })",
      LOOP,
    ),
    query(
      'throws an error whose code loops',
      "throw Object.defineProperty(new Error('x'), 'code', { get() { for (;;); } })",
      LOOP,
    ),
    query(
      'throws an error whose stack loops',
      "throw Object.defineProperty(new Error('x'), 'stack', { get() { for (;;); } })",
      LOOP,
    ),
    query(
      'prepares stacks without end',
      'Error.prepareStackTrace = () => { for (;;); }; throw new Error("x")',
      LOOP,
    ),
    handler(
      'throws a proxy out of a handler',
      'throw new Proxy({}, { get() { for (;;); }, getPrototypeOf() { for (;;); } })',
      LOOP,
    ),
    query('logs what loops', 'log({ toJSON() { for (;;); } }); return 1', LOOP),
    query(
      'logs an error that loops',
      'class E extends Error { get name() { for (;;); } } log(new E()); return 1',
      LOOP,
    ),
    handler(
      'stores a document that loops',
      "await db.collection('a').insertOne({ get x() { for (;;); } })",
      LOOP,
    ),
    query(
      'filters by a proxy that loops',
      "return db.collection('a').find(new Proxy({}, { ownKeys() { for (;;); } })).toArray()",
      LOOP,
    ),
    query('asks a plugin with arguments that loop', 'return self.other({ get x() { for (;;); } })', LOOP),
  ],
}
