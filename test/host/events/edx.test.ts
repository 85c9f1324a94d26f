import { describe, expect, test } from 'vitest'
import { one } from './intake.ts'

const KEY = 'course-v1:edX+DemoX+Demo_Course'

describe('the type', () => {
  test.each([
    [
      'name wins over event_type',
      { name: 'edx.ui.lms.sequence.tab_selected', event_type: 'seq_goto' },
      'edx.ui.lms.sequence.tab_selected',
    ],
    ['event_type without a name', { event_type: 'play_video', name: ' ' }, 'play_video'],
    [
      'an address, for implicit server events',
      { event_type: '/courses/a/b/c/about', event_source: 'server' },
      '/courses/a/b/c/about',
    ],
    [
      'the bus envelope',
      { name: 'edx.bookmark.added', timestamp: '2026-01-01T00:00:00Z', data: {} },
      'edx.bookmark.added',
    ],
    [
      'an xAPI verb',
      { actor: { mbox: 'mailto:a@b.c' }, verb: { id: 'http://adlnet.gov/expapi/verbs/answered' } },
      'http://adlnet.gov/expapi/verbs/answered',
    ],
    [
      'a Caliper event',
      {
        '@context': 'http://purl.imsglobal.org/ctx/caliper/v1p2',
        type: 'AssessmentEvent',
        action: 'Started',
      },
      'AssessmentEvent',
    ],
    ['an event of nobody we know', { type: 'door_opened' }, 'door_opened'],
    ['nothing at all', { a: 1 }, ''],
  ])('%s', (_, event, type) => {
    expect(one(event).props.type).toBe(type)
  })
})

describe('the payload', () => {
  const payload = (event: unknown, type = 'play_video') => one({ event_type: type, event }).event

  test('an object stays', () => expect(payload({ id: 'v', n: 1 })).toEqual({ id: 'v', n: 1 }))
  test('a text of JSON is parsed', () =>
    expect(payload('{"id":"v","currentTime":1.5}')).toEqual({ id: 'v', currentTime: 1.5 }))
  test('a list stays, as text or not', () => {
    expect(payload(['i4x://a/b', '<p>'], 'problem_graded')).toEqual(['i4x://a/b', '<p>'])
    expect(payload('["i4x://a/b","<p>"]', 'problem_graded')).toEqual(['i4x://a/b', '<p>'])
  })
  test('nothing becomes an empty object', () => {
    for (const nothing of ['', ' ', null, undefined]) expect(payload(nothing)).toEqual({})
  })
  test('the form fields of a browser problem_check become an object', () => {
    expect(
      payload(
        'input_p_2_1=yes&input_p_3_1%5B%5D=choice_0&input_p_3_1%5B%5D=choice_2&input_p_4_1%5B%5D=x&a=1&a=2',
        'problem_check',
      ),
    ).toEqual({
      input_p_2_1: 'yes',
      'input_p_3_1[]': ['choice_0', 'choice_2'],
      'input_p_4_1[]': ['x'],
      a: ['1', '2'],
    })
  })
  test('form fields may have any name', () => {
    const fields = payload('__proto__=1&constructor=2', 'problem_check') as object
    expect(Object.entries(fields)).toEqual([
      ['__proto__', '1'],
      ['constructor', '2'],
    ])
  })
  test('a text that only looks like form fields stays one elsewhere', () =>
    expect(payload('a=b')).toBe('a=b'))
  test('what was cut stays a text', () => {
    const post = `{"POST": {"input": ["${'x'.repeat(600)}`.slice(0, 512)
    expect(payload(post)).toBe(post)
    const fields = `input_1=${'x'.repeat(600)}`.slice(0, 512)
    expect(payload(fields, 'problem_check')).toBe(fields)
  })
  test('a text that hides deep nesting stays a text', () => {
    const deep = `${'['.repeat(5000)}${']'.repeat(5000)}`
    expect(payload(deep)).toBe(deep)
  })
  test('line ends are trimmed off ids', () => {
    expect(payload({ id: 'i4x-video\n' })).toEqual({ id: 'i4x-video' })
    expect(payload('{"id":"i4x-video\\n"}')).toEqual({ id: 'i4x-video' })
  })
})

