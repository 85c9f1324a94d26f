import fc from 'fast-check'
import { expect, vi } from 'vitest'
import type { Model } from './model.ts'
import { type HandlerSpec, POISONS, type Sent, sourceOf, type Version } from './plugin.ts'
import { isOf, type Real, settle } from './real.ts'

type Command = fc.AsyncCommand<Model, Real, false>

class Send implements Command {
  readonly events: readonly Sent[]
  /** How many of the events before are sent again with them. */
  readonly again: number

  constructor(events: readonly Omit<Sent, 'id'>[], again: number) {
    this.events = events.map((event) => ({ ...event, id: '' }))
    this.again = again
  }

  check = () => true

  async run(model: Model, real: Real): Promise<void> {
    const first = model.log.length
    const events = this.events.map((event, at) => ({ ...event, id: `${real.plugin}-${first + at}` }))
    const again = model.log.slice(0, this.again)
    const before = real.head
    const body = [...again, ...events].map(({ id, wanted, n, key, poison }) => ({
      id,
      event_type: wanted ? real.plugin : 'other',
      event: { n, key, poison },
    }))
    const { status, json } = await real.host.call('POST', '/v1/events', { body })
    expect(status).toBe(202)
    expect(json).toEqual({ accepted: events.length, duplicates: again.length, rejected: [] })
    model.log.push(...events.map((event, at) => ({ ...event, seq: before + 1 + at })))
  }

  toString = () => {
    const bad = this.events.flatMap(({ poison }, at) => (poison === undefined ? [] : [`${poison} at ${at}`]))
    return `send ${this.events.length} (${bad.join(', ')}) and ${this.again} again`
  }
}

export class Publish implements Command {
  readonly spec: Version

  constructor(spec: Version) {
    this.spec = spec
  }

  check = () => true

  async run(model: Model, real: Real): Promise<void> {
    const name = `1.0.${model.versions.length}`
    const { status } = await real.call('POST', '/versions', {
      bundle: sourceOf(real.plugin, name, this.spec),
      package: { name: real.plugin, version: name },
    })
    expect(status).toBe(201)
    model.versions.push({ name, spec: this.spec })
    model.activate(name, real.head)
  }

  toString = () => `publish ${JSON.stringify(this.spec)}`
}

class Rollback implements Command {
  readonly pick: number

  constructor(pick: number) {
    this.pick = pick
  }

  check = (model: Readonly<Model>) => model.versions.length > 1

  async run(model: Model, real: Real): Promise<void> {
    const name = model.versions[this.pick % model.versions.length]?.name ?? ''
    expect((await real.call('POST', '/rollback', { version: name })).status).toBe(200)
    model.activate(name, real.head)
  }

  toString = () => `rollback to one of all, ${this.pick}`
}

class Pause implements Command {
  check = (model: Readonly<Model>) => model.active !== undefined

  async run(model: Model, real: Real): Promise<void> {
    expect((await real.call('POST', '/pause')).status).toBe(200)
    model.paused = true
  }

  toString = () => 'pause'
}

class Quarantine implements Command {
  check = (model: Readonly<Model>) => model.active !== undefined

  async run(model: Model, real: Real): Promise<void> {
    const { conduct } = real.host.host
    while (conduct.of(real.plugin).quarantined === undefined)
      conduct.strike(real.plugin, 'over_cpu', 'a test')
    model.quarantined = true
  }

  toString = () => 'quarantine'
}

export class Resume implements Command {
  check = (model: Readonly<Model>) => model.paused || model.quarantined

  async run(model: Model, real: Real): Promise<void> {
    expect((await real.call('POST', '/resume')).status).toBe(200)
    model.paused = false
    model.quarantined = false
  }

  toString = () => 'resume'
}

class Kill implements Command {
  readonly what: 'sandboxes' | 'stores'

  constructor(what: 'sandboxes' | 'stores') {
    this.what = what
  }

  check = () => true

  async run(_: Model, real: Real): Promise<void> {
    const { supervisor, stores } = real.host.host
    const pids = () => (this.what === 'stores' ? stores.pids : supervisor.pids)
    const killed = new Set(pids())
    for (const pid of killed) process.kill(pid, 'SIGKILL')
    await vi.waitUntil(() => pids().every((pid) => !killed.has(pid)), 10_000)
  }

  toString = () => `kill ${this.what}`
}

class Restart implements Command {
  check = () => true
  run = (_: Model, real: Real): Promise<void> => real.restart()
  toString = () => 'restart'
}

class Settle implements Command {
  check = (model: Readonly<Model>) => model.active !== undefined
  run = async (model: Model, real: Real): Promise<void> => void (await settle(model, real))
  toString = () => 'settle'
}

