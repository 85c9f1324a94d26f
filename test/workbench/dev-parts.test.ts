import { describe, expect, test } from 'vitest'
import { LyceumError } from '../../host/errors.ts'
import { claimsOf, type ViewerRole } from '../../workbench/dev/choice.ts'
import { DevClock } from '../../workbench/dev/clock.ts'
import { Faults } from '../../workbench/dev/faults.ts'
import { usersIn } from '../../workbench/dev/people.ts'
import { Records } from '../../workbench/dev/records.ts'
import { partsChangedBy } from '../../workbench/dev/stale.ts'

const SOURCE = ['one()', 'two()', 'three()'].join('\n')
const bundleOf = (content = SOURCE) => ({
  bundle: '',
  sourceMap: JSON.stringify({ version: 3, sources: ['plugin.ts'], sourcesContent: [content], mappings: '' }),
  package: { name: 'plays', version: '1.0.0' },
})

describe('the clock of lyceum dev', () => {
  test('stands where it is put, or goes on from there, or is the system’s again', () => {
    const clock = new DevClock()
    const fromMs = Date.parse('2026-03-01T09:00:00Z')
    clock.set({ fromMs, speed: 0 })
    expect([clock.nowMs(), clock.nowMs()]).toEqual([fromMs, fromMs])
    clock.set({ fromMs, speed: 1 })
    expect(clock.nowMs() - fromMs).toBeLessThan(60_000)
    clock.set({ fromMs: null, speed: 0 })
    expect(Math.abs(clock.nowMs() - Date.now())).toBeLessThan(60_000)
    expect(clock.setting).toEqual({ fromMs: null, speed: 0 })
    clock.set({ fromMs, speed: 0 })
    clock.set({ fromMs: null, speed: 1 })
    expect(Math.abs(clock.nowMs() - Date.now())).toBeLessThan(60_000)
  })

  test('begins where it is put, however long it stood before', () => {
    const clock = new DevClock()
    const madeMs = performance.now()
    while (performance.now() - madeMs < 5) clock.nowMs()
    const speed = 3_600_000
    const beforeMs = performance.now()
    clock.set({ fromMs: 0, speed })
    const nowMs = clock.nowMs()
    expect(nowMs).toBeLessThanOrEqual((performance.now() - beforeMs) * speed)
  })

  test('takes no time and no speed that are none, and stays as it was', () => {
    const clock = new DevClock()
    clock.set({ fromMs: 5, speed: 0 })
    for (const speed of [-1, Number.NaN, 3_600_001, Number.POSITIVE_INFINITY])
      expect(() => clock.set({ fromMs: null, speed })).toThrow('speed: a number from 0 to 3600000.')
    for (const fromMs of [Number.NaN, 8.64e15 + 1])
      expect(() => clock.set({ fromMs, speed: 1 })).toThrow('at: a time such as')
    expect(clock.nowMs()).toBe(5)
    clock.set({ fromMs: 5, speed: 3_600_000 })
  })
})

