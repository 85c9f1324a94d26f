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

test('a call whose time ends among its short turns ends alone: others in the same isolate go on', async () => {
  const source = `let calls = 0
    export const busy = { handler: async (c) => {
      for (let x = 0; ; await c.db.collection('a').findOne()) for (let n = 0; n < 3e6; n++) x += n % 7 } }
    export const patient = { handler: async (c) => { calls += 1; await c.db.collection('a').findOne(); return calls } }`
  const budget = { wallMs: 200, cpuMs: 5_000, ops: 100_000, bytes: 100_000_000 }
  let answer = () => {}
  const patient = lab.run('shared', source, {
    endpoint: 'patient',
    budget: { wallMs: 20_000 },
    onOp: (op) => {
      answer = () => op.reply('[]')
    },
  })
  for (let asked = 0; asked < 4; asked++)
    expect((await lab.run('shared', source, { endpoint: 'busy', budget })).code).toBe('over_wall')
  answer()
  expect(await patient).toMatchObject({ code: 'ok', result: 1 })
})

test('a call whose time ends while it waits for the isolate never runs', async () => {
  const source = `let begun = 0
    export const long = { handler: () => { let x = 0; for (let n = 0; n < 1e8; n++) x += n % 7; return x } }
    export const late = { handler: () => { begun += 1; for (;;); } }
    export const told = { handler: () => begun }`
  const ask = (endpoint: string, wallMs: number) =>
    lab.run('queued', source, { endpoint, budget: { wallMs, cpuMs: 10_000 } })
  const long = ask('long', 20_000)
  expect((await ask('late', 1)).code).toBe('over_wall')
  expect((await long).code).toBe('ok')
  expect(await ask('told', 20_000)).toMatchObject({ code: 'ok', result: 0 })
})

test('a host that is held up past the deadline of a call lays nothing to the process, and reads what it says', async () => {
  const before = lab.losses.length
  let begun = () => {}
  const began = new Promise<void>((resolve) => {
    begun = resolve
  })
  const waiting = lab.handler('waiting', 'await c.db.collection("a").findOne()', {
    budget: { wallMs: 200 },
    onOp: () => begun(),
  })
  await began
  for (const until = performance.now() + 1_500; performance.now() < until; );
  expect((await waiting).code).toBe('over_wall')
  expect(lab.losses.length).toBe(before)
})

test('the innocent is never named for what a process was lost to', async () => {
  const quiet = async () => {
    for (;;) {
      const { code, result } = await lab.run('quiet', QUIET)
      if (code !== 'sandbox_lost') return result
    }
  }
  for (const body of NATIVE) {
    // However busy the machine is, its CPU time is what ends it.
    const hostile = lab.handler('hostile', body, { budget: { wallMs: 60_000 } })
    for (let asked = 0; asked < 5; asked++) expect(await quiet()).toBe(42)
    expect(['over_cpu', 'over_memory', 'sandbox_lost']).toContain((await hostile).code)
    expect(await quiet()).toBe(42)
  }
  expect(lab.losses.length).toBeGreaterThan(0)
  for (const { suspects } of lab.losses) expect(suspects).toEqual(['hostile'])
})
