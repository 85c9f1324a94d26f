import { expect, test } from 'vitest'
import { NO_SCOPE } from '../../process/frame.ts'
import { Kind, OPS } from '../../sandbox/protocol.ts'
import type { GuestOp, Outcome } from '../../sandbox/supervisor.ts'
import { UnderWay } from '../../sandbox/under-way.ts'
import { callOf } from '../sandbox/lab.ts'

const MB = 1024 * 1024
/** One buffer for all ops: what is held is counted, not whether it is the same. */
const LARGE = Buffer.alloc(16 * MB)
const SMALL = Buffer.alloc(1_024)
const DONE: Outcome = { cpuMs: 1, result: Buffer.alloc(0), failure: undefined }

/** A call whose ops are carried out when the test says so. */
function slowCall() {
  const ops: GuestOp[] = []
  const replies: number[] = []
  let outcome: Outcome | undefined
  const call = callOf('a', '', { budget: { bytes: 512 * MB, ops: 10_000 }, onOp: (op) => ops.push(op) })
  const underWay = new UnderWay(
    { ...call, code: { ...call.code, bundle: SMALL } },
    ({ flags = 0 }) => replies.push(flags),
    (ended) => {
      outcome = ended
    },
  )
  let asked = 0
  return {
    ops,
    replies,
    outcome: () => outcome,
    take: (payload: Buffer, waits = true) =>
      underWay.take({
        kind: Kind.op,
        op: OPS.dbWrite.code,
        flags: 0,
        call: waits ? ++asked : 0,
        scope: NO_SCOPE,
        payload,
      }),
    finish: () => underWay.finish(DONE),
    carryOut: () => {
      for (const op of ops.splice(0)) op.reply('')
    },
  }
}

test('what all calls hold together is bounded, and who holds little is let in all the same', () => {
  const calls = Array.from({ length: 20 }, slowCall)
  for (const call of calls) for (let at = 0; at < 4; at++) expect(call.take(LARGE)).toBe(true)
  const held = calls.flatMap(({ ops }) => ops).reduce((bytes, { payload }) => bytes + payload.length, 0)
  // Each may hold its fair share beyond the bound, and one op that goes over it.
  expect(held).toBeGreaterThanOrEqual(256 * MB)
  expect(held).toBeLessThanOrEqual((256 + 20 * (4 + 16)) * MB)
  // Whoever is turned away is told so, and the rest is carried out.
  expect(calls.flatMap(({ replies }) => replies).every((flags) => flags === 1)).toBe(true)

  const quiet = slowCall()
  for (let at = 0; at < 50; at++) quiet.take(SMALL)
  expect([quiet.ops.length, quiet.replies]).toEqual([50, []])

  for (const call of [...calls, quiet]) {
    call.carryOut()
    call.finish()
  }
  expect(quiet.outcome()?.failure).toBeUndefined()
  // A write among what was turned away is missing, so those calls failed, and can be tried again.
  const ends = calls.map((call) => call.outcome()?.failure?.code)
  expect(new Set(ends)).toEqual(new Set([undefined, 'over_concurrency']))

  const later = slowCall()
  for (let at = 0; at < 10; at++) later.take(LARGE)
  expect(later.replies).toEqual([])
  later.carryOut()
  later.finish()
  expect(later.outcome()?.failure).toBeUndefined()
})

test('what a call held is free again however it ends', () => {
  for (let round = 0; round < 50; round++) {
    const call = slowCall()
    // 64 at once are carried out; the rest waits in the queue, and goes with the call.
    for (let at = 0; at < 70; at++) call.take(at % 10 === 0 ? LARGE : SMALL, at % 2 === 0)
    expect(call.replies, `round ${round}`).toEqual([])
    call.finish()
    call.carryOut()
    call.carryOut()
    expect(call.outcome()?.failure).toBeUndefined()
  }
})
