import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CacheRooms, type Kept, ownCopy, sizeOf } from '../../host/cache/rooms.ts'

const KB = 1024
const ROOM = 100 * KB
let nowMs = 0
const rooms = (mostBytes = 1_000 * KB) => new CacheRooms(mostBytes, () => nowMs)
const kept = (bytes: number, forMs = 1_000): Kept => ({
  bytes: Buffer.alloc(bytes),
  madeMs: nowMs,
  freshUntilMs: nowMs + forMs,
  goneAtMs: nowMs + forMs,
  isSample: false,
})

describe('a room', () => {
  test('keeps what is set until its time is over', () => {
    const caches = rooms()
    const value = kept(10)
    caches.set('a', 'x', value, ROOM)
    expect(caches.get('a', 'x')).toBe(value)
    nowMs += 999
    expect(caches.get('a', 'x')).toBe(value)
    nowMs += 1
    expect(caches.get('a', 'x')).toBeUndefined()
    expect([caches.bytes, caches.bytesOf('a')]).toEqual([0, 0])
  })

  test('is one plugin’s own, whatever the names', () => {
    const caches = rooms()
    for (const name of ['a', '__proto__', 'constructor', 'a/b', ''])
      caches.set(name, 'x', kept(name.length), ROOM)
    for (const name of ['a', '__proto__', 'constructor', 'a/b', ''])
      expect(caches.get(name, 'x')?.bytes.length).toBe(name.length)
    expect(caches.get('toString', 'x')).toBeUndefined()
    expect(caches.get('a', '__proto__')).toBeUndefined()
  })

  test('counts keys and overhead, and gives all of it back', () => {
    const caches = rooms()
    caches.set('a', 'key', kept(10), ROOM)
    expect(caches.bytesOf('a')).toBe(sizeOf(kept(10), 'key'))
    expect(caches.bytesOf('a')).toBeGreaterThan(10 + 3)
    caches.set('a', 'key', kept(5), ROOM)
    expect(caches.bytes).toBe(sizeOf(kept(5), 'key'))
    expect([caches.delete('a', 'key'), caches.delete('a', 'key'), caches.bytes]).toEqual([true, false, 0])
  })

  test('that is full lets go of what was not used for longest', () => {
    const caches = rooms()
    for (let n = 0; n < 9; n++) caches.set('a', `k${n}`, kept(10 * KB), ROOM)
    caches.get('a', 'k0')
    caches.set('a', 'more', kept(10 * KB), ROOM)
    expect(caches.get('a', 'k0')).toBeDefined()
    expect(caches.get('a', 'k1')).toBeUndefined()
    expect(caches.get('a', 'more')).toBeDefined()
    expect(caches.bytesOf('a')).toBeLessThanOrEqual(ROOM)
    // An admin may make it smaller.
    caches.set('a', 'last', kept(10 * KB), 20 * KB)
    expect(caches.bytesOf('a')).toBeLessThanOrEqual(20 * KB)
    expect(caches.get('a', 'last')).toBeDefined()
  })

  test('goes when nothing in it is good any more, though nobody asks for it', () => {
    const caches = rooms()
    caches.set('idle', 'x', kept(10 * KB), ROOM)
    nowMs += 120_000
    caches.set('a', 'x', kept(10), ROOM)
    expect(caches.bytesOf('idle')).toBe(0)
    expect(caches.bytes).toBe(caches.bytesOf('a'))
  })

  test('is emptied whole', () => {
    const caches = rooms()
    const edition = caches.edition('a')
    caches.set('a', 'x', kept(10), ROOM)
    caches.set('b', 'x', kept(10), ROOM)
    caches.forget('a')
    expect([caches.get('a', 'x'), caches.bytesOf('a')]).toEqual([undefined, 0])
    expect(caches.get('b', 'x')).toBeDefined()
    expect(caches.edition('a')).not.toBe(edition)
    expect(caches.edition('b')).toBe(edition)
  })
})

describe('all rooms together', () => {
  test('hold no more than they may, and whoever holds more than an equal share gives way', () => {
    const caches = rooms(200 * KB)
    for (let n = 0; n < 19; n++) caches.set('large', `k${n}`, kept(10 * KB - 600), ROOM * 10)
    for (let n = 0; n < 5; n++) caches.set('small', `k${n}`, kept(10 * KB - 600), ROOM)
    expect(caches.bytes).toBeLessThanOrEqual(200 * KB)
    for (let n = 0; n < 5; n++) expect(caches.get('small', `k${n}`)).toBeDefined()
    for (let n = 0; n < 50; n++) caches.set('large', `m${n}`, kept(10 * KB - 600), ROOM * 10)
    for (let n = 0; n < 5; n++) expect(caches.get('small', `k${n}`)).toBeDefined()
    expect(caches.bytes).toBeLessThanOrEqual(200 * KB)
  })

  test('are never more than allowed, count right, and leave a plugin that stays within its share alone', () => {
    const change = fc.record({
      plugin: fc.constantFrom('modest', 'b', 'c', 'd'),
      key: fc.nat(20),
      bytes: fc.nat(40 * KB),
      deletes: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(change, { maxLength: 100 }), (changes) => {
        const most = 160 * KB
        const caches = rooms(most)
        caches.set('modest', 'mine', kept(KB, 1e9), ROOM)
        for (const { plugin, key, bytes, deletes } of changes) {
          if (plugin === 'modest') continue
          if (deletes) caches.delete(plugin, `k${key}`)
          else caches.set(plugin, `k${key}`, kept(bytes, 1e9), ROOM)
          expect(caches.bytes).toBeLessThanOrEqual(most)
          expect(caches.bytesOf(plugin)).toBeLessThanOrEqual(ROOM)
          const sum = ['modest', 'b', 'c', 'd'].reduce((bytes, name) => bytes + caches.bytesOf(name), 0)
          expect(caches.bytes).toBe(sum)
          expect(caches.get('modest', 'mine')).toBeDefined()
        }
      }),
    )
  })
})

test('a copy keeps no larger buffer alive', () => {
  const large = Buffer.alloc(100 * KB, 'x')
  const copy = ownCopy(large.subarray(10, 20))
  expect(copy.toString()).toBe('xxxxxxxxxx')
  expect(copy.buffer.byteLength).toBe(10)
})
