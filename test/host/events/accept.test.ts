import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { bomb, bytes, intake, JSON_BODY, NDJSON, SMALL_LIMITS } from './intake.ts'

const A = '{"event_type":"a","time":"2026-01-01T00:00:00Z"}'
const B = '{"event_type":"b","time":"2026-01-01T00:00:00Z"}'

function types(body: string | Uint8Array, about = {}): unknown[] {
  return intake(body, about).events.map(({ event_type }) => event_type)
}

function codes(body: string, about = {}): [number, string][] {
  return intake(body, about).rejected.map(({ index, code }) => [index, code])
}

describe('a body', () => {
  test.each([
    ['one object', A, JSON_BODY, ['a']],
    ['one object on several lines', JSON.stringify(JSON.parse(A), null, 2), JSON_BODY, ['a']],
    ['an array', `[${A}, ${B}]`, JSON_BODY, ['a', 'b']],
    ['an array on several lines', `[\n${A},\n${B}\n]\n`, JSON_BODY, ['a', 'b']],
    ['an empty array', ' [ ] ', JSON_BODY, []],
    ['lines', `${A}\n${B}\n`, NDJSON, ['a', 'b']],
    ['lines of Windows', `${A}\r\n\r\n${B}\r\n`, NDJSON, ['a', 'b']],
    ['lines that say they are JSON', `${A}\n${B}`, JSON_BODY, ['a', 'b']],
    ['lines that say nothing', `\n\n${A}\n${B}`, {}, ['a', 'b']],
    [
      'lines as curl sends a file',
      `# exported\n${A}\n`,
      { contentType: 'application/x-www-form-urlencoded' },
      ['a'],
    ],
    [
      'a line from syslog',
      `May  1 08:01:02 host [tracking][env:prod] INFO [x] - ${A}`,
      { contentType: 'text/plain' },
      ['a'],
    ],
    ['lines with a byte-order mark', `\ufeff${A}\n${B}`, NDJSON, ['a', 'b']],
    ['an array with a byte-order mark', `\ufeff[${A}]`, JSON_BODY, ['a']],
    ['no lines at all', '\n \n', NDJSON, []],
  ])('may be %s', (_, body, about, expected) => {
    expect(types(body, about)).toEqual(expected)
  })

  test('may be gzip, with or without saying so', () => {
    for (const contentEncoding of ['gzip', 'x-gzip', 'GZIP', undefined, 'identity'])
      expect(types(gzipSync(`${A}\n${B}`), { ...NDJSON, contentEncoding })).toEqual(['a', 'b'])
  })

  test('may be gzip files one after the other', () => {
    expect(types(Buffer.concat([gzipSync(`${A}\n`), gzipSync(B)]))).toEqual(['a', 'b'])
  })

  test.each([
    ['nothing', '', {}],
    ['blanks', ' \n', JSON_BODY],
    ['half an object', '{"a":', JSON_BODY],
    ['no JSON', 'hello', JSON_BODY],
    ['half an array', `[${A},`, JSON_BODY],
    ['an array with a bad item', `[${A},{"a":1,}]`, JSON_BODY],
    ['an array with a comma too many', `[${A},]`, JSON_BODY],
    ['an array that only has commas', `[,]`, JSON_BODY],
    ['an array with something after it', `[${A}] x`, JSON_BODY],
    ['gzip that is none', A, { contentEncoding: 'gzip' }],
    ['half of a gzip file', gzipSync(A.repeat(100)).subarray(0, 40), {}],
  ])('that is %s is refused as a whole', (_, body, about) => {
    expect(() => intake(body, about)).toThrow(expect.objectContaining({ code: 'body_unreadable' }))
  })

  test('that is not JSON is refused with the place', () => {
    expect(() => intake('{"a":1 "b":2}', JSON_BODY)).toThrow(/position 7/)
    expect(() => intake(`[${A},{"a" 1}]`, JSON_BODY)).toThrow(/index 1 at byte 50/)
  })

  test('in another encoding is refused', () => {
    expect(() => intake(A, { contentEncoding: 'br' })).toThrow(
      expect.objectContaining({ code: 'unsupported_encoding' }),
    )
  })

  test('that unpacks to more than is allowed is refused', () => {
    const { unpackedBodyBytes } = SMALL_LIMITS
    expect(() => intake(bomb(unpackedBodyBytes + 1))).toThrow(
      expect.objectContaining({ code: 'body_too_large' }),
    )
    expect(intake(bomb(unpackedBodyBytes), NDJSON)).toMatchObject({ events: [], rejected: [] })
  })

  test('with too many events is refused, and with just as many is not', () => {
    const { eventsPerRequest } = SMALL_LIMITS
    expect(intake(`[${Array(eventsPerRequest).fill('{}')}]`).events).toHaveLength(eventsPerRequest)
    for (const body of [`[${Array(eventsPerRequest + 1).fill('{}')}]`, '{}\n'.repeat(eventsPerRequest + 1)])
      expect(() => intake(body)).toThrow(expect.objectContaining({ code: 'body_too_large' }))
  })
})

