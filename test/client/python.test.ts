import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startHost, type TestHost } from '../support/host.ts'

const DOCS = join(import.meta.dirname, '../../docs/clients.md')
/** Where pandas is missing: as much of its read_csv as the documentation uses, with the same words. */
const STAND_IN = `
import csv, io, urllib.request
def read_csv(url, storage_options, dtype):
    text = urllib.request.urlopen(urllib.request.Request(url, headers=storage_options)).read().decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    return {name: [dtype.get(name, int)(row[name]) for row in rows] for name in rows[0]}
`
const python = (args: readonly string[], env: NodeJS.ProcessEnv) =>
  promisify(execFile)('python3', args, { env })

let lyceum: TestHost
let folder: string
beforeAll(async () => {
  lyceum = await startHost()
  folder = await mkdtemp(join(tmpdir(), 'lyceum-python-'))
  const { status } = await lyceum.publish(
    'grades',
    `import { query, t } from '@lyceum/sdk'
     const ALL = [{ user: '007', points: 9 }, { user: '=1+1', points: 8 }, { user: 'Zoë, "Z"', points: 7 }]
     export const top = query({ params: { limit: t.number() } }, ({ course, params }) =>
       course === 'course-v1:Lyceum+STAT101+2026' ? ALL.slice(0, params.limit) : [])`,
  )
  expect(status).toBe(201)
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
  await lyceum.dispose()
})

describe('the Python of docs/clients.md', () => {
  /** Runs an example as it stands there, and after it an expression whose value it prints. */
  async function example(index: number, expression: string): Promise<unknown> {
    const blocks = [...(await readFile(DOCS, 'utf8')).matchAll(/```python\n([\s\S]*?)```/g)]
    const file = join(folder, `example${index}.py`)
    await writeFile(file, `${blocks[index]?.[1]}\nimport json\nprint(json.dumps(${expression}))\n`)
    const env = {
      ...process.env,
      LYCEUM_URL: lyceum.url,
      LYCEUM_TOKEN: await lyceum.token({ role: 'researcher', user: 'rita' }),
    }
    return JSON.parse((await python([file], env)).stdout)
  }

  beforeAll(async () => {
    const has = (code: string) =>
      python(['-c', code], process.env).then(
        () => true,
        () => false,
      )
    if (!(await has('import pandas'))) await writeFile(join(folder, 'pandas.py'), STAND_IN)
    hasPython = await has('')
  })
  let hasPython = false

  test('goes from a token to a frame', async ({ skip }) => {
    if (!hasPython) skip('there is no python3 here')
    expect(await example(0, '[list(frame["user"]), [int(n) for n in frame["points"]]]')).toEqual([
      ['007', expect.stringContaining('=1+1'), 'Zoë, "Z"'],
      [9, 8, 7],
    ])
  })

  test('goes from a token to rows', async ({ skip }) => {
    if (!hasPython) skip('there is no python3 here')
    expect(await example(1, 'rows')).toEqual([
      { user: '007', points: 9 },
      { user: '=1+1', points: 8 },
      { user: 'Zoë, "Z"', points: 7 },
    ])
  })

  test('lists what there is', async ({ skip }) => {
    if (!hasPython) skip('there is no python3 here')
    expect(await example(2, 'found')).toEqual({ grades: ['top'] })
  })
})
