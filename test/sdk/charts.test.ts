import { describe, expect, test } from 'vitest'
import { chart, table } from '../../sdk/index.ts'

/** What a chart is drawn from, as the guest reads it from its markup. */
function specOf(markup: unknown) {
  const text = /data-spec='([^']*)'/.exec(String(markup))?.[1] ?? ''
  const characters = new Map([
    ['&amp;', '&'],
    ['&#39;', "'"],
    ['&lt;', '<'],
    ['&gt;', '>'],
    ['&quot;', '"'],
  ])
  return JSON.parse(text.replace(/&(?:amp|#39|lt|gt|quot);/g, (entity) => characters.get(entity) ?? ''))
}
const descriptionOf = (markup: unknown) => /aria-label="([^"]*)"/.exec(String(markup))?.[1]
const histogram = (values: readonly number[], bins?: number) =>
  specOf(
    chart.histogram(
      values.map((x) => ({ x })),
      { x: 'x', ...(bins !== undefined && { bins }) },
    ),
  ).data.values.map(({ from, to, count }: Record<string, number>) => ({ from, to, count }))

describe('a histogram', () => {
  test('has about as many bars as wanted, with round bounds; the last holds its upper bound, too', () => {
    expect(histogram([0.1, 0.2, 0.3, 0.4], 3)).toEqual([
      { from: 0.1, to: 0.2, count: 1 },
      { from: 0.2, to: 0.3, count: 1 },
      { from: 0.3, to: 0.4, count: 2 },
    ])
    const ms = Date.UTC(2026, 2, 1)
    expect(histogram([ms + 1, ms + 3]).map(({ count }: { count: number }) => count)).toEqual([1, 0, 1])
    expect(histogram([7.5])).toEqual([{ from: 7, to: 8, count: 1 }])
    const long = 100_000_000_000_001
    expect(histogram([long, long + 2, long + 2]).map(({ count }: { count: number }) => count)).toEqual([
      1, 0, 2,
    ])
    expect(histogram([7, 7])).toEqual([{ from: 6.5, to: 7.5, count: 2 }])
  })
  test('has at least one bar, and never so many that nothing is seen', () => {
    const values = Array.from({ length: 1_000 }, (_, at) => at)
    expect(histogram(values, 0).length).toBeGreaterThan(0)
    expect(histogram(values, 1_000_000).length).toBeLessThanOrEqual(200)
  })
})

test('whatever is in the rows is drawn as it is', () => {
  const name = `&#39; &quot; &amp;lt; ' " < > \\ </script>`
  const { data } = specOf(chart.bar([{ name, n: 1 }], { x: 'name', y: 'n' }))
  expect(data.values[0].x).toBe(name)
})

test('a chart is described by the least and the most, wherever values are missing; what its author says comes first', () => {
  const rows = [
    { day: 'Mon', n: null },
    { day: 'Tue', n: 5 },
    { day: 'Wed', n: 2 },
  ]
  const options = { x: 'day', y: 'n' } as const
  expect(descriptionOf(chart.bar(rows, options))).toBe(
    'Bars: N by Day. 3 values, the lowest 2 (Wed), the highest 5 (Tue).',
  )
  expect(descriptionOf(chart.bar(rows, { ...options, title: 'Days', description: 'Few.' }))).toBe(
    'Days. Few.',
  )
})

test('below a chart stand its first hundred rows, each field once', () => {
  const rows = Array.from({ length: 101 }, (_, n) => ({ name: `${'x'.repeat(900)}${n}`, n }))
  const markup = chart.bar(rows, { x: 'name', y: 'n', color: 'name' })
  expect(String(markup)).toContain('The first 100 of 101 rows.')
  expect(String(markup).match(/<th /g)).toHaveLength(2)
  // A name in the description is long enough to know it by.
  expect(descriptionOf(markup)?.length).toBeLessThan(300)
  const grades = [1, 9, 9, 9.5].map((grade) => ({ grade }))
  expect(descriptionOf(chart.histogram(grades, { x: 'grade', bins: 2 }))).toContain(
    'The most, 3, have 5 to 10.',
  )
})

test('width and height are those that the author gives, of whatever kind the chart is', () => {
  const size = { width: 300, height: 90 }
  const rows = [{ x: 1, y: 2 }]
  expect(specOf(chart.bar(rows, { x: 'x', y: 'y', ...size }))).toMatchObject(size)
  expect(specOf(chart.histogram(rows, { x: 'x', ...size }))).toMatchObject(size)
})

