import { type Family, handler, query } from '../plugin.ts'

const TAKES = { takes: 'events, fs, db, log' }
const FULL = { ...TAKES, quota: { fileMb: 1, bytesPerCall: 8_000_000, cpuMsPerCall: 2_000 } }
const WITHOUT_END = ['over_cpu', 'over_ops', 'over_bytes', 'over_memory', 'over_wall', 'plugin_failed']

/** Tells the codes of what comes of some calls. */
const calls = (name: string, attempts: string) =>
  query(
    name,
    `const told = []
     for (const attempt of [${attempts}])
       try { told.push(JSON.stringify(await attempt())?.length ?? 0) } catch (error) { told.push(error.code ?? error.name) }
     return told`,
    ['ok'],
    {
      takes: 'fs',
      quota: { cpuMsPerCall: 5_000, wallMs: 60_000, bytesPerCall: 20_000_000 },
      answers: /^\[(?!.*(?:internal|store_lost)).*\]/,
    },
  )

export const files: Family = {
  title: '`fs` with hostile paths, contents and options; files without end',
  stoppedBy:
    'a path is a key that is checked, and contents lie under their hashes: `file_path_invalid`; sizes are measured before anything is decoded: `file_too_large`, `op_malformed`; what is kept is counted in the transaction that keeps it, contents that were replaced among it: `files_full`',
  inSoak: [
    'writes over one file without end',
    'appends single bytes without end',
    'makes addresses without end',
    'changes what bytes become before they leave',
    'lists and looks without waiting',
  ],
  plugins: [
    calls(
      'reads with hostile paths',
      `...['../secretive.1.db', '/etc/hostname', 'a/../../b', '\\0', 'x'.repeat(1e6), '', '.', '__proto__', 'constructor', '%2e%2e/x',
        'pending/x', '\\ud800', '\\u202e', 'a\\\\b', "' OR 1=1"].flatMap((path) =>
          [() => fs.readText(path), () => fs.stat(path), () => fs.url(path), () => fs.list(path), () => fs.write(path, 'x', { expire: 9 })]),
       ...[null, undefined, 7, [], {}, { toString: () => { throw 1 } }].flatMap((path) =>
          [() => fs.read(path), () => fs.stat(path), () => fs.url(path), () => fs.list(path)])`,
    ),
    calls(
      'writes with hostile contents and options',
      `...[{ expire: 1e9 }, { expire: -1 }, { expire: '9' }, { expire: NaN }, { expire: 9, type: 'text/html\\r\\nSet-Cookie: a=b' },
        { expire: 9, type: 'x'.repeat(1e5) }, { expire: 9, as: 'base64' }, { __proto__: { expire: 9 } }, null].map((options) => () => fs.write('a', 'x', options)),
       ...['\\n', '{"path":"b"}\\nx', '\\ud800', 'x'.repeat(9e6)].map((data) => () => fs.write('a', data, { expire: 9 })),
       ...[null, undefined, 7, {}, [1], () => 1, new Date()].map((data) => () => fs.write('a', data, { expire: 9 })),
       () => fs.append('a', 'x'), () => fs.delete('a'), () => fs.expire('a', 9), () => fs.write('a', 'x'),
       () => fs.read('a', { from: 1e300 }), () => fs.read('a', { from: -1 }), () => fs.read('a', { bytes: 0 }),
       () => fs.list('', { limit: 1e9 }), () => fs.list('', { after: {} }), () => fs.url('a', { seconds: 1e9 })`,
    ),
    handler(
      'writes files without end',
      "for (let n = 0; ; n++) await fs.write('f' + n, 'x'.repeat(50_000) + n)",
      ['files_full'],
      FULL,
    ),
    query(
      'writes files that expire without end',
      "for (let n = 0; ; n++) await fs.write('f' + n, 'x'.repeat(50_000) + n, { expire: 60 })",
      ['files_full'],
      { ...FULL, takes: 'fs' },
    ),
    handler(
      'writes over one file without end',
      "for (let n = 0; ; n++) await fs.write('f', 'x'.repeat(50_000) + n)",
      WITHOUT_END,
      FULL,
    ),
    handler(
      'appends single bytes without end',
      "for (;;) await fs.append('f', 'x')",
      [...WITHOUT_END, 'files_full'],
      FULL,
    ),
    query('makes addresses without end', "for (;;) await fs.url('f')", WITHOUT_END, { takes: 'fs' }),
    query(
      'lists and looks without waiting',
      "for (let n = 0; n < 900; n++) { fs.list(); fs.stat('a') } return 1",
      ['ok', ...WITHOUT_END],
      { takes: 'fs' },
    ),
    handler(
      'changes what bytes become before they leave',
      `const { stringify } = JSON
       for (const lie of [{}, 7, '!!!!', 'AAA', { length: 1e9 }, null]) {
         Uint8Array.prototype.toBase64 = () => lie
         try { await fs.write('a', new Uint8Array(3)) } catch {}
         JSON.stringify = () => lie
         try { await fs.append('a', 'x') } catch {}
         JSON.stringify = stringify
       }`,
      ['ok', 'op_malformed', 'plugin_failed', 'file_invalid'],
      FULL,
    ),
  ],
}
