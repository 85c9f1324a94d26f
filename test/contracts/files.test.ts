import { createHash, randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { LIMITS } from '../../host/limits.ts'
import { contract, refused } from './harness.ts'
import type { Room } from './room.ts'

const BYTES = Uint8Array.from({ length: 256 }, (_, at) => at)
const DAY_MS = 24 * 3_600_000
const KB = 1024

const read = (room: Room, path: string) => room.view((_, fs) => fs.readText(path))
const paths = (room: Room, prefix = '') =>
  room.view(async (_, fs) => (await fs.list(prefix)).map((file) => file.path))

contract('files', (check) => {
  check('are read as they were written: text, bytes, JSON', async (_, fs) => {
    await fs.write('a.txt', 'Grüße, 👋\u0000\n')
    await fs.write('a.bin', BYTES)
    await fs.writeJson('a.json', { n: [1, null, 'x'] })
    expect(await fs.readText('a.txt')).toBe('Grüße, 👋\u0000\n')
    expect(await fs.read('a.bin')).toEqual(BYTES)
    expect(await fs.readJson('a.json')).toEqual({ n: [1, null, 'x'] })
    expect(await fs.read('a.txt')).toEqual(new TextEncoder().encode('Grüße, 👋\u0000\n'))
    await fs.write('empty', '')
    expect(await fs.readText('empty')).toBe('')
    expect(await fs.read('empty')).toEqual(new Uint8Array())
    await fs.write('a.bin', new Uint16Array([258, 1]).subarray(1))
    expect(await fs.read('a.bin')).toEqual(new Uint8Array([1, 0]))
  })

  check('that are not there are null', async (_, fs) => {
    expect(await fs.read('x')).toBeNull()
    expect(await fs.readText('x')).toBeNull()
    expect(await fs.readJson('x')).toBeNull()
    expect(await fs.stat('x')).toBeNull()
    expect(await fs.delete('x')).toBe(false)
    expect(await fs.expire('x', 1)).toBe(false)
    expect(await fs.list()).toEqual([])
  })

  check.room('are seen by others when their batch has committed', async (room) => {
    await room.batch(async (_, fs) => {
      await fs.write('a', 'new')
      expect(await fs.readText('a')).toBe('new')
      expect(await read(room, 'a')).toBeNull()
      expect(await paths(room)).toEqual([])
    })
    expect(await read(room, 'a')).toBe('new')
    await room.batch(async (_, fs) => {
      await fs.write('a', 'newer')
      await fs.write('b', 'beside')
      expect(await read(room, 'a')).toBe('new')
    })
    expect(await read(room, 'a')).toBe('newer')
    expect(await paths(room)).toEqual(['a', 'b'])
  })

  check.room('of a batch that fails are as they were, as documents are', async (room) => {
    await room.batch((_, fs) => fs.write('a', 'old'))
    const before = await room.store.usage()
    const failing = room.batch(async (db, fs) => {
      await db.collection('c').insertOne({ _id: 1 })
      await fs.write('a', 'new')
      await fs.append('a', ' and more')
      await fs.write('b', randomBytes(300 * KB))
      await fs.delete('a')
      throw new Error('it fails')
    })
    await expect(failing).rejects.toThrow('it fails')
    expect(await read(room, 'a')).toBe('old')
    expect(await paths(room)).toEqual(['a'])
    expect(await room.view((db) => db.collection('c').countDocuments())).toBe(0)
    expect((await room.store.usage()).fileBytes).toBe(before.fileBytes)
  })

  check.room('fail their batch where one is refused, even if that is caught', async (room) => {
    const swallowing = room.batch(async (db, fs) => {
      await db.collection('c').insertOne({ _id: 1 })
      await fs.write('../up', 'x').catch(() => {})
    })
    await refused(swallowing, 'file_path_invalid')
    expect(await room.view((db) => db.collection('c').countDocuments())).toBe(0)
  })

  check('are told of by stat and list, in order of their paths', async (_, fs) => {
    await fs.write('plots/b.png', BYTES)
    await fs.write('plots/a.csv', 'x,y', { type: 'text/csv' })
    await fs.write('plots.txt', '')
    await fs.write('ü', 'x', { type: 'application/x-own' })
    expect(await fs.stat('plots/b.png')).toEqual({
      path: 'plots/b.png',
      bytes: 256,
      type: 'image/png',
      modified: expect.any(Date),
      expires: null,
    })
    const listed = async (...of: Parameters<typeof fs.list>) => (await fs.list(...of)).map(({ path }) => path)
    expect(await listed()).toEqual(['plots.txt', 'plots/a.csv', 'plots/b.png', 'ü'])
    expect(await listed('plots/')).toEqual(['plots/a.csv', 'plots/b.png'])
    expect(await listed('plots', { limit: 2 })).toEqual(['plots.txt', 'plots/a.csv'])
    expect(await listed('plots', { after: 'plots/a.csv' })).toEqual(['plots/b.png'])
    expect(await listed('q')).toEqual([])
    expect((await fs.stat('ü'))?.type).toBe('application/x-own')
  })

  check('are deleted and written again', async (_, fs) => {
    await fs.write('a', 'one')
    expect(await fs.delete('a')).toBe(true)
    expect(await fs.readText('a')).toBeNull()
    await fs.write('a', 'one')
    await fs.write('b', 'one')
    await fs.delete('b')
    expect(await fs.readText('a')).toBe('one')
  })

  check.room('are appended to, however often and however much at a time', async (room) => {
    let whole = ''
    for (const lines of [1, 300, 2]) {
      await room.batch(async (_, fs) => {
        for (let line = 0; line < lines; line++) {
          const text = `line ${line} ${'x'.repeat(line * 3)} ü\n`
          whole += text
          await fs.append('log/of.txt', text)
        }
        expect(await fs.readText('log/of.txt')).toBe(whole)
      })
      expect(await read(room, 'log/of.txt')).toBe(whole)
    }
    const large = randomBytes(200 * KB)
    await room.batch((_, fs) => fs.append('log/of.txt', large))
    await room.batch((_, fs) => fs.append('log/of.txt', ''))
    await room.batch((_, fs) => fs.append('log/of.txt', 'end'))
    const all = Buffer.concat([Buffer.from(whole), large, Buffer.from('end')])
    const got = await room.view((_, fs) => fs.read('log/of.txt'))
    expect(Buffer.from(got ?? []).equals(all)).toBe(true)
    for (const [from, bytes] of [
      [0, 10],
      [65_530, 20],
      [all.length - 4, 100],
      [all.length, 1],
      [100_000, 90_000],
    ] as const)
      expect(Buffer.from((await room.view((_, fs) => fs.read('log/of.txt', { from, bytes }))) ?? [])).toEqual(
        all.subarray(from, from + bytes),
      )
  })

  check('longer than one page are read whole, text by whole characters', async (_, fs) => {
    const text = 'aü€👋'.repeat(250_000)
    await fs.write('long.txt', text)
    expect((await fs.stat('long.txt'))?.bytes).toBe(Buffer.byteLength(text))
    expect((await fs.readText('long.txt')) === text).toBe(true)
    const bytes = await fs.read('long.txt')
    expect(
      createHash('sha256')
        .update(bytes ?? '')
        .digest('hex'),
    ).toBe(createHash('sha256').update(text).digest('hex'))
  })

  check.room('are gone for every op from the moment that they expire', async (room) => {
    await room.batch(async (_, fs) => {
      await fs.write('soon', 'x', { expire: 60 })
      await fs.write('later', 'x')
      expect(await fs.expire('later', 3_600)).toBe(true)
      await fs.write('stays', 'x', { expire: 60 })
      await fs.expire('stays', null)
    })
    expect((await room.view((_, fs) => fs.stat('soon')))?.expires).toEqual(new Date(room.nowMs + 60_000))
    room.nowMs += 59_999
    expect(await paths(room)).toEqual(['later', 'soon', 'stays'])
    room.nowMs += 1
    expect(await paths(room)).toEqual(['later', 'stays'])
    expect(await read(room, 'soon')).toBeNull()
    await room.batch(async (_, fs) => {
      expect(await fs.stat('soon')).toBeNull()
      expect(await fs.delete('soon')).toBe(false)
      expect(await fs.expire('later', 60)).toBe(true)
      await fs.append('soon', 'anew')
    })
    expect(await read(room, 'soon')).toBe('anew')
    room.nowMs += 3_600_000
    expect(await paths(room)).toEqual(['soon', 'stays'])
  })

  check.room(
    'that have expired are deleted by a sweep, contents a day after their last file',
    async (room) => {
      const { store } = room
      await room.batch(async (_, fs) => {
        await fs.write('soon', 'a', { expire: 60 })
        await fs.write('other', 'a')
        await fs.write('alone', 'b', { expire: 60 })
        await fs.write('replaced', 'c')
      })
      await room.batch((_, fs) => fs.write('replaced', 'd'))
      const startMs = room.nowMs
      expect(await store.sweepFiles(startMs)).toEqual({ files: 0, contents: 0, dueMs: startMs + 60_000 })
      expect((await store.usage()).files).toBe(4)
      expect(await store.sweepFiles(startMs + 60_000)).toEqual({
        files: 2,
        contents: 0,
        dueMs: startMs + DAY_MS,
      })
      expect((await store.usage()).files).toBe(2)
      expect(await store.sweepFiles(startMs + DAY_MS)).toMatchObject({ contents: 1 })
      expect(await store.sweepFiles(startMs + DAY_MS + 60_000)).toEqual({
        files: 0,
        contents: 1,
        dueMs: null,
      })
      expect(await read(room, 'other')).toBe('a')
      expect(await read(room, 'replaced')).toBe('d')
      await room.batch(async (_, fs) => {
        await fs.write('b', 'b')
        await fs.write('c', 'c')
      })
      expect([await read(room, 'b'), await read(room, 'c')]).toEqual(['b', 'c'])
    },
  )

  check.room('with a content that was thrown away and is needed again are whole', async (room) => {
    await room.batch((_, fs) => fs.write('a', 'x'))
    await room.batch((_, fs) => fs.delete('a'))
    await room.batch((_, fs) => fs.write('a', 'x'))
    await room.store.sweepFiles(room.nowMs + 2 * DAY_MS)
    expect(await read(room, 'a')).toBe('x')
  })

  check.room('fill the quota, and what goes beyond is refused whole', async (room) => {
    room.store.maxFileBytes = 100 * KB
    await room.batch((_, fs) => fs.write('a', randomBytes(60 * KB)))
    await refused(
      room.batch((_, fs) => fs.write('b', randomBytes(50 * KB))),
      'files_full',
    )
    await refused(
      room.batch((_, fs) => fs.append('a', randomBytes(50 * KB))),
      'files_full',
    )
    expect(await paths(room)).toEqual(['a'])
    expect((await room.store.usage()).fileBytes).toBe(60 * KB)
    await room.batch((_, fs) => fs.write('a', randomBytes(100 * KB)))
    // Where the quota was lowered, files can still be made smaller, and deleted.
    room.store.maxFileBytes = 10 * KB
    await refused(
      room.batch((_, fs) => fs.append('a', 'x')),
      'files_full',
    )
    await room.batch((_, fs) => fs.write('a', randomBytes(50 * KB)))
    await room.batch((_, fs) => fs.delete('a'))
    expect(await room.store.usage()).toMatchObject({ fileBytes: 0, files: 0 })
  })

  check.room('take nothing of what documents may take', async (room) => {
    const { databaseBytes } = await room.store.usage()
    await room.batch((_, fs) => fs.write('large', randomBytes(2_000 * KB)))
    expect((await room.store.usage()).databaseBytes).toBeLessThan(databaseBytes + 500 * KB)
    room.store.maxBytes = databaseBytes + 1_000 * KB
    await room.batch((db) => db.collection('c').insertOne({ text: 'x'.repeat(100 * KB) }))
  })

  check.room('count, however small, so that their number has an end', async (room) => {
    room.store.maxFileBytes = 10 * LIMITS.fileLeastBytes
    await room.batch(async (_, fs) => {
      for (let n = 0; n < 10; n++) await fs.write(`${n}`, '')
    })
    await refused(
      room.batch((_, fs) => fs.write('one more', '')),
      'files_full',
    )
  })

  check('are refused where their path is none', async (_, fs) => {
    const bad = [
      '',
      '/',
      '/a',
      'a/',
      'a//b',
      '.',
      '..',
      'a/../b',
      'a/./b',
      'a\\b',
      'a\nb',
      'a\u0000',
      '\u202ea',
    ]
    for (const path of [...bad, 'x'.repeat(513)]) {
      await refused(fs.readText(path), 'file_path_invalid')
      await refused(fs.stat(path), 'file_path_invalid')
      await refused(fs.url(path), 'file_path_invalid')
    }
    for (const path of [null, 7, {}, ['a']]) await refused(fs.stat(path), 'op_malformed')
    await fs.write('x'.repeat(512), '')
    await fs.write('...', '')
    await fs.write('__proto__/constructor', 'x')
    expect(await fs.readText('__proto__/constructor')).toBe('x')
  })

  check.room('are refused where data or options do not fit', async (room) => {
    const attempt = (work: Parameters<typeof room.batch>[0]) => room.batch(work)
    await refused(
      attempt(async (_, fs) => fs.write('a', { n: 1 })),
      'file_invalid',
    )
    await refused(
      attempt(async (_, fs) => fs.write('a', undefined)),
      'file_invalid',
    )
    await refused(
      attempt(async (_, fs) => fs.writeJson('a', undefined)),
      'file_invalid',
    )
    for (const options of [
      { type: 'text/html; charset=utf-8' },
      { type: 'text' },
      { type: 'a/b\r\nX: y' },
      { expire: 0 },
      { expire: -1 },
      { expire: Number.NaN },
      { expire: 1e11 },
    ])
      await refused(
        attempt(async (_, fs) => fs.write('a', 'x', options)),
        'op_malformed',
      )
    await refused(
      attempt(async (_, fs) => fs.expire('a', 0)),
      'op_malformed',
    )
    await refused(
      attempt(async (_, fs) => fs.list('', { limit: 1_001 })),
      'op_malformed',
    )
    await refused(
      attempt(async (_, fs) => fs.read('a', { from: -1 })),
      'op_malformed',
    )
    const whole = 'x'.repeat(LIMITS.fileWriteBytes)
    await room.batch((_, fs) => fs.write('whole', whole))
    await refused(
      room.batch((_, fs) => fs.write('more', `${whole}x`)),
      'file_too_large',
    )
    await refused(
      room.batch((_, fs) => fs.write('more', Buffer.from(`${whole}x`))),
      'file_too_large',
    )
    expect(await paths(room)).toEqual(['whole'])
  })

  check.room('that a view writes expire, and never take the place of those that stay', async (room) => {
    await room.batch((_, fs) => fs.write('kept', 'by a handler'))
    const inView = (options?: { expire?: number }, path = 'plot') =>
      room.view((_, fs) => fs.write(path, 'drawn', options))
    await inView({ expire: 60 })
    expect(await read(room, 'plot')).toBe('drawn')
    await inView({ expire: 60 })
    await refused(inView(), 'write_denied')
    await refused(inView({ expire: LIMITS.transientFileSeconds + 1 }), 'write_denied')
    await refused(inView({ expire: 60 }, 'kept'), 'write_denied')
    await refused(
      room.view((_, fs) => fs.append('plot', 'x')),
      'write_denied',
    )
    await refused(
      room.view((_, fs) => fs.delete('plot')),
      'write_denied',
    )
    await refused(
      room.view((_, fs) => fs.expire('plot', 60)),
      'write_denied',
    )
    // What a handler has taken over is no view's any more.
    await room.batch((_, fs) => fs.expire('plot', 600))
    await refused(inView({ expire: 60 }), 'write_denied')
    expect(await read(room, 'kept')).toBe('by a handler')
    expect(await read(room, 'plot')).toBe('drawn')
    room.nowMs += 600_000
    await inView({ expire: 60 })
  })

  check.room('of views take half of the quota at most, and leave the rest to handlers', async (room) => {
    room.store.maxFileBytes = 100 * KB
    const inView = (path: string) =>
      room.view((_, fs) => fs.write(path, randomBytes(30 * KB), { expire: 60 }))
    await inView('a')
    await refused(inView('b'), 'files_full')
    await inView('a')
    await room.batch((_, fs) => fs.write('c', randomBytes(60 * KB)))
    expect(await paths(room)).toEqual(['a', 'c'])
  })

  check.room('are written by a view between two batches, not inside of one', async (room) => {
    const order: string[] = []
    let writing: Promise<void> = Promise.resolve()
    await room.batch(async (_, fs) => {
      await fs.write('a', 'x')
      writing = room
        .view((_inView, files) => files.write('b', 'y', { expire: 60 }))
        .then(() => void order.push('view'))
      await sleep(50)
      order.push('batch')
    })
    await writing
    expect(order).toEqual(['batch', 'view'])
    expect(await paths(room)).toEqual(['a', 'b'])
  })

  check.room('are not looked for when nobody waits any more', async (room) => {
    const late = performance.now() - 1
    const stat = { op: 'stat', nowMs: room.nowMs } as const
    const write = Buffer.from('{"path":"a","as":"text","expire":60}\nx')
    await expect(room.store.readFiles(stat, '{"path":"a"}', late)).rejects.toMatchObject({
      code: 'time_limit',
    })
    await expect(room.store.writeTransient(write, room.nowMs, late)).rejects.toMatchObject({
      code: 'time_limit',
    })
    expect(await paths(room)).toEqual([])
  })
})
