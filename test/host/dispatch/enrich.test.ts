import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { HandlerProperties } from '../../../host/dispatch/enrich/handler-properties.ts'
import { Properties } from '../../../host/dispatch/enrich/properties.ts'
import type { Ended, EndedFailure, Invocation } from '../../../host/dispatch/invoker.ts'
import type { ErrorCode } from '../../../host/errors.ts'
import type { LogRow } from '../../../host/events/log.ts'
import { QUOTA_DEFAULTS } from '../../../host/limits.ts'
import { parseOptions } from '../../../host/registry/options.ts'
import type { ActivePlugin, PropertyEndpoint } from '../../../host/registry/plugin.ts'

/** What each call of the property got, by the numbers of its events. */
let calls: number[][]
/** What becomes of a call in place of an answer. */
let fate: (seqs: readonly number[]) => Partial<EndedFailure> | undefined
let valueFor: (seq: number) => string
let stopped: Set<string>
let told: string[]
let properties: Properties

beforeEach(() => {
  calls = []
  fate = () => undefined
  valueFor = (seq) => String(seq)
  stopped = new Set()
  told = []
  properties = new Properties({
    invoker: { run: async (invocation) => answer(invocation) },
    mayRun: (plugin) => !stopped.has(plugin),
    whyNot: (plugin) => `${plugin} is stopped.`,
    onFailure: (_, __, { message }) => told.push(message),
    onChange: () => {},
  })
  properties.add(layer('layer', { event_type: 'wanted' }))
  properties.markComplete()
})

function answer({ input }: Invocation): Ended {
  const seqs: number[] = JSON.parse(String(input)).events.map(({ seq }: { seq: number }) => seq)
  calls.push(seqs)
  const failed = fate(seqs)
  if (failed === undefined)
    return { cpuMs: 0, result: Buffer.from(seqs.map(valueFor).join('\n')), failure: undefined }
  const about = { message: '', stack: undefined, details: undefined, passing: false, struck: false }
  return { cpuMs: 0, result: Buffer.alloc(0), failure: { code: 'internal', ...about, ...failed } }
}

function layer(id: string, when: object): ActivePlugin {
  const endpoint: PropertyEndpoint = {
    kind: 'property',
    name: 'p',
    title: 'P',
    description: '',
    facilities: ['event'],
    dimensions: [],
    plugins: [],
    replicas: [],
    options: parseOptions('property', 'p', { when }),
  }
  return {
    id,
    quota: QUOTA_DEFAULTS,
    endpoints: new Map([['p', endpoint]]),
    granted: ['property.p'],
  } as unknown as ActivePlugin // a property is called by these alone
}

const row = (seq: number, type = 'wanted', more = ''): LogRow => ({
  seq,
  type,
  text: `{"seq":${seq},"more":"${more}","props":{"id":"${seq}","type":"${type}"}}`,
})
const upTo = (count: number, of: (seq: number) => LogRow = row) =>
  Array.from({ length: count }, (_, at) => of(at + 1))

async function enriched(rows: readonly LogRow[]): Promise<unknown[]> {
  const found = await properties.enrich(['p'], rows)
  if ('failure' in found) throw new Error(found.failure.code)
  return found.rows.map(({ text }) => JSON.parse(text).props.p)
}
const code = (found: ErrorCode, more: Partial<EndedFailure> = {}) => ({ code: found, ...more })

describe('a property is worked out', () => {
  test('once for all who ask for the same rows, together or later, and in batches', async () => {
    const rows = upTo(700)
    const asked = await Promise.all([
      enriched(rows.slice(0, 200)),
      enriched(rows.slice(100, 300)),
      enriched(rows.slice(0, 300)),
      enriched(rows.slice(300, 500)),
    ])
    expect(asked[2]).toEqual(rows.slice(0, 300).map(({ seq }) => seq))
    expect(calls.flat().sort((a, b) => a - b)).toEqual(upTo(500).map(({ seq }) => seq))
    await enriched(rows.slice(0, 500))
    expect(calls.flat()).toHaveLength(500)
    for (const seqs of calls) expect(seqs.length).toBeLessThanOrEqual(300)
  })

  test('again where so much was learnt that it had to be forgotten', async () => {
    valueFor = (seq) => JSON.stringify(String(seq).padEnd(4_000))
    const rows = upTo(4_608)
    for (let round = 0; round < 2; round++)
      for (let at = 0; at < rows.length; at += 256) {
        const some = rows.slice(at, at + 256)
        expect(await enriched(some)).toEqual(some.map(({ seq }) => String(seq).padEnd(4_000)))
      }
    expect(calls.flat().length).toBeGreaterThan(rows.length)
  })

  test('of those events alone that its condition matches', async () => {
    expect(await enriched([row(1), row(2, 'other'), row(3)])).toEqual([1, undefined, 3])
    expect(await enriched([row(4, 'other')])).toEqual([undefined])
    expect(calls).toEqual([[1, 3]])
  })

  test('by another version from then on', async () => {
    const rows = upTo(2)
    expect(await enriched(rows)).toEqual([1, 2])
    valueFor = (seq) => String(-seq)
    expect(await enriched(rows)).toEqual([1, 2])
    properties.remove('layer')
    properties.add(layer('layer', { event_type: 'wanted' }))
    expect(await enriched(rows)).toEqual([-1, -2])
  })
})

