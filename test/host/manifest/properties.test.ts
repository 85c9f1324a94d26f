import { describe, expect, test } from 'vitest'
import { readManifest } from '../../../host/registry/manifest.ts'
import type { Kind } from '../../../host/registry/manifest-names.ts'
import { parseOptions } from '../../../host/registry/options.ts'

describe('options of what derives properties, and of what asks for them', () => {
  test('a property has a namespace and a condition, or neither', () => {
    expect(parseOptions('property', 'actor', undefined)).toEqual({})
    const raw = { namespace: 'tincan', when: { 'verb.id': { $exists: true } }, title: 'Actor' }
    expect(parseOptions('property', 'actor', raw)).toEqual(raw)
  })

  test('a handler asks for properties by name, and may filter on what it asks for', () => {
    expect(parseOptions('onEvent', 'a', undefined).props).toEqual([])
    const raw = {
      props: ['tincan.actor', 'weekday'],
      where: {
        'props.tincan.actor': { $exists: true },
        $or: [{ 'props.tincan.actor.name': 'ann' }, { $not: { 'props.weekday': 1 } }],
      },
    }
    expect(parseOptions('onEvent', 'a', raw)).toMatchObject(raw)
  })

  test.each<[Kind, unknown, string]>([
    ['onEvent', { props: 'tincan.actor' }, "props: write a list of properties: ['tincan.actor']"],
    ['onEvent', { props: [1] }, 'props.0: write the name of a property'],
    ['onEvent', { props: ['user'] }, 'props.0: `user` is there without being asked for'],
    ['onEvent', { props: ['a.b.c'] }, 'props.0: `a.b.c` has more than one dot'],
    ['onEvent', { props: ['__proto__.a'] }, 'props.0: `__proto__.a` is reserved'],
    ['onEvent', { props: ['a.constructor'] }, 'props.0: `a.constructor` is reserved'],
    ['onEvent', { props: ['tincan.'] }, 'props.0: `tincan.` is not a camelCase name'],
    ['onEvent', { props: ['a', 'a'] }, 'props: `a` is there twice'],
    ['onEvent', { props: ['a.b', 'a'] }, 'props: `a` and `a.b` would stand at the same place'],
    ['onEvent', { props: [...'abcdefghi'] }, 'props: at most 8 properties'],
    ['onEvent', { where: { 'props.tincan.actor': 1 } }, 'where.props.tincan.actor: `props` has id, type'],
    ['onEvent', { props: ['tincan.actor'], where: { 'props.tincan.verb': 1 } }, 'where.props.tincan.verb: '],
    ['onEvent', { props: ['tincan.actor'], where: { 'props.tincan': 1 } }, 'where.props.tincan: '],
    ['onEvent', { props: ['a'], where: { 'props.ab': 1 } }, 'where.props.ab: '],
    ['property', { namespace: 'raw' }, "namespace: `raw` is one of the host's own"],
    ['property', { namespace: '__proto__' }, 'namespace: `__proto__` is reserved'],
    ['property', { namespace: 'a.b' }, 'namespace: `a.b` is not a camelCase name'],
    ['property', { when: { 'props.tincan.actor': 1 } }, 'when.props.tincan.actor: `props` has id'],
    [
      'property',
      { where: {} },
      'where: there is no such option (there is title, description, namespace, when)',
    ],
    ['property', 'play_video', 'write an object'],
  ])('%s(%j) is refused: %s', (kind, raw, message) => {
    expect(() => parseOptions(kind, 'mine', raw)).toThrow(
      expect.objectContaining({ code: 'options_refused', message: expect.stringContaining(message) }),
    )
  })

  test('a filter on a property that nobody asked for says how to ask', () => {
    expect(() => parseOptions('onEvent', 'mine', { where: { 'props.tincan.actor.name': 'ann' } })).toThrow(
      "If a plugin derives it, ask for it beside `where`: props: ['tincan.actor']",
    )
  })
})

describe('the handler of a property', () => {
  const read = (text: string) => readManifest(`import { property } from '@lyceum/sdk'\n${text}`).endpoints[0]

  test('may ask for the event, the log and the time', () => {
    expect(read('export const actor = property(({ event, log, now }) => 1)')).toMatchObject({
      kind: 'property',
      facilities: ['event', 'log', 'now'],
      dimensions: [],
    })
  })

  test.each([
    ['async () => 1', 'is async. A property is worked out at once: write a plain function'],
    ['function* () {}', 'is a generator'],
    ['({ db }) => 1', 'asks for `db`, which a property does not have'],
    ['({ cache }) => 1', 'asks for `cache`, which a property does not have'],
    ['({ plugins: { self } }) => 1', 'asks for `plugins`, which a property does not have'],
    ['({ events }) => 1', 'asks for `events`, which a property does not have'],
    ['({ user }) => 1', 'asks for `user`, which only views and queries are about'],
  ])('%s is refused', (handler, message) => {
    expect(() => read(`export const a = property(${handler})`)).toThrow(message)
  })
})
