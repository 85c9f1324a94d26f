import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LIMITS, type Quota } from '../../host/limits.ts'
import { type Answer, startHost, type TestHost } from '../support/host.ts'
import { HostWatch } from './host-watch.ts'
import { type Family, type Hostile, type HostilePlugin, type HostilePublish, sampleOf } from './plugin.ts'
import { childPids, childrenCpuMs, heldMb, residentMb } from './processes.ts'

/** Small, so that whatever runs into a limit does so soon. */
const SMALL = {
  memoryMb: 32,
  cpuMsPerCall: 150,
  wallMs: 4_000,
  concurrentCalls: 8,
  opsPerCall: 1_000,
  bytesPerCall: 1_000_000,
  databaseMb: 4,
  outputBytes: 100_000,
} satisfies Partial<Quota>
/** Of its budget, a call may overdraw what it takes to notice and to end it. */
const NOTICE_MS = 1_000
/** A machine that is busy with other things delays timers and answers. */
const SLACK_MS = 2_000
/** A call may wait for its process, which at nice 19 starts when others leave it time. */
const START_MS = 10_000
/** What starting a process costs, which is nobody's fault. */
const START_CPU_MS = 700
/** What the host's own questions cost beside, and each of those to the quiet plugin: the busier the machine, the more. */
const BESIDE_CPU_MS = 700
const QUIET_CPU_MS = 10
/** A sandbox without work holds at most this; a store, which keeps documents and collects garbage late, more. */
const IDLE_MB = { sandbox: 320, store: 550 }
/** What the host and the test around it hold on to in the end. */
const HOST_MB = 400
/** Above its cap a process may grow for as long as that takes to be seen. */
const MOST_MB = LIMITS.sandboxRssMb + 400
/** Between two questions to the quiet plugin: it is to be asked all the time, not to be a flood itself. */
const BESIDE_PAUSE_MS = 25
const MOST_TRIES = 3
const PATIENCE_MS = 60_000
const STARTED_MS = Date.UTC(2026, 2, 1, 9, 30, 30)
/** Jobs run once a year, so that no timer of the real clock sets one off. */
const SCHEDULE = '0 0 1 1 *'
const YEAR_MS = 366 * 24 * 3_600_000

const QUIET = `import { chart, onEvent, query, view } from '@lyceum/sdk'
  export const count = onEvent({ where: { event_type: 'tick' }, mode: 'realtime' }, async ({ events, db }) => {
    await db.collection('n').updateOne({ _id: 'n' }, { $inc: { n: events.length } }, { upsert: true })
  })
  export const total = query(async ({ db }) => (await db.collection('n').findOne({ _id: 'n' }))?.n ?? 0)
  export const drawn = view(() => chart.bar([{ a: 'x', n: 1 }, { a: 'y', n: 2 }], { x: 'a', y: 'n' }))`
const SECRETIVE = (secret: string) => `import { onEvent, query } from '@lyceum/sdk'
  export const keep = onEvent({ where: { event_type: 'keep' }, mode: 'realtime' }, ({ db }) =>
    db.collection('secrets').insertOne({ _id: 'secret', text: '${secret}' }))
  export const tell = query(async ({ db }) => (await db.collection('secrets').findOne())?.text)`

/** Runs families of hostile plugins against one real host, and shows that it holds. */
export function attack(...families: readonly Family[]): void {
  let range: Range
  beforeAll(async () => {
    range = await Range.open()
  })
  afterAll(() => range.close())

  for (const family of families)
    describe(`plugins: ${family.title}`, () => {
      const plugins = process.env.LYCEUM_SOAK === undefined ? sampleOf(family) : family.plugins
      test.for(plugins.map((plugin) => [plugin.name, plugin] as const))(
        'a plugin that %s',
        { timeout: 120_000 },
        ([, plugin]) => range.hold(plugin, family.besideCharts === true),
      )
    })

  test('after all of this the quiet plugins have never been struck, and nobody has seen what is not theirs', async () => {
    await range.checkAfterAll()
  })
}

/** How an attack ended: a code of {@link HostilePlugin.ends}, and the texts that the attacker can read. */
interface Ended {
  readonly code: string
  readonly text: string
}

/** A host with a quiet plugin and one that has a secret, into which hostile plugins are let. */
class Range {
  readonly #lyceum: TestHost
  readonly #watch: HostWatch
  readonly #author: string
  readonly #clock: { nowMs: number }
  readonly #secret: string
  #ticks = 0
  #attacks = 0

  private constructor(
    lyceum: TestHost,
    watch: HostWatch,
    author: string,
    clock: { nowMs: number },
    secret: string,
  ) {
    this.#lyceum = lyceum
    this.#watch = watch
    this.#author = author
    this.#clock = clock
    this.#secret = secret
  }

