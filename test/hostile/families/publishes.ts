import { type Ends, type Family, publish, top } from '../plugin.ts'

const GOOD = "import { query, view, onEvent, cron, t, html, collection } from '@lyceum/sdk'\n"
const refusedAs = (
  name: string,
  code: string,
  ends: Ends = ['manifest_refused', 'options_refused', 'bundle_broken'],
) => publish(name, { bundle: GOOD + code }, ends)
const many = (count: number, line: (n: number) => string) =>
  Array.from({ length: count }, (_, n) => line(n)).join(';\n')
const LOAD: Ends = ['over_cpu', 'over_wall', 'over_memory', 'bundle_broken']
const map = (fields: object) =>
  JSON.stringify({ version: 3, sources: ['plugin.ts'], mappings: 'AAAA', ...fields })
const mapped = (name: string, sourceMap: string, ends: Ends = ['source_map_invalid']) =>
  publish(name, { bundle: `${GOOD}export const run = query(() => 1)`, sourceMap }, ends)
const named = (name: string, about: unknown, ends: Ends = ['package_invalid', 'bad_parameter']) =>
  publish(name, { bundle: `${GOOD}export const run = query(() => 1)`, package: about }, ends)

export const loads: Family = {
  title: 'loops, bombs and lies at the top of a module, at publish',
  stoppedBy:
    'the same ladder, in a process that ends with the check; two at a time, four of one author; nothing runs of what is refused',
  inSoak: [
    'goes on in the background of its load',
    'describes itself without end',
    'loops at its top',
    'loops at its top in native code',
    'throws an error of a hundred megabytes at its top',
    'describes itself in ten megabytes',
    'describes itself by what says it is JSON',
    'fills the memory at its top',
    'throws a proxy at its top',
    'describes itself by a proxy',
    'rejects at its top',
  ],
  plugins: [
    top('loops at its top', 'for (;;);', LOAD),
    top('loops at its top in native code', 'new Array(2 ** 32 - 1).indexOf(1)', LOAD),
    top('fills the memory at its top', 'const a = []; for (;;) a.push(new Array(1000).fill(a.length))', LOAD),
    top('waits at its top for what never comes', 'await new Promise(() => {})', [
      'manifest_refused',
      'bundle_broken',
    ]),
    top(
      'throws a proxy at its top',
      'throw new Proxy({}, { get() { for (;;); }, getPrototypeOf() { for (;;); } })',
      [...LOAD, 'manifest_refused'],
    ),
    top(
      'throws an error of a hundred megabytes at its top',
      "const e = new Error('x'); e.stack = '\\n'.repeat(1e8); throw e",
      LOAD,
    ),
    top('goes on in the background of its load', '(async () => { for (;;) await null })()', LOAD),
    top(
      'rejects at its top',
      'Promise.reject(new Proxy({}, { get() { for (;;); }, getPrototypeOf() { for (;;); } }))',
      [...LOAD, 'ok'],
    ),
    refusedAs(
      'describes itself without end',
      'export const run = query({ get title() { for (;;); } }, () => 1)',
      [...LOAD, 'options_refused'],
    ),
    refusedAs(
      'describes itself by a proxy',
      "const options = new Proxy({}, { ownKeys() { return ['title'] }, getOwnPropertyDescriptor() { for (;;); } })\nexport const run = query(options, () => 1)",
      [...LOAD, 'options_refused'],
    ),
    refusedAs(
      'describes itself in ten megabytes',
      "export const run = query({ title: 'x'.repeat(1e7) }, () => 1)",
      ['options_refused', 'over_output'],
    ),
    refusedAs(
      'describes itself by what says it is JSON',
      'export const run = query({ title: { toJSON() { return { toString: 1 } } } }, () => 1)',
    ),
    refusedAs(
      'changes its kind when it runs',
      "const fake = () => ({ kind: 'cron', options: ['* * * * *'], handler() {} })\nObject.freeze = fake\nexport const run = query(() => 1)",
    ),
    refusedAs('loads another module', "import fs from 'node:fs'\nexport const run = query(() => 1)"),
    refusedAs(
      'loads a module of ours',
      "import { boot } from 'lyceum:sandbox/guest/main.ts'\nexport const run = query(() => 1)",
    ),
    refusedAs(
      'loads a file of the machine',
      "import passwords from '/etc/passwd' with { type: 'text' }\nexport const run = query(() => 1)",
    ),
  ],
}

