import { describe, expect, test } from 'vitest'
import { Decimal128, encode, Long, ObjectId } from '../../sdk/ejson.ts'
import { AnyOrder, type Case, DOC, Refused } from './cases/case.ts'
import { contract, refused } from './harness.ts'
import type { Db, Room } from './room.ts'

/** A list of operators, and its cases. */
export interface OperatorList {
  readonly offered: Iterable<string>
  readonly cases: readonly Case[]
}

/**
 * Holds every engine to the cases of some lists, by name.
 * @param needOf what an engine has to have for an operator, as the lists of what engines lack name it
 */
export function holdTo(
  lists: Readonly<Record<string, OperatorList>>,
  needOf: (list: string, operator: string) => string,
): void {
  describe.each(Object.entries(lists))('the cases of %s', (_, { offered, cases }) => {
    test('are of exactly the operators that are offered, each with an everyday one and one that is not', () => {
      const of = (isEdge: boolean) =>
        [...new Set(cases.filter((one) => one.isEdge === isEdge).map(({ operator }) => operator))].sort()
      const all = [...new Set(offered)].sort()
      expect(of(false)).toEqual(all.filter((name) => name !== 'positional $'))
      expect(of(true)).toEqual(all)
    })
  })

  for (const [list, { cases }] of Object.entries(lists))
    contract(list, (check) => {
      for (const [operator, own] of Map.groupBy(cases, ({ operator: name }) => name)) {
        const needs = [needOf(list, operator)]
        check.room(operator, { needs }, async (room) => {
          await room.batch(async (db) => {
            for (const [number, one] of own.entries()) give(db, one, number)
          })
          for (const [number, one] of own.entries()) await hold(room, one, number)
        })
      }
    })
}

/** The documents of a case, in collections of its own. */
function give(db: Db, { given = [DOC], others = {} }: Case, number: number): void {
  for (const doc of given) db.collection(`things${number}`).insertOne(doc)
  if (number === 0)
    for (const [name, docs] of Object.entries(others))
      for (const doc of docs) db.collection(name).insertOne(doc)
}

async function hold(room: Room, one: Case, number: number): Promise<void> {
  const name = `things${number}`
  const work = () => ('update' in one.run ? change(room, one, name) : room.view((db) => read(db, one, name)))
  const title = `${one.operator} ${one.name}`
  if (one.expect instanceof Refused) {
    await refused(work(), one.expect.code, one.expect.mongoCode).catch((error: Error) => {
      throw new Error(`${title}: ${error.message}`, { cause: error })
    })
    return
  }
  const found = await work().catch((error: Error) => {
    throw new Error(`${title}: ${error.message}`, { cause: error })
  })
  expect(comparable(inOrder(found, one.expect)), title).toEqual(comparable(sorted(one.expect)))
}

async function change(room: Room, { run }: Case, name: string): Promise<unknown> {
  if (!('update' in run)) return undefined
  const [filter, update, options] = run.update
  await room.batch((db) => db.collection(name).updateOne(filter, update, options))
  return room.view((db) => db.collection(name).find().sort({ _id: 1 }).toArray())
}

async function read(db: Db, { run }: Case, name: string): Promise<unknown> {
  const things = db.collection(name)
  if ('find' in run) return things.find(run.find, run.options).toArray()
  if ('aggregate' in run) return things.aggregate(run.aggregate).toArray()
  if (!('expression' in run)) return undefined
  const [found] = await things.aggregate([{ $addFields: { computed: run.expression } }]).toArray()
  return Reflect.get(Object(found), 'computed')
}

/** What vitest compares by value: the types of BSON hide theirs. */
function comparable(value: unknown): unknown {
  if (value instanceof ObjectId || value instanceof Long || value instanceof Decimal128)
    return JSON.parse(encode(value))
  if (Array.isArray(value)) return value.map(comparable)
  const isPlain =
    typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
  if (!isPlain) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, comparable(inner)]))
}

function byText(items: readonly unknown[]): unknown[] {
  return [...items].sort((a, b) => (encode(a) < encode(b) ? -1 : 1))
}

/** What was found, with those lists sorted whose order is not promised. */
function inOrder(found: unknown, wanted: unknown): unknown {
  if (wanted instanceof AnyOrder) return Array.isArray(found) ? byText(found) : found
  if (Array.isArray(wanted) && Array.isArray(found)) return found.map((item, i) => inOrder(item, wanted[i]))
  if (typeof wanted !== 'object' || wanted === null || typeof found !== 'object' || found === null)
    return found
  if (Object.getPrototypeOf(found) !== Object.prototype) return found
  return Object.fromEntries(
    Object.entries(found).map(([key, inner]) => [key, inOrder(inner, Reflect.get(wanted, key))]),
  )
}

function sorted(wanted: unknown): unknown {
  if (wanted instanceof AnyOrder) return byText(wanted.items)
  if (Array.isArray(wanted)) return wanted.map(sorted)
  const isPlain =
    typeof wanted === 'object' && wanted !== null && Object.getPrototypeOf(wanted) === Object.prototype
  if (!isPlain) return wanted
  return Object.fromEntries(Object.entries(wanted).map(([key, inner]) => [key, sorted(inner)]))
}