describe('what is wrong with a plugin', () => {
  const line = { by: 'host', level: 'error', version: '1.0.0', atMs: 1 } as const
  const failed = (message: string, endpoint = 'top') => ({
    ...line,
    endpoint,
    line: `Failed: Error: ${message}\nError: ${message}\n    at two (plugin.ts:2:1)\n    at main (plugin.ts:3:1)`,
  })

  test('of a run is told once for each thing, with how often and the lines that ran', async () => {
    const faults = new Faults('/nowhere')
    faults.runs(bundleOf())
    const first = await faults.ofRun(failed('oh'))
    expect(first).toMatchObject({
      during: 'run',
      message: 'Failed: Error: oh',
      times: 1,
      places: [{ line: 2, column: 1 }],
    })
    expect(first.places[0]?.frame).toContain('> 2 | two()')
    expect(first.places).toHaveLength(1)
    expect(first.stack).toMatch(/^\s+at two .*\n\s+at main \(plugin\.ts:3:1\)$/)
    expect(await faults.ofRun({ ...failed('oh'), atMs: 9 })).toMatchObject({ times: 2, atMs: 9 })
    await faults.ofRun(failed('oh', 'page'))
    expect(faults.all.map(({ endpoint, times }) => [endpoint, times])).toEqual([
      ['top', 2],
      ['page', 1],
    ])
    for (let n = 0; n < 30; n++) await faults.ofRun(failed(`again ${n}`))
    expect(faults.all).toHaveLength(20)
    await faults.ofRun(failed('oh'))
    expect(faults.all[0]).toMatchObject({ endpoint: 'top', times: 3 })
  })

  test('is over when another version runs, but for what is not of the plugin', async () => {
    const faults = new Faults('/nowhere')
    expect(faults.runs(bundleOf())).toBe(false)
    expect(faults.mended()).toBe(false)
    await faults.ofSave(new Error('no'))
    await faults.ofRun(failed('oh'))
    await faults.around(new LyceumError('file_unreadable', 'no such log'))
    expect(faults.all.map(({ during }) => during)).toEqual(['save', 'run', 'around'])
    // What was saved is what runs: what that did wrong it still did.
    expect(faults.mended()).toBe(true)
    expect(faults.all.map(({ during }) => during)).toEqual(['run', 'around'])
    expect(faults.runs(bundleOf())).toBe(true)
    expect(faults.all.map(({ during }) => during)).toEqual(['around'])
    expect(faults.runs(bundleOf())).toBe(false)
  })

  test('of a save says each sentence once, and shows what was refused, not what the file is by now', async () => {
    const faults = new Faults('/nowhere')
    const problems = Array.from({ length: 7 }, (_, at) => ({
      source: 'plugin.ts',
      line: at + 1,
      column: 1,
      message: `thing ${at}`,
    }))
    const error = new LyceumError('manifest_refused', 'Seven things:\nthing 0\nthing 1', { problems })
    const { message, places, code, endpoint } = await faults.ofSave(error, bundleOf('refused()'))
    expect({ message, code, endpoint }).toEqual({
      message: 'Seven things:',
      code: 'manifest_refused',
      endpoint: '',
    })
    expect(places.map((place) => place.message)).toEqual([0, 1, 2, 3, 4].map((at) => `thing ${at}`))
    expect(places[0]?.frame).toContain('> 1 | refused()')
    expect(places[1]?.frame).toBe('')
    const whole = await faults.ofSave(new LyceumError('package_invalid', 'two\nlines'))
    expect(whole).toMatchObject({ message: 'two\nlines', places: [], stack: '' })
    expect(faults.all).toHaveLength(1)
  })
})

test('a result is drawn anew when all handlers are through, not with every batch', () => {
  const handler = { endpoint: 'count', state: 'running', eventsPerSecond: 1 }
  const parts = (...cursors: number[]) =>
    partsChangedBy({ type: 'activity', head: 9, handlers: cursors.map((cursor) => ({ ...handler, cursor })) })
  expect(parts(9, 9)).toContain('result')
  for (const cursors of [[9, 8], [8], []]) expect(parts(...cursors)).not.toContain('result')
  expect(parts(8)).toEqual(['activity', 'kept'])
  expect(partsChangedBy({ type: 'clock', nowMs: 1, speed: 1 })).toContain('result')
  expect(partsChangedBy({ type: 'mended' })).toEqual(['faults', 'status'])
})

test('a page that listens again knows whether it missed something', () => {
  const [records, others] = [new Records(), new Records()]
  const heard: string[] = []
  const end = records.listen(({ type }) => heard.push(type))
  const { mark } = records
  expect(records.mark).toBe(mark)
  expect(others.mark).not.toBe(mark)
  records.tell({ type: 'mended' })
  expect(records.mark).not.toBe(mark)
  end()
  records.tell({ type: 'mended' })
  expect(heard).toEqual(['mended'])
})

test('a viewer has a name and a course, also before there are any, and an admin or researcher neither', () => {
  const claims = (role: ViewerRole, user = '', course = '') =>
    claimsOf({ endpoint: undefined, role, user, course, query: new URLSearchParams() })
  expect(claims('student')).toEqual({ role: 'student', user: 'student' })
  expect(claims('student', 'ann', 'c')).toEqual({ role: 'student', user: 'ann', courses: ['c'] })
  // Whom they look at is not who they are.
  expect(claims('instructor')).toEqual({ role: 'instructor', user: 'teacher', courses: ['none'] })
  expect(claims('instructor', 'ann', 'c')).toEqual({ role: 'instructor', user: 'teacher', courses: ['c'] })
  for (const role of ['researcher', 'admin'] as const) expect(claims(role, 'ann', 'c')).toEqual({ role })
})

test('people are offered in order, each once, and no more than fit a list', () => {
  const log = (...texts: unknown[]) => ({
    read: () => texts.map((value, seq) => ({ seq, type: '', text: JSON.stringify(value) })),
  })
  const named = (user: unknown) => ({ props: { user } })
  expect(usersIn(log(named('sam'), {}, named(7), named('ann'), named('sam')))).toEqual(['ann', 'sam'])
  const many = Array.from({ length: 300 }, (_, n) => named(`user ${n}`))
  expect(usersIn(log(...many))).toHaveLength(200)
})
