import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { OpError } from '../../sandbox/guest/bridge.ts'
import { ENGINES, type Engine } from './engines.ts'
import { lackOf } from './lacks/lacks.ts'
import { TOO_SLOW } from './lacks/reasons.ts'
import { Room, type Work } from './room.ts'

/** What a case needs that not every server has: a word of `lacks/`, such as `$setWindowFields`. */
interface Needs {
  readonly needs?: string | readonly string[]
}

/** Adds cases to a contract. A case that fails its promise on one engine fails there only. */
export interface Check {
  /** One handler: `db` and `fs` are its own, in one transaction that commits after the case; reads see its writes. */
  (title: string, work: Work<unknown>): void
  (title: string, needs: Needs, work: Work<unknown>): void
  /** Several handlers, views and declarations, one after the other or at once, over one database. */
  room(title: string, work: (room: Room) => Promise<unknown>): void
  room(title: string, needs: Needs, work: (room: Room) => Promise<unknown>): void
}

/**
 * Describes what every engine keeps to. Each case runs over each of them, on a database of its own:
 *
 *     contract('find', (check) => {
 *       check('gives what equals', async (db) => {
 *         await db.collection('plays').insertOne({ _id: 1, n: 2 })
 *         expect(await db.collection('plays').find({ n: 2 }).toArray()).toEqual([{ _id: 1, n: 2 }])
 *       })
 *       check('computes ranks', { needs: '$setWindowFields' }, async (db) => …)
 *     })
 *
 * A case that needs what a server is known to lack (`lacks/`) is skipped there, and the run prints it; in CI it runs
 * all the same and has to fail, so that the list says nothing that is not so any more.
 */
export function contract(subject: string, add: (check: Check) => void): void {
  for (const engine of ENGINES) describe(`${engine.name}: ${subject}`, () => addCases(engine, add))
}

/** The engines that contracts run over here, for suites that start hosts or processes of their own. */
export function engines(): readonly Engine[] {
  return ENGINES
}

function addCases(engine: Engine, add: (check: Check) => void): void {
  const lacking = new Map<string, string[]>()
  beforeAll(() => engine.start(), 60_000)
  afterAll(async () => {
    await engine.stop()
    for (const [reason, lacks] of lacking)
      console.log(`${engine.name}, ${reason}: ${[...new Set(lacks)].join(', ')}`)
  }, 60_000)

  const one = (title: string, { needs = [] }: Needs, work: (room: Room) => Promise<unknown>) => {
    const run = async () => {
      const room = new Room(engine.stores())
      try {
        await work(room)
      } finally {
        await room.close()
      }
    }
    const reasonOf = (need: string) => lackOf(engine.server, need)
    const lack = [needs].flat().find((need) => reasonOf(need) !== undefined)
    if (lack === undefined) return test(title, run)
    const reason = reasonOf(lack) ?? ''
    lacking.set(reason, [...(lacking.get(reason) ?? []), lack])
    const isHeldToFail = process.env.LYCEUM_SOAK !== undefined && reason !== TOO_SLOW
    return (isHeldToFail ? test.fails : test.skip)(`${title} (lacks ${lack})`, run)
  }
  const inOneBatch = (work: Work<unknown>) => (room: Room) => room.batch(work)
  const check: Check = Object.assign(
    (title: string, ...rest: [Work<unknown>] | [Needs, Work<unknown>]) => {
      const [needs, work] = rest.length === 1 ? [{}, rest[0]] : rest
      one(title, needs, inOneBatch(work))
    },
    {
      room: (
        title: string,
        ...rest: [(room: Room) => Promise<unknown>] | [Needs, (room: Room) => Promise<unknown>]
      ) => {
        const [needs, work] = rest.length === 1 ? [{}, rest[0]] : rest
        one(title, needs, work)
      },
    },
  )
  add(check)
}

/** Holds some work to its refusal, as the plugin sees it: the code, and MongoDB's number where one is given. */
export async function refused(work: Promise<unknown>, code: string, mongoCode?: number): Promise<void> {
  const error = await work.then(
    (value) => expect.fail(`It was not refused, but gave ${JSON.stringify(value)}`),
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof OpError)) throw error
  expect({ code: error.code, message: error.message }).toEqual({ code, message: expect.any(String) })
  if (mongoCode !== undefined) expect(error.details?.mongoCode, error.message).toBe(mongoCode)
}
