import { afterAll, beforeAll, expect, test } from 'vitest'
import { Lab } from './lab.ts'

let lab: Lab
beforeAll(async () => {
  lab = new Lab()
  await lab.supervisor.start()
})
afterAll(() => lab.close())

const QUIET = 'export const run = { handler: () => 42 }'
/** Each takes its process down, with a plugin beside it that is innocent. */
const NATIVE = [
  'new Array(2 ** 32 - 2).fill(1)',
  'new Array(2 ** 32 - 1).indexOf(1)',
  'const a = []; a[2 ** 32 - 2] = 1; a.reverse()',
  '/^(a+)+$/.test("a".repeat(40) + "b")',
  'Promise.reject(new Proxy({}, { get() { for (;;); }, getPrototypeOf() { for (;;); } })); return 1',
]

test('an answer that never comes is over when the time is, and costs no process', async () => {
  const { code } = await lab.handler('waiting', 'await c.db.collection("a").findOne()', {
    budget: { wallMs: 400 },
    onOp() {},
  })
  expect(code).toBe('over_wall')
})

test('the innocent is never named for what a process was lost to', async () => {
  const quiet = async () => {
    for (;;) {
      const { code, result } = await lab.run('quiet', QUIET)
      if (code !== 'sandbox_lost') return result
    }
  }
  for (const body of NATIVE) {
    const hostile = lab.handler('hostile', body)
    for (let asked = 0; asked < 5; asked++) expect(await quiet()).toBe(42)
    expect(['over_cpu', 'over_memory', 'sandbox_lost']).toContain((await hostile).code)
    expect(await quiet()).toBe(42)
  }
  expect(lab.losses.length).toBeGreaterThan(0)
  for (const { suspects } of lab.losses) expect(suspects).toEqual(['hostile'])
})