test('bars are stacked, stand beside each other or show shares, and are sorted either way', () => {
  const rows = [{ x: 'a', y: 2, c: 'p' }]
  const encoding = (options: object) =>
    specOf(chart.bar(rows, { x: 'x', y: 'y', color: 'c', ...options })).encoding
  expect(encoding({}).y).toMatchObject({ aggregate: 'sum', stack: 'zero' })
  expect(encoding({ stack: 'share' }).y.stack).toBe('normalize')
  expect(encoding({ stack: false })).toMatchObject({ y: { stack: null }, xOffset: { field: 'color' } })
  expect(encoding({ sort: '-y' }).x.sort).toBe('-y')
  expect(encoding({ sort: 'y', horizontal: true }).y.sort).toBe('x')
  expect(encoding({ sort: '-x' }).x.sort).toBe('descending')
})

test('a table shows the fields that any of its first rows has, and is sorted by what a cell stands for', () => {
  const rows = [{ a: 1 }, { a: 2, b: 'two' }]
  const text = String(table(rows, { columns: ['a', { key: 'b', cell: (row) => `<${row.b}>` }], limit: 1 }))
  expect(text).toContain('data-order=""')
  expect(text).toContain('The first 1 of 2 rows.')
  expect(String(table<{ a: number }>(rows))).toContain('two')
  expect(String(table(rows))).not.toContain('lyceum-note')
})

test('days with gaps are days, and names of which some look like days are names', () => {
  const encoding = (days: readonly (string | null)[]) =>
    specOf(
      chart.bar(
        days.map((day) => ({ day, n: 1 })),
        { x: 'day', y: 'n' },
      ),
    ).encoding.x
  expect(encoding(['2026-02-02', null])).toMatchObject({ type: 'temporal', timeUnit: 'utcyearmonthdate' })
  expect(encoding(['2026-02-02T10:00Z']).timeUnit).toBe('utcyearmonthdatehours')
  expect(encoding(['2026-02-02', 'never']).type).toBe('nominal')
})

test('bars for weeks are as thick as weeks, and two Mondays are days', () => {
  const drawn = (days: readonly string[], options: object = {}) =>
    specOf(
      chart.bar(
        days.map((day) => ({ day, n: 1, c: 'a' })),
        { x: 'day', y: 'n', ...options },
      ),
    )
  const weeks = ['2026-02-02', '2026-02-09', '2026-03-02']
  expect(drawn(weeks).mark.width).toEqual({ expr: "0.8 * abs(scale('x', 604800000) - scale('x', 0))" })
  expect(drawn(weeks).encoding.x.scale.domain).toEqual([
    { expr: String(Date.UTC(2026, 0, 29, 12)) },
    { expr: String(Date.UTC(2026, 2, 5, 12)) },
  ])
  expect(drawn(weeks, { horizontal: true }).mark.height.expr).toContain("scale('y', 0)")
  for (const days of [
    drawn(weeks.slice(1)),
    drawn([...weeks, '2026-03-03']),
    drawn(weeks, { color: 'c', stack: false }),
  ])
    expect(days.mark.width).toEqual({ band: 0.8 })
})

test('a specification has a table where its values are rows', () => {
  const spec = (values: readonly unknown[]) =>
    String(chart.spec({ data: { values } }, { description: 'Points.' }))
  expect(spec([{ a: 1 }])).toContain('<table')
  for (const values of [[], [1, 2], [{ a: 1 }, 2]]) expect(spec(values)).not.toContain('<table')
  for (const given of [null, [], 'bar'])
    expect(() => Reflect.apply(chart.spec, chart, [given, { description: 'Points.' }])).toThrow(
      'is an object',
    )
  expect(() => chart.spec({}, { description: '' })).toThrow('what the chart shows')
  expect(() => Reflect.apply(chart.spec, chart, [{ mark: 'bar' }])).toThrow('what the chart shows')
  expect(() => chart.spec({ data: [{ a: 1 }] }, { description: 'Points.' })).toThrow('data: { values: rows }')
})

test('what stands behind the rows is one object', () => {
  const rows = [{ a: 1 }]
  for (const name of ['bar', 'line', 'area', 'heatmap', 'histogram', 'timeline'] as const)
    for (const [given, called] of [
      [undefined, 'undefined'],
      ['a', 'a string'],
      [['a'], 'an array'],
    ])
      expect(() => Reflect.apply(chart[name], chart, [rows, given])).toThrow(
        new RegExp(
          `^chart.${name}: behind the rows stands one object, such as { .*, and this is ${called}.$`,
        ),
      )
  expect(() => Reflect.apply(table, undefined, [rows, ['a']])).toThrow("such as { columns: ['video', 'n'] }")
})

test('a column stands where it is told to', () => {
  expect(String(table([{ n: 1 }], { columns: [{ key: 'n', align: 'center' }] }))).toContain(
    'class="center short"',
  )
  expect(() => table([[1]])).toThrow('row 0 is an array')
})