export const manifests: Family = {
  title: 'hostile names, titles, options and bundles, at publish',
  stoppedBy:
    'the bundle is read in a process that may be killed; names and options pass a schema: `manifest_refused`, `options_refused`, `package_invalid`',
  inSoak: [
    'has a parameter called __proto__',
    'is all comments',
    'has hundreds of endpoints that all reach everything',
    'takes a hundred thousand things out of one',
    'declares a hundred indexes',
    'exports then',
    'exports toString',
    'exports hasOwnProperty',
    'is a hundred thousand statements',
    'nests its objects fifty thousand levels deep',
    'has a version that is markup',
    'nests its filter',
  ],
  plugins: [
    ...['constructor', '__proto__', 'then', 'toString', 'hasOwnProperty', 'default'].map((name) =>
      refusedAs(`exports ${name}`, `const x = query(() => 1)\nexport { x as ${name} }`),
    ),
    refusedAs('exports a name that is none', "const x = query(() => 1)\nexport { x as '../../etc\\u202e' }"),
    refusedAs(
      'exports three hundred endpoints',
      Array.from({ length: 300 }, (_, n) => `export const e${n} = query(() => 1)`).join('\n'),
    ),
    refusedAs('destructures a computed facility', "export const run = query(({ ['d' + 'b']: db }) => db)"),
    refusedAs('destructures the rest', 'export const run = query(({ ...all }) => all)'),
    refusedAs(
      'destructures prototypes',
      'export const run = query(({ __proto__: p, constructor: c }) => [p, c])',
    ),
    refusedAs('takes a second parameter', 'export const run = query((a, b) => b)'),
    refusedAs('uses arguments', 'export const run = query(function () { return arguments[0].db })', [
      'manifest_refused',
      'ok',
    ]),
    refusedAs(
      'nests its code a hundred thousand levels deep',
      `export const run = query(() => ${'('.repeat(100_000)}1${')'.repeat(100_000)})`,
      ['bundle_broken', 'manifest_refused'],
    ),
    refusedAs(
      'nests its objects fifty thousand levels deep',
      `const x = ${'{a:'.repeat(50_000)}1${'}'.repeat(50_000)}\nexport const run = query(() => x)`,
      ['bundle_broken', 'manifest_refused'],
    ),
    refusedAs('is two megabytes of brackets', `const x = ${'['.repeat(1_900_000)}`, [
      'bundle_broken',
      'manifest_refused',
    ]),
    refusedAs(
      'is larger than a bundle may be',
      `// ${'x'.repeat(3_000_000)}\nexport const run = query(() => 1)`,
      ['bundle_too_large'],
    ),
    refusedAs(
      'is a hundred thousand statements',
      `${'var x=1;'.repeat(100_000)}\nexport const run = query(() => 1)`,
      ['ok', 'bundle_broken', 'manifest_refused'],
    ),
    refusedAs(
      'has hundreds of endpoints that all reach everything',
      `${many(250, (n) => `export const q${n} = query(() => v0)`)}\n${many(30_000, (n) => `var v${n} = v${n + 1}`)}`,
      ['ok', 'bundle_broken'],
    ),
    refusedAs(
      'takes a hundred thousand things out of one',
      `var {${Array.from({ length: 100_000 }, (_, n) => `v${n}`).join(',')}} = {}\nexport const run = query(() => 1)`,
      ['ok', 'bundle_broken'],
    ),
    refusedAs('is all comments', `${'/**/'.repeat(400_000)}\nexport const run = query(() => 1)`, [
      'ok',
      'bundle_broken',
      'manifest_refused',
    ]),
    refusedAs(
      'holds NULs, lone surrogates and line separators',
      `const x = "\u2028\u2029\ud800\0"\nexport const run = query(() => x)`,
      ['ok', 'bundle_broken'],
    ),
    publish('is no text', { bundle: { toString: 'x' } }, ['bad_parameter']),
    publish('is empty', { bundle: '' }, ['bad_parameter']),
    refusedAs(
      'has a parameter called __proto__',
      'export const run = query({ params: JSON.parse(\'{"__proto__":{"type":"string"}}\') }, ({ params }) => params)',
      ['ok', 'options_refused', 'manifest_refused'],
    ),
    refusedAs(
      'has a thousand parameters',
      "export const run = query({ params: Object.fromEntries(Array.from({ length: 1_000 }, (_, n) => ['p' + n, t.string()])) }, ({ params }) => params)",
      ['options_refused'],
    ),
    refusedAs(
      'filters events by JavaScript and patterns',
      "export const run = onEvent({ where: { $where: 'while(1);', name: { $regex: '^(a+)+$' } } }, ({ events }) => events)",
      ['options_refused'],
    ),
    refusedAs(
      'filters events by prototypes',
      "export const run = onEvent({ where: { 'a.__proto__.b': 1, 'constructor.name': 1 } }, ({ events }) => events)",
      ['options_refused'],
    ),
    refusedAs(
      'filters events by a thousand conditions',
      'export const run = onEvent({ where: { $or: Array.from({ length: 1_000 }, (_, n) => ({ a: n })) } }, ({ events }) => events)',
      ['options_refused'],
    ),
    refusedAs(
      'nests its filter',
      'let where = { a: 1 }; for (let n = 0; n < 5_000; n++) where = { $not: where }\nexport const run = onEvent({ where }, ({ events }) => events)',
      ['options_refused', 'bundle_broken'],
    ),
    refusedAs('runs every second', "export const run = cron('* * * * * *', () => 1)", ['options_refused']),
    refusedAs(
      'runs on a schedule without end',
      "export const run = cron('0-59,'.repeat(5_000) + ' * * * *', () => 1)",
      ['options_refused'],
    ),
    refusedAs(
      'declares a hundred indexes',
      "export const plays = collection({ indexes: Array.from({ length: 100 }, (_, n) => ({ ['a' + n]: 1 })) })\nexport const run = query(() => 1)",
      ['options_refused'],
    ),
    refusedAs(
      'declares an index on a prototype',
      "export const plays = collection({ indexes: [{ '__proto__.x': 1 }, { 'a\\'); DROP TABLE x; --': 1 }] })\nexport const run = query(() => 1)",
      ['options_refused'],
    ),
    named('has a name that climbs', { name: '../../etc', version: '1.0.0' }),
    named('has the name of a prototype', { name: '__proto__', version: '1.0.0' }),
    named('has a version that is markup', { name: 'x', version: '1.0.0-<script>' }),
    named('has no package', null),
    publish(
      'has a package nested a hundred thousand levels deep',
      { bundle: '', body: `{"bundle":"x","package":${'['.repeat(100_000)}${']'.repeat(100_000)}}` },
      ['body_too_large'],
    ),
    publish(
      'has a package of thirty megabytes of brackets',
      { bundle: '', body: `{"bundle":"x","package":[${'[],'.repeat(10_000_000)}1]}` },
      ['body_too_large'],
    ),
    named(
      'has a package of many megabytes',
      { name: 'x', version: '1.0.0', junk: Array.from({ length: 400_000 }, () => ({})) },
      ['body_too_large'],
    ),
    publish(
      'takes the name of another',
      {
        bundle: `${GOOD}export const run = query(() => 1)`,
        id: 'quiet',
        package: { name: 'quiet', version: '9.0.0' },
      },
      ['plugin_denied'],
    ),
    publish(
      'takes the place of another by its address',
      {
        bundle: `${GOOD}export const run = query(() => 1)`,
        id: '..%2fquiet',
        package: { name: 'quiet', version: '9.0.0' },
      },
      ['package_invalid', 'not_found', 'plugin_denied', 'bad_parameter'],
    ),
  ],
}

