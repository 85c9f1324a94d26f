import { expect, test } from 'vitest'
import { ProgressLine, StepLine, shareOf } from '../../cli/progress.ts'

const CLEAR = '\x1b[K'

/** A terminal that keeps what was written; `screen` is what a person would see. */
function terminal(columns: number) {
  const writes: string[] = []
  const screen = () => {
    const rows = ['']
    for (const part of writes
      .join('')
      .replaceAll(CLEAR, '')
      .split(/(\r|\n)/)) {
      if (part === '\n') rows.push('')
      else if (part === '\r') rows[rows.length - 1] = ''
      else rows[rows.length - 1] += part
    }
    return rows
  }
  return { isTTY: true, columns, writes, screen, write: (text: string) => writes.push(text) }
}

test('one line shows share, events, rate and time left', () => {
  const stream = terminal(100)
  const line = new ProgressLine(stream, 'events', 0)
  line.update({ done: 12_000, share: 0.25 }, 10_000)
  expect(stream.screen()).toEqual([`[${'='.repeat(7).padEnd(28)}]  25%  12,000 events  1,200/s  0:30 left`])
})

test('where the size is unknown it shows the time so far', () => {
  const stream = terminal(100)
  const line = new ProgressLine(stream, 'events', 0)
  line.update({ done: 7, share: undefined }, 3_725_000)
  expect(stream.screen()).toEqual(['7 events  0/s  1:02:05 so far'])
})

test('the line never reaches the last column, however narrow the terminal', () => {
  for (let columns = 2; columns < 120; columns++) {
    const stream = terminal(columns)
    new ProgressLine(stream, 'events', 0).update({ done: 123_456_789, share: 0.999 }, 1_000)
    expect(stream.screen()[0]?.length).toBeLessThan(columns)
  }
})

test('a terminal is drawn on ten times a second at most, each time in one write', () => {
  const stream = terminal(80)
  const line = new ProgressLine(stream, 'events', 0)
  for (let ms = 1; ms <= 1000; ms++) line.update({ done: ms, share: ms / 1000 }, ms)
  expect(stream.writes).toHaveLength(10)
})

test('anything but a terminal gets a plain line every five seconds', () => {
  const writes: string[] = []
  const line = new ProgressLine({ write: (text) => writes.push(text) }, 'events', 0)
  for (let second = 1; second <= 11; second++)
    line.update({ done: second * 100, share: second / 20 }, second * 1000)
  line.stop()
  expect(writes.map((text) => text.trim())).toEqual([
    '25%  500 events  100/s  0:15 left',
    '50%  1,000 events  100/s  0:10 left',
  ])
  expect(writes.every((text) => text.endsWith('left\n'))).toBe(true)
})

test('the rate follows a change within seconds but does not jump', () => {
  const stream = terminal(80)
  const line = new ProgressLine(stream, 'events', 0)
  const rateAfter = (ms: number, events: number) => {
    line.update({ done: events, share: undefined }, ms)
    return Number(/([\d,]+)\/s/.exec(stream.screen()[0] ?? '')?.[1]?.replaceAll(',', ''))
  }
  expect(rateAfter(20_000, 20_000)).toBe(1000)
  expect(rateAfter(21_000, 20_000)).toBeGreaterThan(500)
  expect(rateAfter(40_000, 20_000)).toBeLessThan(50)
})

test('a message stays above the line, and stop takes the line away', () => {
  const stream = terminal(60)
  const line = new ProgressLine(stream, 'events', 0)
  line.say('hello', 1)
  line.update({ done: 1, share: undefined }, 1000)
  line.say('waiting', 1000)
  expect(stream.screen()).toEqual(['hello', 'waiting', '1 events  1/s  0:01 so far'])
  line.stop()
  expect(stream.screen()).toEqual(['hello', 'waiting', ''])
})

test('a whole that grows while it is read never shows more than all, and an unknown one nothing', () => {
  expect([shareOf(5, 4), shareOf(1, 4), shareOf(1, undefined), shareOf(0, 0)]).toEqual([
    1,
    0.25,
    undefined,
    undefined,
  ])
})

test('steps are told on a terminal in one line, that goes, and nowhere else', () => {
  const stream = terminal(20)
  const steps = new StepLine(stream)
  steps.say('Bundling plugin.ts, which takes long …')
  expect(stream.screen()).toEqual(['Bundling plugin.ts,'])
  steps.stop()
  expect(stream.screen()).toEqual([''])
  const writes: string[] = []
  const silent = new StepLine({ write: (text) => writes.push(text) })
  silent.say('Bundling')
  silent.stop()
  expect(writes).toEqual([])
})
