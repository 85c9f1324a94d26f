import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { ERRORS, type ErrorCode, LyceumError } from '../../host/errors.ts'
import { Author, type Told } from './author.ts'
import { CATALOGUE, PLUGIN, publish, type Scene, STOPPED } from './catalogue.ts'
import type { Mistake } from './mistake.ts'
import { MISTAKES_AT_PUBLISH } from './mistakes-at-publish.ts'
import { MISTAKES_AT_RUN } from './mistakes-at-run.ts'
import { compile, MISTAKES_IN_TYPES } from './mistakes-in-types.ts'
import { errorsPage, mistakesPage } from './pages.ts'

const DOCS = join(import.meta.dirname, '../../docs')
const MISTAKES = [...MISTAKES_IN_TYPES, ...MISTAKES_AT_PUBLISH, ...MISTAKES_AT_RUN]
const CODES = Object.keys(ERRORS) as ErrorCode[]
/** A loop while loading ends with whichever of its two limits comes first. */
const EITHER: ReadonlySet<unknown> = new Set(['over_cpu', 'over_wall'])

let told: readonly Told[]
const examples = new Map<string, { readonly code: string; readonly message: string }>()
beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'lyceum-errors-'))
  const author = await Author.start()
  try {
    const scene = { lyceum: author.lyceum, folder }
    const [compiled, made] = await Promise.all([
      compile(MISTAKES_IN_TYPES),
      author.make([...MISTAKES_AT_PUBLISH, ...MISTAKES_AT_RUN]),
    ])
    told = [...compiled, ...made]
    for (const [index, mistake] of MISTAKES.entries()) {
      const code = codeOf(mistake, told[index])
      const message = told[index]?.message ?? ''
      if (!examples.has(code) && CATALOGUE[code as ErrorCode] === undefined)
        examples.set(code, { code, message })
    }
    await publish(author.lyceum, 'catalogue', PLUGIN)
    await provokeAll(CATALOGUE, scene)
    await author.lyceum.close()
    await provokeAll(STOPPED, scene)
  } finally {
    await author.stop()
    await rm(folder, { recursive: true, force: true })
  }
})

function codeOf({ shows, code }: Pick<Mistake, 'shows' | 'code'>, given: Told | undefined): string {
  const isEither = shows === 'publish' && EITHER.has(code) && EITHER.has(given?.code)
  return isEither ? code : (given?.code ?? 'none')
}

async function provokeAll(provocations: typeof CATALOGUE, scene: Scene): Promise<void> {
  for (const [code, provoke] of Object.entries(provocations)) {
    const { code: given, message } = await refusalBy(() => provoke(scene))
    examples.set(code, { code: given, message: normal(message, scene) })
  }
}

async function refusalBy(provoke: () => unknown): Promise<{ code: string; message: string }> {
  const got = await Promise.try(provoke).catch((error: unknown) => error)
  const { code, message, detail }: Record<string, unknown> =
    got instanceof LyceumError ? got : { ...Object(got) }
  if (typeof code === 'string')
    return { code, message: String(detail ?? (got instanceof LyceumError ? got.message : message)) }
  return {
    code: 'none',
    message: got instanceof Error ? String(got.stack) : `Nobody refused: ${JSON.stringify(got)}`,
  }
}

/** Without what differs from one run to the next. */
function normal(message: string, { folder }: Scene): string {
  return message
    .replaceAll(folder, '/home/ada')
    .replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '…')
    .replace(/goes on in \d+ s/, 'goes on in 40 s')
    .replace(/has used the \d+ ms/, 'has used the 60000 ms')
}

describe('an author who makes a mistake is told where and what to do', () => {
  test('there are many of them, each with a name of its own', () => {
    expect(MISTAKES.length).toBeGreaterThan(100)
    expect(new Set(MISTAKES.map(({ title }) => title)).size).toBe(MISTAKES.length)
  })

  test.each(MISTAKES.map((mistake, index) => ({ ...mistake, index })))(
    '$title',
    ({ index, shows, code, at, says }) => {
      const given = told[index]
      expect(codeOf({ shows, code }, given)).toBe(code)
      expect(given?.message).toContain(says)
      expect(given?.at).toBe(at)
    },
  )

  test('docs/mistakes.md shows them', () => holds('mistakes.md', mistakesPage(MISTAKES, told)))
})

describe('every code', () => {
  test.each(CODES)('%s is what is said where it happens', (code) => {
    expect(examples.get(code)?.code).toBe(code)
    expect(examples.get(code)?.message).toMatch(/\S.{10}/)
  })

  test('docs/errors.md explains them, with what somebody was really told', () =>
    holds('errors.md', errorsPage(new Map([...examples].map(([code, { message }]) => [code, message])))))
})

/** Writes a page where that is wanted, and else compares it. */
async function holds(name: string, text: string): Promise<void> {
  if (process.env.LYCEUM_WRITE === '1') await writeFile(join(DOCS, name), text)
  const hint = `docs/${name} is not what the host says: LYCEUM_WRITE=1 vitest run test/errors writes it`
  expect(await readFile(join(DOCS, name), 'utf8'), hint).toBe(text)
}