const sampled = (name: string, sample: string, ends: Ends = ['options_refused']) =>
  refusedAs(name, `export const run = query({ sample: ${sample} }, () => 1)`, ends)
const sent = (name: string, samples: string, ends: Ends) =>
  publish(
    name,
    {
      bundle: '',
      body: `{"bundle":${JSON.stringify(`${GOOD}export const run = query(() => 1)`)},"package":{"name":"ID","version":"1.0.0"},"samples":${samples}}`,
    },
    ends,
  )

export const samples: Family = {
  title: 'hostile samples, in options and beside the bundle',
  stoppedBy:
    'options are described inside the isolate, and cross as text; depth and size are looked at before anything else: `options_refused`',
  inSoak: [
    'has a sample that never lets itself be read',
    'has a sample nested ten thousand levels deep',
    'sends samples for prototypes',
    'sends a sample nested a thousand levels deep',
  ],
  plugins: [
    sampled('has a sample of megabytes', "'x'.repeat(1e6)"),
    sampled('has a sample that never lets itself be read', '{ get a() { for (;;); } }', [
      ...LOAD,
      'options_refused',
    ]),
    sampled(
      'has a sample nested ten thousand levels deep',
      '(() => { let a = 1; for (let n = 0; n < 1e4; n++) a = [a]; return a })()',
      ['options_refused', 'bundle_broken', 'over_memory'],
    ),
    sent(
      'sends samples for prototypes',
      '{"__proto__":[{"a":1}],"constructor":[1],"run":[{"__proto__":{"a":1}}]}',
      ['ok', 'bad_parameter', 'options_refused'],
    ),
    sent('sends a sample nested a thousand levels deep', `{"run":${'['.repeat(1_000)}${']'.repeat(1_000)}}`, [
      'body_too_large',
      'bad_parameter',
      'options_refused',
    ]),
  ],
}

