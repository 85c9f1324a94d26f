import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'

const ROOT = join(import.meta.dirname, '../..')
const TSC = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc')

/** What the compiler says of one line. */
export interface Said {
  readonly file: string
  readonly line: number
  readonly message: string
}

/** A plugin's folder somewhere else, as an author has it, with the SDK installed. */
export interface AuthorFolder {
  readonly dir: string
  write(file: string, text: string): Promise<void>
  /** All that the compiler says, in the order of files and lines. */
  check(): Promise<Said[]>
  remove(): Promise<void>
}

const TSCONFIG = {
  compilerOptions: {
    target: 'es2024',
    // The client runs where fetch is.
    lib: ['es2024', 'dom'],
    module: 'nodenext',
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    erasableSyntaxOnly: true,
    // A link to the SDK leads to its sources, which name each other so.
    allowImportingTsExtensions: true,
    types: [],
  },
  include: ['*.ts', '.lyceum/types.d.ts'],
}

export async function authorFolder(id: string): Promise<AuthorFolder> {
  const dir = await mkdtemp(join(tmpdir(), 'lyceum-author-'))
  const write = (file: string, content: string) => writeFile(join(dir, file), content)
  await mkdir(join(dir, 'node_modules/@lyceum'), { recursive: true })
  await symlink(join(ROOT, 'sdk'), join(dir, 'node_modules/@lyceum/sdk'))
  await write('package.json', JSON.stringify({ name: id, version: '1.0.0', type: 'module' }))
  await write('tsconfig.json', JSON.stringify(TSCONFIG))
  return {
    dir,
    write,
    check: () => compile(dir),
    remove: () => rm(dir, { recursive: true, force: true }),
  }
}

async function compile(dir: string): Promise<Said[]> {
  const child = spawn(process.execPath, [TSC, '-p', dir, '--pretty', 'false'], { cwd: dir })
  const [output] = await Promise.all([text(child.stdout), once(child, 'close')])
  const said: Said[] = []
  for (const line of output.split('\n')) {
    const found = /^([^\s(]+)\((\d+),\d+\): error (.*)$/.exec(line)
    const last = said.at(-1)
    if (found !== null) said.push({ file: found[1] ?? '', line: Number(found[2]), message: found[3] ?? '' })
    else if (last !== undefined && /^\s/.test(line))
      said[said.length - 1] = { ...last, message: `${last.message}\n${line}` }
    else if (line !== '') throw new Error(`The compiler says: ${output}`)
  }
  return said
}

/**
 * The mistakes that a text announces: a comment `//! words` stands behind each, and its words are in what the
 * compiler is to say of that line.
 */
export function announced(source: string): { line: number; words: string }[] {
  return source.split('\n').flatMap((text, index) => {
    const words = text.split('//! ')[1]
    return words === undefined ? [] : [{ line: index + 1, words }]
  })
}
