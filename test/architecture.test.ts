import { globSync, readFileSync } from 'node:fs'
import { isBuiltin, stripTypeScriptTypes } from 'node:module'
import { dirname, join, normalize, relative } from 'node:path'
import { parse } from 'acorn'
import { describe, expect, test } from 'vitest'
import packageJson from '../package.json' with { type: 'json' }
import { OPS } from '../sandbox/protocol.ts'

const ROOT = join(import.meta.dirname, '..')
const FOLDERS = ['sdk', 'process', 'sandbox', 'host', 'workbench', 'cli', 'plugins', 'examples', 'test']

interface Import {
  readonly file: string
  /** A path from the root, or the name of a package or of a module of Node. */
  readonly target: string
  readonly typeOnly: boolean
}

const files = globSync(`{${FOLDERS.join(',')}}/**/*.{ts,js}`, { cwd: ROOT }).filter(
  (file) => !file.includes('node_modules') && !file.endsWith('.d.ts'),
)
const textOf = new Map(files.map((file) => [file, readFileSync(join(ROOT, file), 'utf8')]))
const imports = files.flatMap(importsOf)

/** Types vanish before they run, so a type that is imported is read from the text, all else from the syntax. */
function importsOf(file: string): Import[] {
  const text = textOf.get(file) ?? ''
  const found: Import[] = []
  const add = (specifier: string, typeOnly: boolean) =>
    found.push({ file, target: targetOf(file, specifier), typeOnly })
  for (const [, specifier] of text.matchAll(/^(?:import|export) type [^'"]*?from '([^']+)'/gms))
    add(specifier ?? '', true)
  const program = parse(stripTypeScriptTypes(text, { mode: 'strip' }), {
    ecmaVersion: 'latest',
    sourceType: 'module',
    allowHashBang: true,
  })
  visit(program, (node) => {
    const { source } = node
    const isImport = [
      'ImportDeclaration',
      'ExportNamedDeclaration',
      'ExportAllDeclaration',
      'ImportExpression',
    ]
    if (isImport.includes(String(node.type)) && isNode(source) && typeof source.value === 'string')
      add(source.value, false)
  })
  // A package whose files are read, because they run somewhere else.
  for (const [, specifier] of text.matchAll(/import\.meta\.resolve\('([^']+)'\)/g))
    add(specifier ?? '', false)
  return found
}

type Node = Readonly<Record<string, unknown>>
function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null
}
function visit(value: unknown, each: (node: Node) => void): void {
  if (!isNode(value)) return
  if (typeof value.type === 'string') each(value)
  for (const child of Object.values(value)) visit(child, each)
}

function targetOf(file: string, specifier: string): string {
  if (specifier.startsWith('.')) return normalize(join(dirname(file), specifier))
  return specifier
}
const isOwn = (target: string) =>
  /^(?:sdk|process|sandbox|host|workbench|cli|plugins|examples|test)\//.test(target)
const packageOf = (target: string) =>
  target
    .split('/')
    .slice(0, target.startsWith('@') ? 2 : 1)
    .join('/')
const isPackage = (target: string) => !isOwn(target) && !isBuiltin(target) && target !== 'package.json'

/** The imports out of files that `from` matches to targets that `allowed` does not. */
function strays(from: RegExp, allowed: (target: string, typeOnly: boolean) => boolean): string[] {
  return imports
    .filter(({ file, target, typeOnly }) => from.test(file) && !allowed(target, typeOnly))
    .map(({ file, target }) => `${file} → ${target}`)
}

describe('the parts depend on each other in one direction', () => {
  test('all files and their imports were found', () => {
    expect(files.length).toBeGreaterThan(150)
    expect(imports).toContainEqual({ file: 'host/serve.ts', target: 'host/app.ts', typeOnly: false })
    expect(imports).toContainEqual({ file: 'host/serve.ts', target: 'host/host.ts', typeOnly: true })
    expect(imports).toContainEqual({ file: 'workbench/bundle.ts', target: 'esbuild', typeOnly: false })
  })

  test('sdk/ imports nothing but itself: what is supplied to a guest has no dependency', () => {
    expect(strays(/^sdk\/(?!testing\/load\.ts$)/, (target) => target.startsWith('sdk/'))).toEqual([])
  })

  test('what a guest is supplied with holds none of the SDK that runs in Node', () => {
    const inGuest = /^sdk\/(?!testing\/|client\/)/
    expect(strays(inGuest, (target) => target.startsWith('sdk/') && inGuest.test(target))).toEqual([])
  })

  test('process/ imports nothing but itself and Node', () => {
    expect(strays(/^process\//, (target) => target.startsWith('process/') || isBuiltin(target))).toEqual([])
  })

  test('sandbox/ imports nothing of the host', () => {
    const allowed = (target: string) => !isOwn(target) || /^(?:sandbox|process)\//.test(target)
    expect(strays(/^sandbox\//, allowed)).toEqual([])
  })

  test('the guest imports only its siblings, the protocol and the SDK', () => {
    const allowed = (target: string) =>
      target.startsWith('sandbox/guest/') ||
      target === 'sandbox/protocol.ts' ||
      target === '@lyceum/sdk' ||
      target.startsWith('@lyceum/sdk/')
    expect(strays(/^sandbox\/guest\//, allowed)).toEqual([])
  })

  test('host/ sees of the sandbox only its supervisor and the protocol, and of the SDK what both sides speak', () => {
    const allowed = (target: string) =>
      !isOwn(target) ||
      /^(?:host|process)\//.test(target) ||
      target === 'sdk/ejson.ts' ||
      ['sandbox/supervisor.ts', 'sandbox/protocol.ts'].includes(target)
    expect(strays(/^host\//, allowed)).toEqual([])
  })

  test('host/ and what it runs know nothing of the author’s tools', () => {
    const allowed = (target: string) => !target.startsWith('workbench/')
    expect(strays(/^(?:host|sandbox|process|plugins|examples)\//, allowed)).toEqual([])
  })

  test('nothing imports the command line but itself and tests', () => {
    expect(strays(/^(?!cli\/|test\/)/, (target) => !target.startsWith('cli/'))).toEqual([])
  })

  test('nothing but tests imports tests', () => {
    expect(strays(/^(?!test\/)/, (target) => !target.startsWith('test/'))).toEqual([])
  })

  test('plugins and examples import their own files and @lyceum/sdk: no back door', () => {
    const own = imports
      .filter(({ file }) => /^(?:plugins|examples)\//.test(file))
      .filter(({ file, target }) => {
        const folder = file.split('/').slice(0, 2).join('/')
        return target !== '@lyceum/sdk' && !target.startsWith(`${folder}/`)
      })
    expect(own).toEqual([])
  })
})

describe('dependencies', () => {
  const HOMES: readonly (readonly [string, RegExp])[] = [
    ['isolated-vm', /^sandbox\//],
    ['esbuild', /^workbench\/(?:bundle|imports)\.ts$/],
    ['vega', /^host\/charts\/bundle\.ts$/],
    ['vega-lite', /^host\/charts\/bundle\.ts$/],
    ['vega-interpreter', /^host\/charts\/bundle\.ts$/],
    ['acorn', /^host\/registry\/(?:manifest[\w-]*|scopes|code-hash)\.ts$/],
    ['csv-stringify', /^host\/csv\/csv\.ts$/],
    ['mingo', /^host\/storage\/documents\//],
    ['mongodb', /^host\/storage\/mongo\/driver\.ts$/],
    ['pg', /^host\/replicas\/postgres\.ts$/],
    ['mysql2', /^host\/replicas\/mysql\.ts$/],
    ['kysely', /^host\/replicas\/sql\//],
    ['pgsql-ast-parser', /^host\/replicas\/sql\//],
    ['piscina', /^host\/events\/(log-threads|read-thread)\.ts$/],
  ]
  test.each(HOMES)('%s has one home', (name, home) => {
    const users = imports.filter(({ target }) => packageOf(target) === name).map(({ file }) => file)
    expect(users.some((file) => home.test(file))).toBe(true)
    expect(users.filter((file) => !home.test(file) && !file.startsWith('test/'))).toEqual([])
  })

  test('are declared where they are used, and used where they are declared', () => {
    const used = (from: RegExp) =>
      new Set(
        imports
          .filter(({ file, target }) => from.test(file) && isPackage(target))
          .map(({ target }) => packageOf(target)),
      )
    const declared = new Set(Object.keys(packageJson.dependencies))
    const product = used(/^(?:process|sandbox|host|workbench|cli)\//)
    product.delete('@lyceum/sdk')
    expect([...product].filter((name) => !declared.has(name))).toEqual([])
    // `node` is the runtime itself.
    expect([...declared].filter((name) => !product.has(name) && name !== 'node')).toEqual([])
  })

  test('SQLite is opened by the host and its stores only', () => {
    const users = imports.filter(({ target }) => target === 'node:sqlite').map(({ file }) => file)
    expect(users.filter((file) => !/^(?:host|test)\//.test(file))).toEqual([])
  })
})

describe('every op of the protocol', () => {
  const guest = [...textOf]
    .filter(([file]) => file.startsWith('sandbox/guest/'))
    .map(([, text]) => text)
    .join('\n')
  const table = /const ops: OpTable = \{.*?^ {2}\}/ms.exec(textOf.get('host/host.ts') ?? '')?.[0] ?? ''
  const capabilities = [...textOf]
    .filter(([file]) => file.startsWith('host/capabilities/'))
    .map(([, text]) => text)
    .join('\n')

  test.each(Object.keys(OPS))('%s has one guest offer and one host implementation', (op) => {
    expect(guest.match(new RegExp(`\\.(?:call|post)\\(\\s*'${op}'`, 'g'))).toHaveLength(1)
    const inTable = table.match(new RegExp(`\\b${op}:`, 'g'))?.length ?? 0
    const spread = capabilities.match(new RegExp(`^ {2,4}${op}:`, 'gm'))?.length ?? 0
    expect(inTable + spread).toBe(1)
  })

  test('has a code of its own', () => {
    const codes = Object.values(OPS).map(({ code }) => code)
    expect(new Set(codes).size).toBe(codes.length)
    expect(Math.min(...codes)).toBeGreaterThan(0)
  })
})

describe('no file of the project', () => {
  const all = globSync('**/*', {
    cwd: ROOT,
    exclude: (name) => name === 'node_modules' || name === '.git' || name.startsWith('.lyceum'),
  })
    .concat(globSync('.{ci/*,npmrc,gitignore}', { cwd: ROOT }))
    .filter((file) => /\.(?:ts|js|json|md|css|html|yml)$|^\.ci\/|^\.npmrc$|^\.gitignore$/.test(file))
    .filter((file) => file !== relative(ROOT, import.meta.filename))
  const holding = (pattern: RegExp) =>
    all.filter((file) => pattern.test(readFileSync(join(ROOT, file), 'utf8')))

  test('is missed by the search', () => {
    expect(all).toEqual(expect.arrayContaining(['package-lock.json', 'README.md', '.npmrc', 'host/app.ts']))
  })

  test('holds the address of a package registry', () => {
    expect(
      holding(/registry\.npmjs|registry\.yarnpkg|npmmirror|"resolved": "\w+:|^\s*(?:@[\w-]+:)?registry\s*=/m),
    ).toEqual([])
  })

  test('holds a path of somebody’s machine', () => {
    expect(holding(/\/home\/\w+\/|\/Users\/\w+\/|[A-Z]:\\Users|\/root\/\w|\/work\//)).toEqual([])
  })

  test('is left with a note to do something later', () => {
    expect(holding(/\b(?:TODO|FIXME|XXX)\b/)).toEqual([])
  })
})
