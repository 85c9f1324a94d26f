import { collection, cron, html, onEvent, query, t, view } from '@lyceum/sdk'
import { describe, expect, test } from 'vitest'

describe('endpoints are plain records', () => {
  const handler = () => null

  test.each([
    [view(handler), 'view', undefined],
    [view({ title: 'A' }, handler), 'view', { title: 'A' }],
    [query({ params: {} }, handler), 'query', { params: {} }],
    [onEvent('play_video', handler), 'onEvent', 'play_video'],
    [onEvent({ mode: 'queued' }, handler), 'onEvent', { mode: 'queued' }],
    [cron('0 4 * * *', handler), 'cron', '0 4 * * *'],
  ])('%#', (endpoint, kind, options) => {
    expect({ ...endpoint }).toEqual({ [Symbol.for('lyceum.endpoint')]: true, kind, options, handler })
    expect(Object.isFrozen(endpoint)).toBe(true)
  })

  test('a collection has indexes and readers', () => {
    expect(collection({ indexes: [{ a: 1 }] })).toMatchObject({
      kind: 'collection',
      options: { indexes: [{ a: 1 }] },
    })
  })

  test('a missing handler is said at once', () => {
    // @ts-expect-error what an author without types can write
    expect(() => view({ title: 'A' })).toThrow(
      new TypeError('view needs a handler, a function, as its last argument.'),
    )
    // @ts-expect-error what an author without types can write
    expect(() => onEvent('x')).toThrow(TypeError)
    // @ts-expect-error what an author without types can write
    expect(() => cron('x', html`x`)).toThrow(TypeError)
  })
})

describe('parameters are plain data', () => {
  test.each([
    [t.string(), { type: 'string' }],
    [t.string({ max: 5 }).optional(), { type: 'string', max: 5, required: false }],
    [
      t.number({ default: 1, min: 0, max: 2, integer: true }),
      { type: 'number', default: 1, min: 0, max: 2, integer: true },
    ],
    [t.boolean({ default: false }), { type: 'boolean', default: false }],
    [t.date({ default: new Date(0) }), { type: 'date', default: '1970-01-01T00:00:00.000Z' }],
    [t.enum(['a', 'b'], { default: 'a' }), { type: 'enum', values: ['a', 'b'], default: 'a' }],
  ])('%#', (param, data) => {
    expect(JSON.parse(JSON.stringify(param))).toEqual(data)
  })

  test('what is no rule is said, with what to write', () => {
    // @ts-expect-error what an author without types can write
    expect(() => t.number(10)).toThrow('t.number takes an object, not 10. A default is written t.number({')
    // @ts-expect-error what an author without types can write
    expect(() => t.date(null)).toThrow('t.date takes an object, not null')
    expect(() => t.date({ default: 'today' })).toThrow('t.date: the default "today" is no time')
  })
})
