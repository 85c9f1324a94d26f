import { readdirSync, readFileSync } from 'node:fs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { GuestOp } from '../../sandbox/supervisor.ts'
import { longTest } from '../support/long.ts'
import { callOf, Lab } from './lab.ts'

let lab: Lab
beforeEach(async () => {
  lab = new Lab({ probationSandboxes: 1 })
  await lab.supervisor.start()
})
afterEach(() => lab.close())

/** A call that stays under way until it is let go. */
function held(plugin: string) {
  let begun: (op: GuestOp) => void = () => {}
  const op = new Promise<GuestOp>((resolve) => {
    begun = resolve
  })
  const ended = lab.handler(plugin, 'await c.db.collection("a").findOne(); return 1', {
    onProbation: true,
    onOp: begun,
  })
  return { began: op, ended, letGo: async () => (await op).reply('[]') }
}

test('on probation a plugin runs in a process of its own whose threads are all at nice 19', async () => {
  await lab.handler('neighbour', 'return 1')
  const before = new Set(lab.supervisor.pids)
  const call = held('a')
  await call.began
  const [pid = 0] = lab.supervisor.pids.filter((pid) => !before.has(pid) && niceOf(pid)[0] === 19)
  expect(niceOf(pid).every((nice) => nice === 19)).toBe(true)
  expect(niceOf(pid).length).toBeGreaterThan(4)
  await call.letGo()
  expect((await call.ended).result).toBe(1)
  for (const other of before) expect(niceOf(other).every((nice) => nice === 0)).toBe(true)
})

longTest('who is on probation and busy all the time does not keep out another', async () => {
  const first = held('busy')
  await first.began
  const waiting = lab.handler('patient', 'return 2', { onProbation: true })
  // What comes after the patient one is behind it, although its process is up.
  const later = [held('busy'), held('busy')]
  await first.letGo()
  expect((await waiting).result).toBe(2)
  for (const call of later) {
    await call.letGo()
    expect((await call.ended).result).toBe(1)
  }
})

test('who waits for a place longer than its call may take is told to try again', async () => {
  const first = held('busy')
  await first.began
  const impatient = await lab.handler('a', 'return 1', { onProbation: true, budget: { wallMs: 100 } })
  expect(impatient.code).toBe('sandbox_lost')
  await first.letGo()
  expect((await lab.handler('a', 'return 1', { onProbation: true })).result).toBe(1)
})

longTest('a call whose isolate is still loading keeps its place', async () => {
  const source = `for (const end = Date.now() + 1, a = []; a.length < 2e6; a.push(end)); export const run = { handler: () => 1 }`
  const patient = { onProbation: true, budget: { wallMs: 20_000 } }
  const slow = lab.run('slow', source, patient)
  const other = lab.handler('other', 'return 2', patient)
  expect((await slow).result).toBe(1)
  expect((await other).result).toBe(2)
})

test('a place on probation is free again when its process is lost', async () => {
  const first = held('a')
  await first.began
  const waiting = lab.handler('b', 'return 2', { onProbation: true })
  const [pid = 0] = lab.supervisor.pids.filter((pid) => niceOf(pid)[0] === 19)
  process.kill(pid, 'SIGKILL')
  expect((await first.ended).code).toBe('sandbox_lost')
  expect((await waiting).result).toBe(2)
  expect(lab.losses.map(({ certain }) => certain)).toEqual([false])
})

longTest('closing ends calls, waiting ones and scratch loads too, and leaves no process', async () => {
  const under = held('a')
  await under.began
  const waiting = lab.handler('b', 'return 1', { onProbation: true })
  const scratch = lab.supervisor.runAlone(callOf('c', 'for (;;);'))
  const { pids } = lab.supervisor
  lab.close()
  expect((await under.ended).code).toBe('sandbox_lost')
  expect((await waiting).code).toBe('sandbox_lost')
  expect((await scratch).failure?.code).toBe('sandbox_lost')
  expect((await lab.handler('d', 'return 1')).code).toBe('sandbox_lost')
  expect(lab.supervisor.pids.filter((pid) => !pids.includes(pid))).toEqual([])
})