describe('the bus envelope', () => {
  test('keeps its keys and gains those of the log', () => {
    const sent = {
      name: 'edx.x',
      timestamp: '2026-01-02T03:04:05.678901+00:00',
      data: { id: 'v\n' },
      context: { course_id: KEY },
    }
    expect(one(sent)).toMatchObject({
      ...sent,
      event_type: 'edx.x',
      time: sent.timestamp,
      event: { id: 'v' },
      props: { type: 'edx.x', time: '2026-01-02T03:04:05.678Z', course: KEY },
    })
  })
  test('a mixture keeps what it has', () => {
    const mixed = {
      name: 'edx.x',
      event_type: 'x',
      time: '2026-01-02T03:04:05Z',
      timestamp: '2020-01-01T00:00:00Z',
      data: { a: 1 },
      event: { b: 2 },
    }
    expect(one(mixed)).toMatchObject(mixed)
  })
})

describe('the course', () => {
  const course = (event: object) => one({ event_type: 'x', ...event })
  test.each([
    ['the context', { context: { course_id: 'edX/DemoX/Demo_Course' } }, 'edX/DemoX/Demo_Course'],
    ['an encoded context', { context: { course_id: 'course-v1%3AedX%2BDemoX%2BDemo_Course' } }, KEY],
    [
      'a context whose plus signs were lost',
      { context: { course_id: 'course-v1:edX DemoX Demo_Course' } },
      KEY,
    ],
    ['the payload', { context: { course_id: '' }, event: { course_id: KEY } }, KEY],
    ['the payload as text', { event: JSON.stringify({ course_id: KEY }) }, KEY],
    ['the page', { page: `https://x.org/courses/${KEY}/courseware/1/` }, KEY],
    ['an encoded page', { page: 'https://x.org/courses/course-v1%3AedX%2BDemoX%2BDemo_Course/about' }, KEY],
    [
      'an old key',
      { page: 'http://x.org/courses/edX/DemoX/Demo_Course/courseware/0b/' },
      'edX/DemoX/Demo_Course',
    ],
    [
      'an old key at the end',
      { page: 'http://x.org/courses/edX/DemoX/Demo_Course?x=1' },
      'edX/DemoX/Demo_Course',
    ],
    [
      'a course of coaches',
      { page: 'http://x.org/courses/ccx-v1:edX+DemoX+Demo+ccx@7/ccx_coach' },
      'ccx-v1:edX+DemoX+Demo+ccx@7',
    ],
    ['the type', { event_type: `/courses/${KEY}/xblock/block-v1:edX/handler`, page: null }, KEY],
    ['the learning front end', { page: `https://apps.x.org/learning/course/${KEY}/home` }, KEY],
    [
      'the referer',
      { referer: `https://x.org/login?next=%2Fcourses%2Fcourse-v1%3AedX%2BDemoX%2BDemo_Course%2Fabout` },
      KEY,
    ],
  ])('comes from %s', (_, event, key) => {
    const read = course(event)
    expect(read.props.course).toBe(key)
    if (!/\S/.test(String((event as { context?: { course_id: string } }).context?.course_id ?? '')))
      expect(read.context).toMatchObject({ course_id: key })
  })
  test.each([
    'http://x.org/courses/',
    'http://x.org/courses/a/b',
    'http://x.org/dashboard',
    `http://x.org/courses/course-v1:`,
    7,
    null,
  ])('is not in the page %s', (page) => {
    const read = course({ page })
    expect(read.props).not.toHaveProperty('course')
    expect(read.context).toEqual({})
  })
  test('a broken percent encoding does no harm', () =>
    expect(course({ page: 'http://x.org/courses/course-v1:a+b+c%zz/' }).props.course).toBe(
      'course-v1:a+b+c%zz',
    ))
})