class Retry implements Command {
  /** One of the dead letters; undefined for all. */
  readonly pick: number | undefined
  readonly twice: boolean

  constructor(pick: number | undefined, twice: boolean) {
    this.pick = pick
    this.twice = twice
  }

  check = (model: Readonly<Model>) => model.active !== undefined

  async run(model: Model, real: Real): Promise<void> {
    const shown = await settle(model, real)
    const picked = this.pick === undefined ? undefined : shown[this.pick % shown.length]
    const body = picked === undefined ? {} : { ids: [picked.id] }
    const retry = () => real.call('POST', '/dead-letters/retry', body)
    const answers = await Promise.all(this.twice ? [retry(), retry()] : [retry()])
    // Who came second waited, and was told of what was left only.
    answers.sort((a, b) => (b.json.retried?.length ?? 0) - (a.json.retried?.length ?? 0))
    for (const { status, json } of answers) {
      if (!model.running) {
        expect([409, 503]).toContain(status)
        continue
      }
      const expected = model.letters.filter(
        (letter) =>
          picked === undefined || (letter.handler === picked.endpoint && letter.event.id === picked.event.id),
      )
      // In the order in which they are shown, which is that of their ids.
      const inOrder = shown.flatMap((row) => expected.filter((letter) => isOf(row, letter)))
      const outcomes = inOrder.map((letter) => {
        const outcome = model.retry(letter)
        if (outcome === 'committed') return { seq: letter.event.seq, state: outcome }
        const error =
          outcome === 'failed'
            ? { code: 'plugin_failed', message: expect.stringContaining(letter.message) }
            : { code: 'endpoint_unknown' }
        return { seq: letter.event.seq, state: 'failed', error }
      })
      expect(json.retried).toMatchObject(outcomes)
    }
    await settle(model, real)
  }

  toString = () => `retry ${this.pick ?? 'all'}${this.twice ? ' twice at once' : ''}`
}

const handler: fc.Arbitrary<HandlerSpec> = fc.record({
  least: fc.constantFrom(0, 0, 2),
  from: fc.constantFrom('start', 'now'),
  mode: fc.constantFrom('soft', 'realtime'),
  reads: fc.boolean(),
})
const version: fc.Arbitrary<Version> = fc.record(
  { fails: fc.subarray([...POISONS]), first: handler, second: handler },
  { requiredKeys: ['fails'] },
)
const event = (poisoned: number): fc.Arbitrary<Omit<Sent, 'id'>> =>
  fc.record({
    wanted: fc.integer({ min: 0, max: 4 }).map((n) => n > 0),
    n: fc.integer({ min: 0, max: 4 }),
    key: fc.constantFrom('a', 'b', 'c'),
    poison: fc.oneof(
      { weight: poisoned, arbitrary: fc.constantFrom(...POISONS) },
      { weight: 12, arbitrary: fc.constant(undefined) },
    ),
  })
/** More than one batch, made of a few events over and over. */
const crowd = fc.array(event(1), { minLength: 1, maxLength: 5 }).map((some) =>
  Array.from({ length: 400 }, (_, at) => {
    const like = some[at % some.length]
    return { wanted: true, n: at % 5, key: 'a', poison: undefined, ...(at % 80 === 0 && like) }
  }),
)
const few = fc.array(event(3), { minLength: 1, maxLength: 12 })

/** Everything that can happen, in any order. */
export const commands = (replayPath: string | undefined) =>
  fc.commands<Model, Real, false>(
    [
      fc.tuple(few, fc.nat({ max: 3 })).map(([events, again]) => new Send(events, again)),
      fc.tuple(few, fc.nat({ max: 3 })).map(([events, again]) => new Send(events, again)),
      fc.tuple(crowd, fc.nat({ max: 50 })).map(([events, again]) => new Send(events, again)),
      version.map((spec) => new Publish(spec)),
      version.map((spec) => new Publish(spec)),
      fc.nat({ max: 20 }).map((pick) => new Rollback(pick)),
      fc
        .tuple(fc.option(fc.nat({ max: 20 }), { nil: undefined }), fc.boolean())
        .map(([pick, twice]) => new Retry(pick, twice)),
      fc.constant(new Settle()),
      fc.constantFrom<'stores' | 'sandboxes'>('stores', 'sandboxes').map((what) => new Kill(what)),
      fc.constantFrom(new Pause(), new Quarantine()),
      fc.constant(new Resume()),
      fc.nat({ max: 2 }).map((n) => (n === 0 ? new Restart() : new Kill('stores'))),
    ],
    { maxCommands: 16, size: 'max', ...(replayPath !== undefined && { replayPath }) },
  )