export const maps: Family = {
  title: 'hostile source maps',
  stoppedBy: 'read in the same process, in time linear in their length: `source_map_invalid`',
  inSoak: [
    'maps ten million lines',
    'is larger than a source map may be',
    'has ten thousand sources',
    'has packages in its source map that import each other without end',
    'lies about where it fails, in words that obey a terminal and a page',
    'maps to sources that are not there',
  ],
  plugins: [
    mapped('has a source map that is no JSON', '{'),
    mapped('has a source map nested without end', '['.repeat(1e6)),
    mapped('maps a line a billion columns on', map({ mappings: 'ggggggE' })),
    mapped('maps by numbers without end', map({ mappings: 'gggggggggggggggggggggggggA' })),
    mapped('maps to sources that are not there', map({ mappings: 'AgDAA' })),
    mapped('maps ten million lines', map({ mappings: ';'.repeat(7_900_000) }), [
      'ok',
      'source_map_invalid',
      'bundle_broken',
    ]),
    mapped('has ten thousand sources', map({ sources: Array(10_000).fill('x') })),
    mapped('has sources that obey a terminal', map({ sources: ['\u001b[2J'] })),
    mapped('is larger than a source map may be', `{"x":"${'x'.repeat(9_000_000)}"}`, [
      'bundle_too_large',
      'source_map_invalid',
    ]),
    mapped(
      'describes its endpoints by comments without end',
      map({ sourcesContent: [`${'/** '.repeat(1_000_000)} */ export const run = 1`] }),
      ['ok', 'source_map_invalid'],
    ),
    publish(
      'has packages in its source map that import each other without end',
      {
        bundle: `${GOOD}${many(50, () => 'void (() => process)')}\nexport const run = query(() => 1)`,
        sourceMap: map({
          sources: Array.from({ length: 50 }, (_, n) => `node_modules/p${n}/x.js`),
          sourcesContent: Array.from({ length: 50 }, (_, n) =>
            many(4_000, (at) => `from"p${(n + at) % 50}"from"${n}.${at}"`),
          ),
          mappings: `AAAA;${'ACAA;'.repeat(49)}`,
        }),
      },
      ['ok', 'bundle_broken'],
    ),
    publish(
      'lies about where it fails, in words that obey a terminal and a page',
      {
        bundle: `${GOOD}throw new Error('\\u001b[2J</pre><script>alert(1)</script>')\nexport const run = query(() => 1)`,
        sourceMap: map({
          sources: ['<script>alert(1)</script>'],
          sourcesContent: ['\u001b[2J\u202e<script>alert(1)</script>\n'.repeat(1_000)],
          mappings: `${';'.repeat(2)}AAAA`,
        }),
      },
      ['bundle_broken'],
    ),
    mapped('maps to files of the machine', map({ sources: ['/etc/passwd'], sourcesContent: [null] }), [
      'ok',
      'source_map_invalid',
    ]),
  ],
}