  static async open(): Promise<Range> {
    const environment = randomUUID()
    const secret = randomUUID()
    process.env.LYCEUM_TEST_CANARY = environment
    const clock = { nowMs: STARTED_MS }
    const folder = await mkdtemp(join(tmpdir(), 'lyceum-hostile-'))
    const lyceum = await startHost(folder, () => clock.nowMs)
    const canaries = [
      { what: 'the environment', text: environment },
      { what: "another plugin's document", text: secret },
    ]
    const watch = new HostWatch(lyceum, canaries, (plugin) => plugin !== 'quiet' && plugin !== 'secretive')
    const author = await lyceum.token({ role: 'author', user: 'mallory' })
    const range = new Range(lyceum, watch, author, clock, secret)
    await range.#populate()
    return range
  }

  async #populate(): Promise<void> {
    expect((await this.#lyceum.publish('quiet', QUIET)).status).toBe(201)
    expect((await this.#lyceum.publish('secretive', SECRETIVE(this.#secret))).status).toBe(201)
    const kept = await this.#lyceum.call('POST', '/v1/events?wait=realtime', { body: { event_type: 'keep' } })
    expect(kept.json.handlers).toMatchObject([{ state: 'committed' }])
    expect((await this.#lyceum.call('GET', '/v1/queries/secretive/tell')).json).toBe(this.#secret)
  }

  async close(): Promise<void> {
    await this.#lyceum.close()
    await rm(this.#lyceum.dataDir, { recursive: true, force: true })
    delete process.env.LYCEUM_TEST_CANARY
  }

  /** Lets one plugin in and sees that everything holds. */
  async hold(hostile: Hostile, besideCharts: boolean): Promise<void> {
    const id = `hostile${this.#attacks++}`
    const runs = this.#watch.runs.length
    const ticks = this.#ticks
    using peak = new Peak()
    const cpuMs = childrenCpuMs()
    const attacking = 'publish' in hostile ? this.#publish(id, hostile) : this.#set(id, hostile)
    const [ended] = await Promise.all([this.#beside(attacking), besideCharts && this.#quietDraws()])
    this.#watch.look(id, 'what it is answered', ended.text)
    expect(hostile.ends, ended.text.slice(0, 1_000)).toContain(ended.code)
    if ('source' in hostile && hostile.answers !== undefined && ended.code === 'ok')
      expect(ended.text).toMatch(hostile.answers)
    const besideMs = BESIDE_CPU_MS + (this.#ticks - ticks) * QUIET_CPU_MS
    await this.#comesToRest(cpuMs + besideMs, this.#watch.runs.slice(runs), peak.started)
    await this.#quietAnswers()
    if (besideCharts) await this.#quietDraws()
    expect(this.#watch.sightings).toEqual([])
    expect(peak.mostMb, 'the most MB that a process held').toBeLessThan(MOST_MB)
  }

  /** The quiet plugin counts and answers for as long as something goes on. */
  async #beside<Result>(going: Promise<Result>): Promise<Result> {
    let isOver = false
    const over = going.finally(() => {
      isOver = true
    })
    over.catch(() => {})
    do {
      await this.#quietAnswers()
      await sleep(BESIDE_PAUSE_MS)
    } while (!isOver)
    return over
  }

  async #quietAnswers(): Promise<void> {
    this.#ticks += 1
    const sent = await this.#lyceum.call('POST', '/v1/events?wait=realtime', {
      body: { event_type: 'tick', id: `tick${this.#ticks}` },
    })
    expect(sent.json?.handlers, sent.text).toMatchObject([{ plugin: 'quiet', state: 'committed' }])
    const asked = await this.#lyceum.call('GET', '/v1/queries/quiet/total')
    expect([asked.status, asked.json], asked.text).toEqual([200, this.#ticks])
  }

  async #quietDraws(): Promise<void> {
    const { code, text } = await this.#open('/views/quiet/drawn')
    expect([code, text.split('aria-roledescription="bar"').length - 1], text).toEqual(['ok', 2])
  }

  async #publish(id: string, { publish }: HostilePublish): Promise<Ended> {
    const { bundle, sourceMap, package: about = { name: id, version: '1.0.0' } } = publish
    const address = `/v1/plugins/${publish.id ?? id}/versions`
    const body = { bundle, ...(sourceMap !== undefined && { sourceMap }), package: about }
    const answer = await this.#as('POST', address, publish.body?.replaceAll('"ID"', `"${id}"`) ?? body)
    if (answer.status !== 201) return { code: answer.json?.code ?? String(answer.status), text: answer.text }
    const shown = await this.#shown(id)
    return { code: 'ok', text: `${answer.text}\n${shown}` }
  }

  async #set(id: string, plugin: HostilePlugin): Promise<Ended> {
    const bundle = plugin.source.replaceAll('TYPE', id).replaceAll('SCHEDULE', SCHEDULE)
    if (plugin.trigger === 'cron') {
      // It is due when it is there, and must not be stopped for a new quota then.
      const harmless = `import { cron } from '@lyceum/sdk'\nexport const run = cron('${SCHEDULE}', () => 1)`
      await this.#letIn(id, harmless, '1.0.0', plugin.quota)
      await this.#lyceum.host.cron.settled(id)
      this.#clock.nowMs += YEAR_MS
    }
    const refused = await this.#letIn(id, bundle, '1.0.1', plugin.quota)
    if (refused !== undefined) return refused
    if (plugin.isFilled === true) expect(await this.#send(id)).toMatchObject({ code: 'ok' })
    let ended: Ended = { code: '', text: '' }
    for (let times = plugin.times ?? 1; times > 0; times--) ended = await this.#setOff(id, plugin)
    return { code: ended.code, text: `${ended.text}\n${await this.#shown(id)}` }
  }

  async #letIn(
    id: string,
    bundle: string,
    version: string,
    quota: Partial<Quota>,
  ): Promise<Ended | undefined> {
    const body = { bundle, package: { name: id, version } }
    const answer = await this.#as('POST', `/v1/plugins/${id}/versions`, body)
    if (answer.status !== 201) return { code: answer.json?.code ?? String(answer.status), text: answer.text }
    if (answer.json.approval === 'pending') return { code: 'plugin_pending', text: answer.text }
    if (this.#lyceum.host.catalogue.versions(id).length > 1) return undefined
    const limits = { ...SMALL, ...quota }
    const set = await this.#lyceum.call('PATCH', `/v1/plugins/${id}/quota`, { body: limits })
    expect(set.status, set.text).toBe(200)
    return undefined
  }

  #setOff(id: string, { trigger, asked = '' }: HostilePlugin): Promise<Ended> {
    switch (trigger) {
      case 'query':
        return this.#ask(`/v1/queries/${id}/run${asked}`)
      case 'view':
        return this.#open(`/views/${id}/run${asked}`)
      case 'onEvent':
        return this.#send(id)
      case 'cron':
        return this.#job(id)
      case 'rebuild':
        return this.#rebuild(id)
    }
  }

  async #rebuild(id: string): Promise<Ended> {
    await this.#send(id)
    const path = `/v1/plugins/${id}/rebuild`
    let answer = await this.#as('POST', path)
    if (answer.status !== 202) return { code: answer.json?.code ?? String(answer.status), text: answer.text }
    await this.#until('the rebuild has ended', async () => {
      answer = await this.#as('GET', path)
      return answer.json.state !== 'running'
    })
    const { state, problem } = answer.json
    return { code: state === 'done' ? 'ok' : problem.code, text: answer.text }
  }

  async #ask(path: string): Promise<Ended> {
    const { status, json, text } = await this.#lyceum.call('GET', path)
    return { code: status === 200 ? 'ok' : json?.code, text }
  }

  /** Opens the page and the frame in it, as a browser would. */
  async #open(path: string): Promise<Ended> {
    const page = await this.#lyceum.call('GET', path, { headers: { accept: 'text/html' } })
    const frame = /<iframe[^>]* src="([^"]+)"/.exec(page.text)?.[1]
    if (frame === undefined) return { code: `page ${page.status}`, text: page.text }
    const { status, text, headers } = await this.#lyceum.call('GET', frame.replaceAll('&amp;', '&'))
    expect(headers.get('content-security-policy')).toContain('sandbox allow-scripts')
    // An error is shown by a page of ours.
    if (status !== 200) expect(text).not.toContain('<script>alert(')
    const code = status === 200 ? 'ok' : /<small>(\w+)<\/small>/.exec(text)?.[1]
    return { code: code ?? String(status), text: `${page.text}\n${text}` }
  }

  async #send(id: string): Promise<Ended> {
    const { host } = this.#lyceum
    await this.#lyceum.call('POST', '/v1/events', { body: { event_type: id, id: randomUUID() } })
    const head = host.log.head()
    const feed = () => host.lane.status(id)[0]
    await this.#until('the handler is done with its event', () => {
      const { state = 'stopped', lastError } = feed() ?? {}
      return (
        (state === 'idle' && (feed()?.cursor ?? 0) >= 0 && this.#runsSince(id) > 0) ||
        (state === 'stopped' && host.conduct.of(id).quarantined !== undefined) ||
        (state === 'full' && lastError !== undefined)
      )
    })
    const text = JSON.stringify(feed() ?? {})
    if (host.conduct.of(id).quarantined !== undefined) return { code: 'quarantined', text }
    if (feed()?.state === 'full') {
      // It waits for an admin, who stops it here.
      await this.#as('POST', `/v1/plugins/${id}/pause`)
      return { code: feed()?.lastError?.code ?? 'full', text }
    }
    const { letters } = (await this.#as('GET', `/v1/plugins/${id}/dead-letters`)).json
    return { code: letters[0]?.code ?? 'ok', text: `${head} ${text}` }
  }

  async #job(id: string): Promise<Ended> {
    await this.#lyceum.host.cron.settled(id)
    const lines = await this.#as('GET', `/v1/plugins/${id}/logs?limit=1000`)
    const [run] = this.#watch.runsOf(id).slice(-1)
    const hasFailed = lines.json.lines.some(({ level }: { level: string }) => level === 'error')
    return { code: run?.code === 'ok' && hasFailed ? 'refused' : (run?.code ?? 'never'), text: lines.text }
  }

  #runsSince(id: string): number {
    return this.#watch.runsOf(id).length
  }

  /** All that the author of a plugin can read about it. */
  async #shown(id: string): Promise<string> {
    const texts: string[] = []
    for (const path of ['', '/logs', '/dead-letters']) {
      const { text, status } = await this.#as('GET', `/v1/plugins/${id}${path}`)
      expect(status, text).toBeLessThan(500)
      texts.push(text)
    }
    return texts.join('\n')
  }

  /** Asks as the author of hostile plugins, again where a busy machine cost a process of the host's own. */
  async #as(method: string, path: string, body?: unknown): Promise<Answer> {
    for (let tries = 1; ; tries++) {
      const options = { token: this.#author, ...(body !== undefined && { body }) }
      const answer = await this.#lyceum.call(method, path, options)
      if (answer.json?.code !== 'sandbox_lost' || tries === MOST_TRIES) return answer
    }
  }

  /**
   * Waits until no child of the host computes any more and none holds more memory than one without work, and
   * checks what the attack took in all.
   * @param cpuMsBefore the CPU time of the children that is not laid to it
   */
  async #comesToRest(cpuMsBefore: number, runs: HostWatch['runs'], started: number): Promise<void> {
    const { host } = this.#lyceum
    for (const { tookMs, wallMs, plugin } of runs)
      expect(tookMs, `ms that ${plugin} ran`).toBeLessThan(wallMs + NOTICE_MS + SLACK_MS + START_MS * started)
    let before = childrenCpuMs()
    await this.#until('no child computes any more', async () => {
      await sleep(40)
      const now = childrenCpuMs()
      const rested = now - before <= 10
      before = now
      return rested
    })
    const budgetMs = runs.reduce((sum, { cpuMs }) => sum + cpuMs, 0)
    expect(childrenCpuMs() - cpuMsBefore, 'ms of CPU time that it took').toBeLessThan(
      budgetMs + NOTICE_MS + START_CPU_MS * (1 + started),
    )
    await this.#until('memory has come back', () => {
      const { sandbox, store } = IDLE_MB
      const { supervisor, charts, stores } = host
      return (
        [...supervisor.pids, ...charts.pids].every((pid) => residentMb(pid) < sandbox) &&
        stores.pids.every((pid) => residentMb(pid) < store)
      )
    })
  }

  async #until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    const deadlineMs = performance.now() + PATIENCE_MS
    while (!(await holds())) {
      if (performance.now() > deadlineMs) throw new Error(`not within ${PATIENCE_MS} ms: ${what}`)
      await sleep(10)
    }
  }

  async checkAfterAll(): Promise<void> {
    for (const plugin of ['quiet', 'secretive'])
      expect(this.#lyceum.host.conduct.of(plugin)).toMatchObject({ strikes: 0, quarantined: undefined })
    expect((await this.#lyceum.call('GET', '/v1/queries/secretive/tell')).json).toBe(this.#secret)
    expect((await this.#lyceum.call('GET', '/v1/plugins/quiet/dead-letters')).json.total).toBe(0)
    expect(heldMb(), 'MB that the host holds on to').toBeLessThan(HOST_MB)
    // A test that looked at nothing would have seen nothing.
    expect(this.#watch.looked).toBeGreaterThanOrEqual(Math.max(1, this.#attacks))
    expect(this.#watch.sightings).toEqual([])
  }
}

/** Watches the memory of the children, and counts those that are new. */
class Peak {
  mostMb = 0
  readonly #known = new Set(childPids())
  readonly #new = new Set<number>()
  readonly #timer = setInterval(() => this.#look(), 25)

  get started(): number {
    return this.#new.size
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    for (const pid of childPids()) {
      if (!this.#known.has(pid)) this.#new.add(pid)
      this.mostMb = Math.max(this.mostMb, residentMb(pid))
    }
  }
}