describe('the user', () => {
  test.each([
    [{ username: 'ada\n' }, 'ada'],
    [{ username: '', context: { user_id: 12 } }, '12'],
    [{ username: ' ', context: { user_id: '12' } }, '12'],
    [{ user_id: '7\n' }, '7'],
    [{ context: { username: 'ada', user_id: 1 } }, 'ada'],
    [{ username: '', context: { user_id: '' } }, undefined],
    [{ username: null, context: { user_id: null } }, undefined],
  ])('%j → %s', (event, user) => {
    expect(one({ event_type: 'x', ...event }).props.user).toBe(user)
  })
  test('xAPI names an account or a mailbox', () => {
    const verb = { id: 'v' }
    expect(
      one({ verb, actor: { account: { name: ' ada ', homePage: 'h' }, mbox: 'mailto:x@y.z' } }).props.user,
    ).toBe('ada')
    expect(one({ verb, actor: { mbox: 'mailto:ada@x.org' } }).props.user).toBe('ada@x.org')
  })
})

describe('the time', () => {
  test.each([
    ['2014-05-02T16:44:35.901775+00:00', '2014-05-02T16:44:35.901Z'],
    ['2014-05-02T16:44:35.901775', '2014-05-02T16:44:35.901Z'],
    ['2014-05-02 16:44:35', '2014-05-02T16:44:35.000Z'],
    ['2014-05-02T16:44:35,5Z', '2014-05-02T16:44:35.500Z'],
    ['2014-05-02T23:30:00.000-02:30', '2014-05-03T02:00:00.000Z'],
    ['2014-05-02T23:30-02', '2014-05-03T01:30:00.000Z'],
    ['2014-05-02T23:30:00+0100', '2014-05-02T22:30:00.000Z'],
    ['2014-02-31T00:00:00.123456+00:00', '2014-03-03T00:00:00.123Z'],
    [1399049075, '2014-05-02T16:44:35.000Z'],
    [1399049075901, '2014-05-02T16:44:35.901Z'],
    ['2014-05-02', undefined],
    ['2014-13-02T00:00:00.000Z', undefined],
    ['2014-05-02T25:00:00.000Z', undefined],
    ['foo 1', undefined],
    ['', undefined],
    [-1, undefined],
    [1e300, undefined],
    [null, undefined],
  ])('%s → %s', (time, iso) => {
    expect(one({ event_type: 'x', time }).props.time).toBe(iso)
  })
  test('Caliper has an eventTime', () =>
    expect(
      one({ '@context': ['http://purl.imsglobal.org/ctx/caliper/v1p2'], eventTime: '2026-01-01T00:00:00Z' })
        .props.time,
    ).toBe('2026-01-01T00:00:00.000Z'))
})

describe('raw keys', () => {
  test('props of an event move to props.raw', () => {
    const read = one({ event_type: 'x', props: { id: 'forged' }, a: 1 })
    expect(read.a).toBe(1)
    expect(read.props).toMatchObject({ type: 'x', raw: { id: 'forged' } })
    expect(read.props.id).not.toBe('forged')
  })
  test('xAPI, Caliper and other objects gain nothing but props', () => {
    for (const event of [
      { verb: { id: 'v' }, actor: {}, context: { x: 1 } },
      { '@context': 'http://purl.imsglobal.org/ctx/caliper/v1', id: 'urn:1' },
      { a: { b: [1, null] } },
      {},
    ]) {
      const { props, ...rest } = one(event)
      expect(rest).toEqual(event)
      expect(props).toHaveProperty('id')
    }
  })
  test('an edX event without context and payload has both, empty', () => {
    expect(one({ event_type: 'x' })).toMatchObject({ context: {}, event: {} })
    expect(one({ event_type: 'x', context: null, event: null })).toMatchObject({ context: {}, event: {} })
  })
})
