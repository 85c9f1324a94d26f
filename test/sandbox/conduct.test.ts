import { pino } from 'pino'
import { beforeEach, describe, expect, test } from 'vitest'
import { Conduct } from '../../host/registry/conduct.ts'

const MINUTE = 60_000
let nowMs: number
let told: (readonly [string, string | undefined])[]
let conduct: Conduct
beforeEach(() => {
  nowMs = 0
  told = []
  conduct = new Conduct({
    logger: pino({ level: 'silent' }),
    nowMs: () => nowMs,
    quarantined: new Map([['old', 'what it did']]),
    onQuarantine: (plugin, reason) => told.push([plugin, reason]),
  })
})
const strike = (plugin: string, times = 1) => {
  for (let at = 0; at < times; at++) conduct.strike(plugin, 'over_cpu', 'It span.')
}
const lose = (suspects: string[], certain: boolean) => conduct.lost({ reason: 'it hung', suspects, certain })

test('one strike puts a plugin on probation for ten minutes', () => {
  strike('a')
  expect(conduct.of('a')).toEqual({ strikes: 1, onProbation: true, quarantined: undefined })
  expect(conduct.onProbation('b')).toBe(false)
  nowMs = 10 * MINUTE
  expect(conduct.of('a')).toEqual({ strikes: 0, onProbation: false, quarantined: undefined })
})

test('twenty strikes within ten minutes quarantine, and the reason says how often and what', () => {
  strike('a', 19)
  expect(conduct.of('a').quarantined).toBeUndefined()
  strike('a')
  expect(conduct.of('a').quarantined).toContain('20 times within ten minutes')
  expect(conduct.of('a').quarantined).toContain('over_cpu: It span.')
  expect(told).toEqual([['a', conduct.of('a').quarantined]])
})

test('strikes that lie far apart never quarantine', () => {
  for (let at = 0; at < 100; at++) {
    strike('a')
    nowMs += MINUTE
  }
  expect(conduct.of('a').quarantined).toBeUndefined()
})

describe('a process that is lost', () => {
  test('quarantines after five times whoever did it for certain', () => {
    for (let at = 0; at < 4; at++) lose(['a'], true)
    expect(conduct.of('a').quarantined).toBeUndefined()
    lose(['a'], true)
    expect(conduct.of('a').quarantined).toContain('took down its process 5 times')
    expect(conduct.of('a').quarantined).toContain('it hung')
  })

  test('never quarantines or strikes those who may be innocent, however often', () => {
    for (let at = 0; at < 100; at++) lose(['a', 'b'], false)
    expect(conduct.of('a')).toEqual({ strikes: 0, onProbation: true, quarantined: undefined })
    expect(told).toEqual([])
  })

  test('puts who is suspected once on probation for half a minute, who is suspected again for ten', () => {
    lose(['a', 'b'], false)
    nowMs = MINUTE / 2
    expect(conduct.onProbation('a')).toBe(false)
    lose(['a', 'c'], false)
    nowMs += MINUTE / 2
    expect(conduct.onProbation('a')).toBe(true)
    expect(conduct.onProbation('c')).toBe(false)
  })

  test('does not shorten a probation', () => {
    strike('a')
    lose(['a', 'b'], false)
    nowMs = 5 * MINUTE
    expect(conduct.onProbation('a')).toBe(true)
  })
})

test('forgiving forgets everything, and a quarantine of an earlier run too', () => {
  expect(conduct.of('old').quarantined).toBe('what it did')
  conduct.forgive('old')
  strike('a', 20)
  conduct.forgive('a')
  expect(conduct.of('a')).toEqual({ strikes: 0, onProbation: false, quarantined: undefined })
  expect(told.map(([plugin, reason]) => [plugin, reason === undefined])).toEqual([
    ['old', true],
    ['a', false],
    ['a', true],
  ])
})
