import { setTimeout as sleep } from 'node:timers/promises'
import type fc from 'fast-check'
import { expect, vi } from 'vitest'
import type { Model } from './model.ts'
import { type Sent, sourceOf, type Version } from './plugin.ts'
import { isOf, type Real, settle } from './real.ts'

type Command = fc.AsyncCommand<Model, Real, false>

export class Send implements Command {
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

export class Rollback implements Command {
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

export class Pause implements Command {
  check = () => true

  async run(model: Model, real: Real): Promise<void> {
    expect((await real.call('POST', '/pause')).status).toBe(200)
    model.paused = true
  }

  toString = () => 'pause'
}

export class Quarantine implements Command {
  check = () => true

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

export class Kill implements Command {
  readonly what: 'sandboxes' | 'stores'
  readonly afterMs: number

  constructor(what: 'sandboxes' | 'stores', afterMs: number) {
    this.what = what
    this.afterMs = afterMs
  }

  check = () => true

  async run(_: Model, real: Real): Promise<void> {
    const { supervisor, stores } = real.host.host
    const pids = () => (this.what === 'stores' ? stores.pids : supervisor.pids)
    await sleep(this.afterMs)
    const killed = new Set(pids())
    for (const pid of killed) process.kill(pid, 'SIGKILL')
    await vi.waitUntil(() => pids().every((pid) => !killed.has(pid)), 10_000)
  }

  toString = () => `kill ${this.what} after ${this.afterMs} ms`
}

/** Commands that follow each other at once: a process is only killed in the middle of something if there is something. */
export class Both implements Command {
  readonly first: Command
  readonly second: Command

  constructor(first: Command, second: Command) {
    this.first = first
    this.second = second
  }

  check = (model: Readonly<Model>) => this.first.check(model) && this.second.check(model)

  async run(model: Model, real: Real): Promise<void> {
    await this.first.run(model, real)
    await this.second.run(model, real)
  }

  toString = () => `${this.first.toString()}, ${this.second.toString()}`
}

export class Restart implements Command {
  check = () => true
  run = (_: Model, real: Real): Promise<void> => real.restart()
  toString = () => 'restart'
}

export class Settle implements Command {
  check = () => true
  run = async (model: Model, real: Real): Promise<void> => void (await settle(model, real))
  toString = () => 'settle'
}

export class Retry implements Command {
  /** One of the dead letters; undefined for all. */
  readonly pick: number | undefined
  readonly twice: boolean

  constructor(pick: number | undefined, twice: boolean) {
    this.pick = pick
    this.twice = twice
  }

  check = () => true

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
