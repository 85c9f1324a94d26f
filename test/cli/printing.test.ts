import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ProgressLine, StepLine } from '../../cli/progress.ts'
import { columnsOf, jsonLine, onOneLine, printable } from '../../cli/terminal.ts'

const STEERS = /[^\P{C}\n\t]/u

test('JSON that is printed is the same value, on one line, and cannot steer a terminal', () => {
  const value = fc.anything({
    key: fc.string({ unit: 'binary' }),
    values: [fc.string({ unit: 'binary' }), fc.double(), fc.boolean()],
  })
  fc.assert(
    fc.property(value, (one) => {
      const text = jsonLine([one])
      expect(text).not.toMatch(/\p{C}/u)
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify([one])))
    }),
  )
})

test('text that is printed cannot steer a terminal; lines stay, unless it is to be one', () => {
  const hostile = 'a\u001b]0;title\u0007\r\u009b2J\u202eb\n\tc'
  expect(printable(hostile)).not.toMatch(STEERS)
  expect(printable(hostile).split('\n')).toHaveLength(2)
  expect(onOneLine(hostile)).not.toMatch(/\p{C}/u)
})

test('a terminal that does not know how wide it is, as in some containers, is as wide as most', () => {
  const terminal = { isTTY: true, columns: 0 }
  expect(columnsOf(terminal)).toBe(80)
  const writes: string[] = []
  const stream = { ...terminal, write: (text: string) => writes.push(text) }
  new ProgressLine(stream, 'events', 0).update({ done: 12_000, share: 0.25 }, 10_000)
  new StepLine(stream).say('Bundling')
  expect(writes[0]).toContain('12,000 events  1,200/s  0:30 left')
  expect(writes[1]).toContain('Bundling')
})
