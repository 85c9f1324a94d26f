import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { inTransaction } from '../../host/registry/transaction.ts'

let db: DatabaseSync
beforeEach(() => {
  db = new DatabaseSync(':memory:')
  db.exec('CREATE TABLE kept (text)')
})
afterEach(() => db.close())

const add = (text: string) => db.prepare('INSERT INTO kept VALUES (?)').run(text)
const kept = () => db.prepare('SELECT * FROM kept').all().length

test('all of it is done, or nothing', () => {
  expect(inTransaction(db, () => add('one').changes)).toBe(1)
  const broken = () => {
    add('two')
    throw new Error('broken')
  }
  expect(() => inTransaction(db, broken)).toThrow('broken')
  expect([kept(), db.isTransaction]).toEqual([1, false])
})

test('a full disk is told as what it is, though it has undone the transaction by itself', () => {
  db.exec('PRAGMA max_page_count = 4')
  expect(() => inTransaction(db, () => add('x'.repeat(100_000)))).toThrow('database or disk is full')
  expect(kept()).toBe(0)
})