describe('a call that fails', () => {
  test.each<[string, Partial<EndedFailure>]>([
    ['a lost process', code('sandbox_lost', { passing: true })],
    ['too many calls', code('over_concurrency', { passing: true })],
    ['a busy machine', code('over_wall')],
    ['a bundle that cannot be loaded', code('bundle_broken')],
  ])('through %s leaves no event without its property', async (_, failure) => {
    fate = () => failure
    const found = await properties.enrich(['p'], upTo(3))
    expect(found).toMatchObject({ failure: { code: failure.code, passing: true }, revision: undefined })
    expect(calls).toHaveLength(1)
    fate = () => undefined
    expect(await enriched(upTo(3))).toEqual([1, 2, 3])
  })

  test('through one event costs that one its property, and is told once', async () => {
    fate = (seqs) =>
      seqs.includes(77) ? code('over_cpu', { struck: true, message: 'Too slow.' }) : undefined
    expect(await enriched(upTo(256))).toEqual(upTo(256).map(({ seq }) => (seq === 77 ? undefined : seq)))
    expect(calls.filter((seqs) => seqs.includes(77))).toHaveLength(4)
    expect(told).toEqual([expect.stringMatching(/^Too slow\. \(event 77;/)])
  })

  test('to answer for each event is found out in the same way', async () => {
    valueFor = (seq) => (seq === 5 ? '1\n2' : String(seq))
    expect(await enriched(upTo(16))).toEqual(upTo(16).map(({ seq }) => (seq === 5 ? undefined : seq)))
  })
})

describe('a plugin that may not run', () => {
  test('is waited for where it has to work something out, and nowhere else', async () => {
    const rows = upTo(2)
    await enriched(rows)
    stopped.add('layer')
    expect(await enriched([...rows, row(9, 'other')])).toEqual([1, 2, undefined])
    const { revision } = properties
    expect(await properties.enrich(['p'], [row(3)])).toMatchObject({
      failure: { code: 'property_unavailable', message: expect.stringContaining('layer is stopped.') },
      revision,
    })
    stopped.clear()
    properties.wake('layer')
    expect(properties.revision).not.toBe(revision)
    expect(await enriched([row(3)])).toEqual([3])
  })
})

describe('the batch of a handler that asks', () => {
  const handler = (options: object) =>
    new HandlerProperties(
      { options: parseOptions('onEvent', 'a', { props: ['p'], ...options }) } as ConstructorParameters<
        typeof HandlerProperties
      >[0],
      properties,
    )

  test('is what its filter lets through, in order, cut where it became too large, with nothing between lost', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ skip: fc.boolean(), chars: fc.constantFrom(0, 4_000) }), { maxLength: 256 }),
        async (each) => {
          valueFor = (seq) =>
            JSON.stringify(each[seq - 1]?.skip ? 'skip' : 'x'.repeat(each[seq - 1]?.chars ?? 0))
          const rows = each.map((_, at) => row(at + 1, 'wanted', 'y'.repeat(20_000)))
          const asking = handler({ where: { 'props.p': { $ne: 'skip' } } })
          const got: number[] = []
          for (let from = 0; from < rows.length; ) {
            const batch = await asking.narrow({ from, to: rows.length, rows: rows.slice(from) })
            if ('failure' in batch) throw new Error(batch.failure.code)
            expect(batch.to).toBeGreaterThan(from)
            const chars = batch.rows.reduce((sum, { text }) => sum + text.length, 0)
            expect(chars).toBeLessThanOrEqual(1024 * 1024)
            got.push(...batch.rows.map(({ seq }) => seq))
            from = batch.to
          }
          expect(got).toEqual(each.flatMap(({ skip }, at) => (skip ? [] : [at + 1])))
        },
      ),
      { numRuns: 20 },
    )
  })
})
