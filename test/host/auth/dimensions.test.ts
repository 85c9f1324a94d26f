import { describe, expect, test } from 'vitest'
import { authorise, authorisePlugin, type Scope } from '../../../host/auth/dimensions.ts'
import { toCaller } from '../../../host/auth/tokens.ts'

const NONE: string[] = []
const USER = ['user']
const COURSE = ['course']
const BOTH = ['user', 'course']

const CALLERS = {
  'a student': toCaller({ role: 'student', user: 'ann' }),
  'a student of c1': toCaller({ role: 'student', user: 'ann', courses: ['c1'] }),
  'an instructor of c1': toCaller({ role: 'instructor', user: 'ina', courses: ['c1'] }),
  'an instructor who is nobody': toCaller({ role: 'instructor', courses: ['c1'] }),
  'a researcher': toCaller({ role: 'researcher' }),
  'a researcher of c1': toCaller({ role: 'researcher', courses: ['c1'] }),
  'a researcher for bob': toCaller({ role: 'researcher', user: 'bob' }),
  'an author': toCaller({ role: 'author', user: 'ada' }),
  'an author with c1': toCaller({ role: 'author', user: 'ada', courses: ['c1'] }),
  'an admin': toCaller({ role: 'admin' }),
  'an ingest token': toCaller({ role: 'ingest' }),
}

type Rule = [who: keyof typeof CALLERS, asks: string[], asked: Scope, outcome: Scope | string]

describe('whose data a call is about', () => {
  test.each<Rule>([
    ['a student', NONE, {}, {}],
    ['a student', NONE, { user: 'bob', course: 'c1' }, {}],
    ['a student', USER, {}, { user: 'ann' }],
    ['a student', USER, { user: 'ann' }, { user: 'ann' }],
    ['a student', USER, { user: '' }, { user: 'ann' }],
    ['a student', USER, { user: 'bob' }, 'user_denied'],
    ['a student', BOTH, { course: 'c2' }, { user: 'ann', course: 'c2' }],
    ['a student', BOTH, { course: 'c2', user: 'bob' }, 'user_denied'],
    ['a student', BOTH, {}, 'bad_parameter'],
    ['a student', COURSE, { course: 'c1' }, 'role_denied'],
    ['a student of c1', BOTH, { course: 'c1' }, { user: 'ann', course: 'c1' }],
    ['a student of c1', BOTH, { course: 'c2' }, 'course_denied'],
    ['a student of c1', COURSE, { course: 'c1' }, 'role_denied'],

    ['an instructor of c1', NONE, {}, {}],
    ['an instructor of c1', COURSE, { course: 'c1' }, { course: 'c1' }],
    ['an instructor of c1', COURSE, { course: 'c2' }, 'course_denied'],
    ['an instructor of c1', COURSE, {}, 'bad_parameter'],
    ['an instructor of c1', BOTH, { course: 'c1', user: 'bob' }, { course: 'c1', user: 'bob' }],
    ['an instructor of c1', BOTH, { course: 'c2', user: 'bob' }, 'course_denied'],
    ['an instructor of c1', BOTH, { course: 'c2', user: 'ina' }, 'course_denied'],
    ['an instructor of c1', BOTH, { course: 'c1' }, 'bad_parameter'],
    ['an instructor of c1', USER, {}, { user: 'ina' }],
    ['an instructor of c1', USER, { user: 'bob' }, 'user_denied'],
    ['an instructor of c1', USER, { user: 'bob', course: 'c1' }, 'user_denied'],
    ['an instructor who is nobody', USER, { user: 'bob' }, 'user_denied'],

    ['a researcher', COURSE, { course: 'c2' }, { course: 'c2' }],
    ['a researcher', USER, { user: 'bob' }, 'user_denied'],
    ['a researcher', BOTH, { user: 'bob', course: 'c1' }, 'user_denied'],
    ['a researcher of c1', COURSE, { course: 'c1' }, { course: 'c1' }],
    ['a researcher of c1', COURSE, { course: 'c2' }, 'course_denied'],
    ['a researcher for bob', USER, { user: 'bob' }, { user: 'bob' }],
    ['a researcher for bob', USER, { user: 'ann' }, 'user_denied'],
    ['a researcher for bob', BOTH, { course: 'c1' }, { user: 'bob', course: 'c1' }],

    ['an author', NONE, {}, {}],
    ['an author', COURSE, { course: 'c1' }, 'course_denied'],
    ['an author', USER, {}, { user: 'ada' }],
    ['an author', USER, { user: 'bob' }, 'user_denied'],
    ['an author with c1', BOTH, { course: 'c1', user: 'bob' }, { course: 'c1', user: 'bob' }],
    ['an author with c1', BOTH, { course: 'c2', user: 'bob' }, 'course_denied'],

    ['an admin', BOTH, { course: 'c2', user: 'bob' }, { course: 'c2', user: 'bob' }],
    ['an admin', USER, {}, 'bad_parameter'],
    ['an admin', COURSE, {}, 'bad_parameter'],

    ['an ingest token', NONE, {}, 'role_denied'],
  ])('%s, at an endpoint that asks for %j, with %j → %j', (who, asks, asked, outcome) => {
    if (typeof outcome !== 'string') expect(authorise(CALLERS[who], asked, asks)).toEqual(outcome)
    else
      expect(() => authorise(CALLERS[who], asked, asks)).toThrow(expect.objectContaining({ code: outcome }))
  })

  test('a missing dimension is named, with what to write', () => {
    const ask = (asks: string[]) => () => authorise(CALLERS['an admin'], {}, asks)
    expect(ask(COURSE)).toThrow(/about one course: say which, course=…/)
    expect(ask(USER)).toThrow(/about one person: say which, user=…/)
  })

  test('a refusal does not repeat whose data was asked for', () => {
    const ask = (asked: Scope) => () => authorise(CALLERS['a student of c1'], asked, BOTH)
    expect(ask({ course: 'c1', user: 'bob' })).toThrow(expect.not.stringContaining('bob'))
    expect(ask({ course: 'secret' })).toThrow(expect.not.stringContaining('secret'))
  })

  test('a token that lists plugins opens those only', () => {
    const narrowed = toCaller({ role: 'admin', plugins: ['video'] })
    expect(() => authorisePlugin(narrowed, 'video')).not.toThrow()
    expect(() => authorisePlugin(narrowed, 'activity')).toThrow(
      expect.objectContaining({ code: 'plugin_denied' }),
    )
    expect(() => authorisePlugin(CALLERS['an admin'], 'activity')).not.toThrow()
  })
})