longTest('a scratch load that never ends holds up nobody, and the queue for them has an end', async () => {
  const endless = callOf('endless', 'for (;;);')
  const quick = callOf('quick', 'export const run = {}', { kind: 'describe' })
  const first = lab.supervisor.runAlone(endless)
  const beside = await lab.supervisor.runAlone(quick)
  expect(JSON.parse(beside.result.toString())).toEqual([{ name: 'run', options: {} }])
  const many = await Promise.all(
    Array.from({ length: 20 }, () => lab.supervisor.runAlone({ ...quick, request: { ...quick.request } })),
  )
  const codes = new Set(many.map(({ failure }) => failure?.code))
  expect(codes).toEqual(new Set([undefined, 'over_concurrency']))
  expect((await first).failure?.code).toMatch(/over_cpu|over_wall/)
})

longTest('a process is ready for what runs alone where that is wanted, and serves one call', async () => {
  const { pids } = lab.supervisor
  lab.supervisor.keepScratchReady()
  const [ready] = lab.supervisor.pids.filter((pid) => !pids.includes(pid))
  expect(ready).toBeTypeOf('number')
  const { result } = await lab.supervisor.runAlone(callOf('a', 'export const run = {}', { kind: 'describe' }))
  expect(JSON.parse(result.toString())).toEqual([{ name: 'run', options: {} }])
  expect(lab.supervisor.pids).not.toContain(ready)
  lab.supervisor.keepScratchReady()
  const { failure } = await lab.supervisor.runAlone(callOf('b', 'new Array(2 ** 32 - 1).indexOf(1)'))
  expect(failure?.code).toMatch(/over_cpu|over_wall/)
  expect(lab.losses).toEqual([])
})

longTest('what a scratch load does to its process is not laid to the plugin that runs', async () => {
  const { failure } = await lab.supervisor.runAlone(callOf('a', 'new Array(2 ** 32 - 1).indexOf(1)'))
  expect(failure?.code).toMatch(/over_cpu|over_wall/)
  await lab.handler('b', 'return 1', { onProbation: true })
  expect(lab.losses).toEqual([])
})

longTest('isolates that are idle go when memory gets short, and come back when asked', async () => {
  lab.close()
  lab = new Lab({ rssCapMb: 300 })
  await lab.supervisor.start()
  const keep =
    'export const run = { handler: () => { globalThis.kept ??= Array.from({ length: 2e6 }, (_, n) => n + 0.5); return globalThis.kept.length } }'
  const ask = { memoryMb: 128, budget: { cpuMs: 1_000 } }
  for (let round = 0; round < 2; round++)
    for (const plugin of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l']) {
      const { code, result } = await lab.run(plugin, keep, ask)
      if (code !== 'sandbox_lost') expect([code, result]).toEqual(['ok', 2e6])
    }
  expect(lab.losses).toEqual([])
})

longTest('memory that is left behind is laid to nobody who runs later, and its process goes', async () => {
  const formats =
    'const a = []; for (;;) a.push(new Intl.DateTimeFormat("ar-u-ca-islamic", { dateStyle: "full" }))'
  const { code } = await lab.handler('hoarder', formats, { budget: { cpuMs: 5_000, wallMs: 20_000 } })
  expect(code).toBe('over_memory')
  const busy =
    'export const run = { handler: () => { let x = 0; for (let n = 0; n < 2e8; n++) x = (x + n) % 7; return 42 } }'
  const ask = { budget: { cpuMs: 5_000, wallMs: 20_000 } }
  let told = await lab.run('innocent', busy, ask)
  while (told.code === 'sandbox_lost') told = await lab.run('innocent', busy, ask)
  expect(told).toMatchObject({ code: 'ok', result: 42 })
  while (lab.losses.length === 0) await lab.run('innocent', 'export const run = { handler: () => 1 }')
  expect(lab.losses[0]).toMatchObject({ reason: 'its memory did not come back', suspects: ['hoarder'] })
})

test('what a call used before it left a promise rejected is charged', async () => {
  const { code, cpuMs } = await lab.handler(
    'a',
    'let x = 0; for (let n = 0; n < 3e7; n++) x = (x + n) % 7; Promise.reject(new Error("x")); return x',
    { budget: { cpuMs: 2_000 } },
  )
  expect(code).toBe('plugin_failed')
  expect(cpuMs).toBeGreaterThan(10)
})

/** The priority of each thread of a process. */
function niceOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).map((thread) => {
    const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16])
  })
}
