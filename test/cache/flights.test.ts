import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Flights, type Part } from '../../host/cache/flights.ts'

const reader = () => ({ reads: true })
const join = (flights: Flights<number>, key: string, tree: object = reader(), writes = false) =>
  flights.join(key, tree, writes)

/** What a part's turn is by now; "waiting" where it has none. */
async function turnOf(part: Part<number>): Promise<unknown> {
  const soon = new Promise((resolve) => setImmediate(() => resolve('waiting')))
  return Promise.race([part.turn.catch((error) => error.code), soon])
}

describe('a flight', () => {
  test('is led by who came first, and lands for all who wait', async () => {
    const flights = new Flights<number>()
    const [first, second, third] = [join(flights, 'a'), join(flights, 'a'), join(flights, 'a')]
    expect(await turnOf(first)).toBe('compute')
    expect([await turnOf(second), await turnOf(third)]).toEqual(['waiting', 'waiting'])
    expect(first.land(7)).toBe(true)
    expect([await turnOf(second), await turnOf(third)]).toEqual([{ value: 7 }, { value: 7 }])
    expect(flights.isUnderWay('a')).toBe(false)
  })

  test('of another key is another', async () => {
    const flights = new Flights<number>()
    expect(await turnOf(join(flights, 'a'))).toBe('compute')
    expect(await turnOf(join(flights, 'b'))).toBe('compute')
  })

  test('whose leader leaves is led by the next, and by nobody where nobody waits', async () => {
    const flights = new Flights<number>()
    const [first, second, third] = [join(flights, 'a'), join(flights, 'a'), join(flights, 'a')]
    first.leave()
    expect(await turnOf(second)).toBe('compute')
    expect(await turnOf(third)).toBe('waiting')
    expect(first.land(1)).toBe(false)
    expect(await turnOf(third)).toBe('waiting')
    second.land(2)
    expect(await turnOf(third)).toEqual({ value: 2 })
    second.leave()
    const next = join(flights, 'a')
    next.leave()
    expect(flights.isUnderWay('a')).toBe(false)
  })

  test('goes on without those who stop waiting', async () => {
    const flights = new Flights<number>()
    const [first, second, third] = [join(flights, 'a'), join(flights, 'a'), join(flights, 'a')]
    second.leave()
    expect(await turnOf(second)).toBe('over_wall')
    first.leave()
    expect(await turnOf(third)).toBe('compute')
  })

  test('has those who write go on alone before their time is over, and all others wait to its end', async () => {
    const flights = new Flights<number>()
    const first = join(flights, 'a')
    const [writes, reads] = [join(flights, 'a', reader(), true), join(flights, 'a')]
    expect(await flights.turnOf(writes, true, 4)).toBe('alone')
    await expect(flights.turnOf(reads, false, 4)).rejects.toMatchObject({ code: 'over_wall' })
    expect(await flights.turnOf(first, false, 4)).toBe('compute')
    expect(first.land(1)).toBe(true)
  })

  test('that was forgotten lands for those who waited, but not to be kept', async () => {
    const flights = new Flights<number>()
    const [first, second] = [join(flights, 'a'), join(flights, 'a')]
    flights.forget('a')
    const later = join(flights, 'a')
    expect(await turnOf(later)).toBe('compute')
    expect(first.land(1)).toBe(false)
    expect(await turnOf(second)).toEqual({ value: 1 })
    expect(flights.isUnderWay('a')).toBe(true)
    expect(later.land(2)).toBe(true)
  })
})