describe('a bad event costs only itself', () => {
  test('and is named by its place among the events and by its line', () => {
    const cut = `{"event_type":"c","event":"${'x'.repeat(3000)}`.slice(0, 2043)
    const read = intake(
      [A, '', '# a comment', cut, '{"a":1,}', '[1]', '"x"', '7', 'hello', B].join('\n'),
      NDJSON,
    )
    expect(read.events).toHaveLength(2)
    expect(read.rejected.map(({ index, code }) => [index, code])).toEqual([
      [1, 'event_comment'],
      [2, 'event_truncated'],
      [3, 'event_not_json'],
      [4, 'event_not_object'],
      [5, 'event_not_object'],
      [6, 'event_not_object'],
      [7, 'event_not_json'],
    ])
    expect(read.rejected[0]?.message).toBe('Line 3 is a comment, not an event.')
    expect(read.rejected[1]?.message).toMatch(/^Line 4 .* 2,043 characters/)
    expect(read.rejected[3]?.message).toMatch(/^Line 6 is an array/)
  })

  test('even behind the prefix of syslog', () => {
    expect(codes(`May 1 host: ${A}\nMay 1 host: {"a":"cut`, NDJSON)).toEqual([[1, 'event_truncated']])
  })

  test('in an array, too, if it is JSON', () => {
    expect(codes(`[${A},null,[{}],"{}",${B}]`)).toEqual([
      [1, 'event_not_object'],
      [2, 'event_not_object'],
      [3, 'event_not_object'],
    ])
  })

  test('at one byte over the size, not at it', () => {
    const sized = (size: number) => `{"a":"${'x'.repeat(size - 8)}"}`
    const { eventBytes } = SMALL_LIMITS
    expect(codes([sized(eventBytes), sized(eventBytes + 1), '{}'].join('\n'), NDJSON)).toEqual([
      [1, 'event_too_large'],
    ])
    expect(codes(`[${sized(eventBytes)},${sized(eventBytes + 1)}]`)).toEqual([[1, 'event_too_large']])
  })

  test('and its size is looked at before it is parsed', () => {
    const large = `{\n"a":[${Array(10_000).fill('{}')}]\n}`
    expect(codes(large, JSON_BODY)).toEqual([[0, 'event_too_large']])
  })

  test('at one level over the depth, not at it', () => {
    const nested = (depth: number) => `{"a":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`
    const { eventDepth } = SMALL_LIMITS
    expect(codes([nested(eventDepth), nested(eventDepth + 1), nested(9000)].join('\n'), NDJSON)).toEqual([
      [1, 'event_too_deep'],
      [2, 'event_too_deep'],
    ])
  })
})

describe('the text', () => {
  test('is what was sent, with props after it', () => {
    const sent = '{ "verb":{"id":"v"}, "actor":{"mbox":"mailto:a@b.c"}, "n": 1.50, "s":"\\u00e9\\ud800" }'
    const { events } = intake(sent, JSON_BODY)
    expect(events[0]).toMatchObject(JSON.parse(sent))
  })

  test('is one line even if what was sent is not', () => {
    const { events } = intake(JSON.stringify([{ a: { b: 1 } }], null, 2), JSON_BODY)
    expect(events).toMatchObject([{ a: { b: 1 } }])
  })

  test('bytes that are no UTF-8 do not stop an event', () => {
    const { events } = intake(
      Buffer.concat([bytes('{"name":"J'), Buffer.from([0xe9]), bytes('"}')]),
      JSON_BODY,
    )
    expect(events[0]?.name).toBe('J\ufffd')
  })
})
