import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { type Loss, type Outcome, Sandbox } from '../../sandbox/sandbox.ts'
import { longTest } from '../support/long.ts'
import { callOf, residentMb } from './lab.ts'

/** What the host knows of a process that lies: what it was lost to, and what was made of the call. */
interface Seen {
  readonly outcome: Outcome
  readonly losses: readonly (Loss | undefined)[]
  readonly ops: number
}

const running: Sandbox[] = []
afterEach(() => {
  for (const sandbox of running.splice(0)) sandbox.end()
})

function start(onGone: (loss: Loss | undefined) => void = () => {}): Sandbox {
  const sandbox = new Sandbox({
    name: 'liar',
    script: join(import.meta.dirname, 'liar.ts'),
    nice: 0,
    uid: undefined,
    rssCapMb: 1_024,
    heartbeatMs: 2_000,
    graceMs: 300,
    maxIsolates: 8,
    onOutput() {},
    onGone: (_, loss) => onGone(loss),
  })
  running.push(sandbox)
  return sandbox
}

/** @param wallMs what ends a call of which nothing is told */
async function tell(lie: string, wallMs = 30_000): Promise<Seen> {
  const losses: (Loss | undefined)[] = []
  let ops = 0
  const gone = Promise.withResolvers<void>()
  const sandbox = start((loss) => {
    losses.push(loss)
    gone.resolve()
  })
  const onOp = () => {
    ops += 1
  }
  const outcome = await sandbox.run(callOf('liar', lie, { onOp, budget: { wallMs } }))
  // A lie that follows the end of the call is found out after it.
  const next = await sandbox.run(callOf('liar', lie, { endpoint: 'honest' }))
  if (next.failure?.code === 'sandbox_lost') await gone.promise
  return { outcome, losses, ops }
}

test.each([
  ['ops of a call that it was not given', 'an op that it may not send'],
  ['the end of a call that it was not given', 'one that it was not given'],
  ['the same end twice', 'ended a call twice'],
  ['ops of a call that has ended', 'an op that it may not send'],
  ['an op that does not exist', 'an op that it may not send'],
  ['more ops than the budget', 'an op that it may not send'],
  ['more bytes than the budget', 'an op that it may not send'],
  ['more output than the budget', 'past its own checks'],
  ['a report without end', 'past its own checks'],
  ['a kind that does not exist', 'a frame of kind 200'],
  ['a kind that only the host sends', 'a frame of kind 11'],
  ['a frame as long as the pipe allows', 'an op that it may not send'],
  ['a frame that is longer', 'pipe: a frame of'],
  ['a flood of pongs', 'more often than it was asked'],
  ['a flood of starts', 'more often than it was asked'],
  ['loads what it was not given', 'an isolate that it does not have'],
  ['loads twice', 'an isolate that it does not have'],
  ['floods with isolates that are gone', 'an isolate that it does not have'],
  ['that it is poisoned by what is no list', 'it did not say why'],
  ['that it is poisoned, in junk', 'it did not say why'],
  ['that it is poisoned, and lives on', 'r'],
  ['that it is poisoned by isolates that never were', 'r'],
])('a process that tells %s is killed', async (lie, reason) => {
  const { losses } = await tell(lie)
  expect(losses.map((loss) => loss?.reason)).toEqual([expect.stringContaining(reason)])
})

test('a process that tells nothing is killed when the time of the call is over', async () => {
  const { losses } = await tell('nothing', 500)
  expect(losses.map((loss) => loss?.reason)).toEqual([expect.stringContaining('was not reported in time')])
})

test('a process that floods has at most a handful of its ops carried out', async () => {
  expect((await tell('more ops than the budget')).ops).toBeLessThanOrEqual(64)
})

test.each([
  'a report that is junk',
  'a report that is null',
  'CPU time without end',
  'CPU time below nothing',
])('of %s nothing is believed', async (lie) => {
  const { outcome, losses } = await tell(lie)
  expect(outcome).toMatchObject({ cpuMs: 0, failure: undefined })
  expect(losses).toEqual([])
})

test('no more CPU time is believed than time has passed', async () => {
  expect((await tell('CPU time beyond the time that passed', 2_000)).outcome.cpuMs).toBe(2_300)
})

test('a failure of the wrong types becomes one of the right types', async () => {
  const { failure } = (await tell('a failure of the wrong types')).outcome
  expect(failure).toEqual({ code: 'plugin_failed', message: 'It failed without saying why.' })
})

test('a failure is cut to a length that can be shown', async () => {
  const { failure } = (await tell('a failure as long as a book')).outcome
  expect(failure?.message.length).toBe(2_001)
  expect(failure?.code.length).toBe(65)
})

test('junk instead of the reason why a bundle does not load is a failure all the same', async () => {
  expect((await tell('fails to load with junk')).outcome.failure?.code).toBe('plugin_failed')
})

longTest('a frame as long as the pipe allows leaves nothing in the memory of the host', async () => {
  await tell('a frame as long as the pipe allows')
  const beforeMb = residentMb(process.pid)
  for (let at = 0; at < 8; at++) await tell('a frame as long as the pipe allows')
  expect(residentMb(process.pid) - beforeMb).toBeLessThan(300)
})

test('what one process does reaches no call in another', async () => {
  const liar = start()
  const honest = start()
  const onOp = () => {}
  const lost = liar.run(callOf('liar', 'the end of a call that it was not given', { onOp }))
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => honest.run(callOf('neighbour', 'honest', { onOp }))),
  )
  expect(new Set(answers.map(({ result }) => result.toString()))).toEqual(new Set(['"honest"']))
  expect((await lost).failure?.code).toBe('sandbox_lost')
  expect(honest.alive).toBe(true)
})

test('a process can accuse another plugin that was in it, but not so that it is believed', async () => {
  const losses: (Loss | undefined)[] = []
  const gone = Promise.withResolvers<void>()
  const sandbox = start((loss) => {
    losses.push(loss)
    gone.resolve()
  })
  await sandbox.run(callOf('innocent', 'honest'))
  const accuse = callOf('liar', 'that it is poisoned by what was first')
  await sandbox.run(accuse)
  await gone.promise
  expect(losses).toEqual([{ reason: 'r', suspects: ['innocent'], certain: false }])
})