describe('nobody waits for what waits for them', () => {
  test('be it for themselves', async () => {
    const flights = new Flights<number>()
    const tree = reader()
    join(flights, 'a', tree)
    expect(await turnOf(join(flights, 'a', tree))).toBe('alone')
  })

  test('or over others', async () => {
    const flights = new Flights<number>()
    const [one, two, three] = [reader(), reader(), reader()]
    join(flights, 'a', one)
    join(flights, 'b', two)
    join(flights, 'c', three)
    expect(await turnOf(join(flights, 'b', one))).toBe('waiting')
    expect(await turnOf(join(flights, 'c', two))).toBe('waiting')
    const last = join(flights, 'a', three)
    expect(await turnOf(last)).toBe('alone')
    expect(last.land(1)).toBe(false)
  })

  test('or because somebody else leads now', async () => {
    const flights = new Flights<number>()
    const [one, two, three] = [reader(), reader(), reader()]
    const first = join(flights, 'a', one)
    const second = join(flights, 'a', two)
    const third = join(flights, 'a', three)
    join(flights, 'b', three)
    expect(await turnOf(join(flights, 'b', two))).toBe('waiting')
    first.leave()
    expect(await turnOf(second)).toBe('compute')
    expect(await turnOf(third)).toBe('alone')
  })

  test('and of two that write none waits for the other: one may hold the database', async () => {
    const flights = new Flights<number>()
    const [one, two, person] = [reader(), reader(), reader()]
    join(flights, 'a', one, true)
    expect(await turnOf(join(flights, 'a', two, true))).toBe('alone')
    expect(await turnOf(join(flights, 'a', person))).toBe('waiting')
    // Over somebody who reads, too, in either order.
    join(flights, 'b', person)
    expect(await turnOf(join(flights, 'b', two, true))).toBe('alone')
    const other = new Flights<number>()
    join(other, 'b', person)
    expect(await turnOf(join(other, 'b', two, true))).toBe('waiting')
    join(other, 'a', one, true)
    expect(await turnOf(join(other, 'a', person))).toBe('alone')
  })
})

test('whatever calls do, each ends, none leads beside another, and no circle of them waits', async () => {
  const step = fc.record({
    key: fc.constantFrom('a', 'b', 'c'),
    tree: fc.nat(3),
    ends: fc.option(fc.tuple(fc.constantFrom('land', 'leave'), fc.nat(30)), { nil: undefined }),
  })
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 30 }),
      fc.array(fc.boolean(), { minLength: 4 }),
      async (steps, writes) => {
        const flights = new Flights<number>()
        const trees = [0, 1, 2, 3].map(reader)
        const parts: { key: string; tree: number; part: Part<number>; over: boolean }[] = []
        for (const { key, tree, ends } of steps) {
          parts.push({
            key,
            tree,
            part: join(flights, key, trees[tree] ?? {}, writes[tree] ?? false),
            over: false,
          })
          const ending = ends && parts[ends[1]]
          if (ending) {
            if (ends[0] === 'land') ending.part.land(1)
            ending.part.leave()
            ending.over = true
          }
          const turns = await Promise.all(parts.map(({ part }) => turnOf(part)))
          const open = parts.flatMap((entry, index) => (entry.over ? [] : [{ ...entry, turn: turns[index] }]))
          for (const name of ['a', 'b', 'c'])
            expect(
              open.filter((entry) => entry.key === name && entry.turn === 'compute').length,
            ).toBeLessThan(2)
          const waiting = open.filter(({ turn }) => turn === 'waiting')
          const leaderOf = (name: string) =>
            open.find((entry) => entry.key === name && entry.turn === 'compute')?.tree
          for (const { tree: waiter } of waiting) {
            const reached = new Set<number>()
            const follow = (one: number) => {
              for (const { key: awaited } of waiting.filter((entry) => entry.tree === one)) {
                const leader = leaderOf(awaited) ?? -1
                if (!reached.has(leader)) {
                  reached.add(leader)
                  follow(leader)
                }
              }
            }
            follow(waiter)
            expect(reached.has(waiter)).toBe(false)
          }
          for (const { key: name } of waiting)
            expect(open.some((entry) => entry.key === name && entry.turn === 'compute')).toBe(true)
        }
        for (const { part } of parts) part.leave()
        for (const name of ['a', 'b', 'c']) expect(flights.isUnderWay(name)).toBe(false)
      },
    ),
    { numRuns: 50 },
  )
})
