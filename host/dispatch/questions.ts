import { setTimeout as sleep } from 'node:timers/promises'
import { encode } from '@lyceum/sdk/ejson'
import { authorise, authorisePlugin } from '../auth/dimensions.ts'
import type { Caller } from '../auth/tokens.ts'
import { type Answers, type CacheUse, notCached } from '../cache/answers.ts'
import type { CallContext } from '../capabilities/capability.ts'
import type { PluginAnswer } from '../capabilities/plugins.ts'
import type { Progress } from '../capabilities/progress.ts'
import { LyceumError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { DIMENSIONS, didYouMean } from '../registry/manifest-names.ts'
import { parseParams } from '../registry/params.ts'
import type { ActivePlugin, Endpoint, ReadingEndpoint } from '../registry/plugin.ts'
import type { Plugins } from '../registry/plugins.ts'
import { isSampleVersion } from '../registry/samples.ts'
import { IDENTITIES } from '../registry/version.ts'
import { BrokenLimits } from './broken-limits.ts'
import { CallTree } from './call-tree.ts'
import { knownIn, refuseCircle } from './circle.ts'
import { awaitsOthers, type EndedFailure, type Invocation, type Invoker, retryAfterMs } from './invoker.ts'

/** Names and values that a request gave: dimensions and parameters. */
export type Asked = Iterable<readonly [string, unknown]>

/** Dimensions, parameters and the viewer, as a handler gets them. Without a prototype. */
export type Named = Readonly<Record<string, unknown>>

/** The result of a view or query, with where it comes from. */
export interface Answer {
  /** A query's JSON, or the inside of a view's page. From a plugin: never trusted. */
  readonly result: Buffer
  readonly plugin: string
  readonly version: string
  readonly endpoint: ReadingEndpoint
  /** How far the plugin had read the log, at least. */
  readonly position: number
  /** How old the data are, where an answer that is kept was given, or went into this one. */
  readonly ageMs: number | undefined
  /** Something in it is made up: a plugin that stands for another was asked, now or for what was read. */
  readonly isSample: boolean
}

export interface AnswerOptions {
  readonly onProgress?: (progress: Progress) => void
  readonly use?: CacheUse
}

export interface QuestionsServices {
  readonly plugins: Plugins
  readonly invoker: Invoker
  readonly answers: Answers
  /** How far in the log the results of a plugin reach. */
  readonly positionOf: (plugin: string) => number
  /** How many processes a plugin took down for certain. */
  readonly lossesOf: (plugin: string) => number
  /** An error that is laid to the plugin, for its author. */
  readonly onFailure: (plugin: ActivePlugin, endpoint: string, failure: EndedFailure) => void
}

const FIRST_RETRY_MS = 20
/** Failures that say nothing about the question, and last longer than whoever asks wants to wait. */
const LASTING: ReadonlySet<string> = new Set([
  'over_concurrency',
  'replica_unavailable',
  'disk_full',
  'data_damaged',
  'database_full',
  'files_full',
])
/** Whoever asks a plugin that is throttled waits at most this long; else they are told when to come back. */
const MOST_THROTTLED_MS = 1_000

/** Answers views and queries: for people, and for plugins that ask other plugins. */
export class Questions {
  readonly #services: QuestionsServices
  readonly #brokenLimits = new BrokenLimits()

  constructor(services: QuestionsServices) {
    this.#services = services
  }

  /** Finds an endpoint for a caller. @throws {LyceumError} what is unknown or not allowed */
  find(
    kind: 'view' | 'query',
    pluginId: string,
    name: string,
    caller: Caller,
  ): { plugin: ActivePlugin; endpoint: ReadingEndpoint } {
    authorisePlugin(caller, pluginId)
    const plugin = this.#services.plugins.get(pluginId)
    return { plugin, endpoint: endpointOf(plugin, kind, name) }
  }

  /**
   * Says what a question is about, without asking it.
   * @returns the dimensions, as the host decided them, and the parameters, with their defaults
   * @throws {LyceumError} what is unknown, missing or not allowed
   */
  check(
    kind: 'view' | 'query',
    pluginId: string,
    name: string,
    asked: Asked,
    caller: Caller,
  ): { plugin: ActivePlugin; endpoint: ReadingEndpoint; named: Named } {
    const { plugin, endpoint } = this.find(kind, pluginId, name, caller)
    return { plugin, endpoint, named: namedFor(endpoint, [...asked], caller) }
  }

  /** Answers a person. @throws {LyceumError} */
  async answer(
    kind: 'view' | 'query',
    pluginId: string,
    name: string,
    asked: Asked,
    caller: Caller,
    { onProgress, use = 'any' }: AnswerOptions = {},
  ): Promise<Answer> {
    const { plugin, endpoint, named } = this.check(kind, pluginId, name, asked, caller)
    const tree = new CallTree(plugin.quota, onProgress)
    const context = { plugin, endpoint, caller, transaction: undefined, tree, depth: 0, named }
    // Before it is asked: what is committed meanwhile may be in the answer or not.
    const position = this.#services.positionOf(plugin.id)
    const result = await this.#given(context, named, true, use)
    return {
      result,
      plugin: plugin.id,
      version: plugin.version,
      endpoint,
      position: Math.min(position, tree.asOf.position),
      isSample: tree.isSample,
      ageMs: Number.isFinite(tree.asOf.ms) ? this.#services.answers.ageMs(tree.asOf.ms) : undefined,
    }
  }

  /** Answers a plugin, as the same caller and on the budget of the same tree of calls. */
  async ask(
    pluginId: string,
    name: string,
    args: Readonly<Record<string, unknown>>,
    asking: CallContext,
    use: CacheUse = 'any',
  ): Promise<PluginAnswer> {
    const depth = asking.depth + 1
    asking.tree.enter(depth)
    const active = this.#services.plugins.get(pluginId)
    const plugin = knownIn(asking, pluginId) ?? active
    const endpoint = endpointOf(plugin, 'query or view', name)
    const { caller, tree } = asking
    const named = namedFor(endpoint, Object.entries(args), caller, asking)
    const context = { plugin, endpoint, caller, transaction: undefined, tree, depth, asking, named }
    refuseCircle(context)
    // What is made of several answers is as old as the oldest.
    tree.asOf.position = Math.min(tree.asOf.position, this.#services.positionOf(plugin.id))
    const result = await tree.inTurn(depth, () => this.#given(context, named, false, use))
    return { result, plugin: plugin.id, kind: endpoint.kind, title: endpoint.title }
  }

  /** Forgets the answers of a query that are kept. */
  clear(plugin: ActivePlugin, query: string): void {
    this.#services.answers.clear(plugin, endpointOf(plugin, 'query', query).name)
  }

  /** Gives an answer that is kept, or asks. */
  async #given(context: CallContext, named: Named, plainJson: boolean, use: CacheUse): Promise<Buffer> {
    const { plugin, endpoint } = context
    const text = encode({ ...named })
    const cacheSeconds = endpoint.kind === 'query' ? endpoint.options.cacheSeconds : undefined
    if (cacheSeconds === undefined) {
      if (use === 'only') throw notCached(plugin, endpoint.name)
      return this.#run(context, text, { plainJson })
    }
    const question = { context, named: text, cacheSeconds }
    const compute = () => this.#run(context, text, { plainJson, bothForms: true })
    const { plain, typed } = await this.#services.answers.give(question, use, compute)
    return plainJson ? plain : typed
  }

  /** Runs until it succeeds, fails for a reason of its own, or the time is over. */
  async #run(
    context: CallContext,
    named: string,
    form: Pick<Invocation, 'plainJson' | 'bothForms'>,
  ): Promise<Buffer> {
    const { plugin, endpoint, caller, depth } = context
    if (caller !== undefined && depth === 0) this.#brokenLimits.check(plugin, endpoint, caller)
    const input = `{"named":${JSON.stringify(named)},"plugins":${JSON.stringify(endpoint.plugins)}}`
    const lossesBefore = this.#services.lossesOf(context.plugin.id)
    let lost = 0
    for (let backOffMs = FIRST_RETRY_MS; ; backOffMs *= 2) {
      const { result, failure } = await this.#services.invoker.run({
        context,
        input,
        eachEvent: false,
        ...form,
        traceWrites: false,
      })
      // Not before: its handlers may have written something meanwhile that was read.
      if (failure === undefined && (isSampleVersion(plugin.version) || plugin.isOfSamples))
        context.tree.isSample = true
      if (failure === undefined) return result
      if (failure.code === 'sandbox_lost') lost += 1
      const tookDown = this.#services.lossesOf(context.plugin.id) > lossesBefore
      if (failure.struck || tookDown) this.#blame(context)
      const throttledMs = retryAfterMs(failure) ?? Number.POSITIVE_INFINITY
      const waitMs = failure.code === 'over_cpu_rate' ? Math.max(backOffMs, throttledMs) : backOffMs
      const again =
        failure.passing &&
        (failure.code !== 'over_cpu_rate' || throttledMs <= MOST_THROTTLED_MS) &&
        !LASTING.has(failure.code) &&
        !awaitsOthers(failure.code) &&
        // Whom others cost their sandbox asks again until the deadline; whoever ends it alone does not.
        !(tookDown && lost > LIMITS.lostSandboxRetries)
      if (!again || performance.now() + waitMs > context.tree.deadlineMs) {
        if (!failure.passing) this.#services.onFailure(context.plugin, context.endpoint.name, failure)
        throw refusal(context, failure)
      }
      await sleep(waitMs)
      // It may have been uninstalled, paused or stopped meanwhile.
      this.#services.plugins.get(context.plugin.id)
    }
  }

  /** Remembers who asked for what broke a limit, or took its process down. */
  #blame({ plugin, endpoint, caller, depth }: CallContext): void {
    if (caller !== undefined && depth === 0) this.#brokenLimits.note(plugin, endpoint, caller)
  }
}

/** What is looked for: people ask for either; plugins for both, and learn what it is from the answer. */
type Wanted = 'view' | 'query' | 'query or view'

function endpointOf(plugin: ActivePlugin, kind: Wanted, name: string): ReadingEndpoint {
  const fits = (known: Endpoint): known is ReadingEndpoint =>
    isReading(known) && (kind === 'query or view' || known.kind === kind)
  const endpoint = plugin.endpoints.get(name)
  if (endpoint !== undefined && fits(endpoint)) return endpoint
  const names = [...plugin.endpoints.values()].filter(fits).map((known) => known.name)
  const is = endpoint === undefined ? didYouMean(name, names) : ` That is of the kind ${endpoint.kind}.`
  const offer = names.length > 0 ? ` It has: ${names.join(', ')}.` : ''
  throw new LyceumError('endpoint_unknown', `${plugin.id} has no ${kind} "${name}".${is}${offer}`)
}

function isReading(endpoint: Endpoint): endpoint is ReadingEndpoint {
  return endpoint.kind === 'view' || endpoint.kind === 'query'
}

/** What the handler gets of what it destructures beside facilities. */
function namedFor(
  endpoint: ReadingEndpoint,
  asked: readonly (readonly [string, unknown])[],
  caller: Caller | undefined,
  asking?: CallContext,
): Named {
  const given = new Map(asked)
  const named: Record<string, unknown> = Object.create(null)
  const text = (name: string) => {
    const value = given.get(name)
    if (typeof value !== 'string' || value === '') return undefined
    if (value.length <= LIMITS.parameterChars) return value
    throw new LyceumError('bad_parameter', `${name}: at most ${LIMITS.parameterChars} characters.`, {
      parameter: name,
    })
  }
  for (const dimension of DIMENSIONS)
    if (given.has(dimension) && !endpoint.dimensions.includes(dimension))
      throw new LyceumError(
        'bad_parameter',
        `${endpoint.name} is not about one ${dimension}: leave ${dimension} out.`,
        {
          parameter: dimension,
        },
      )
  const missing = endpoint.dimensions.find((dimension) => asking !== undefined && !given.has(dimension))
  // Whom they ask about, people may leave to the host; a plugin says it.
  if (missing !== undefined && (caller === undefined || missing !== 'user'))
    throw new LyceumError(
      'bad_parameter',
      `${endpoint.name} is about one ${missing}: name it where you ask, ${endpoint.name}({ ${missing} }), and destructure it to have it.`,
      { parameter: missing },
    )
  const scope = scopeOf(endpoint, { user: text('user'), course: text('course') }, caller, asking)
  for (const dimension of endpoint.dimensions) {
    const value = dimension === 'user' || dimension === 'course' ? scope[dimension] : text(dimension)
    if (value === undefined)
      throw new LyceumError('bad_parameter', `This is about one ${dimension}: say which, ${dimension}=…`, {
        parameter: dimension,
      })
    named[dimension] = value
  }
  const params = parseParams(endpoint.options.params, asked)
  if (endpoint.facilities.includes('params')) named.params = Object.fromEntries(params)
  if (endpoint.facilities.includes('viewer') && caller !== undefined)
    named.viewer = { user: caller.user ?? '', role: caller.role, courses: caller.courses }
  return named
}

/**
 * Whose data is shown. A job has no caller: it may ask about courses, and about people only where an admin lets it.
 * Whoever it asks may pass on the person that it was asked about, and name no other.
 */
function scopeOf(
  endpoint: ReadingEndpoint,
  asked: { readonly user?: string | undefined; readonly course?: string | undefined },
  caller: Caller | undefined,
  asking: CallContext | undefined,
): { readonly user?: string; readonly course?: string } {
  const known = {
    ...(asked.user !== undefined && { user: asked.user }),
    ...(asked.course !== undefined && { course: asked.course }),
  }
  if (caller !== undefined) return authorise(caller, known, endpoint.dimensions)
  if (endpoint.facilities.includes('viewer'))
    throw new LyceumError(
      'op_denied',
      `${endpoint.name} wants to know who asks, and a handler or job has nobody who does.`,
    )
  if (endpoint.dimensions.includes('user') && !mayName(asking, known.user))
    throw new LyceumError(
      'op_denied',
      `${endpoint.name} is about one person, and a handler or job has nobody who asks. Give the handler asUsers: true in its options, which an admin has to approve, and name the user.`,
    )
  return known
}

function mayName(asking: CallContext | undefined, user: string | undefined): boolean {
  if (asking === undefined) return false
  const { endpoint, plugin, named } = asking
  if (endpoint.kind === 'onEvent' || endpoint.kind === 'cron')
    return endpoint.options.asUsers === true && plugin.granted.includes(IDENTITIES)
  return user !== undefined && named?.user === user
}

function refusal(context: CallContext, failure: EndedFailure): LyceumError {
  const { plugin, endpoint } = context
  return new LyceumError(failure.code, `${plugin.id}.${endpoint.name}: ${failure.message}`, {
    plugin: plugin.id,
    version: plugin.version,
    endpoint: endpoint.name,
    ...(retryAfterMs(failure) !== undefined && { retryAfterMs: retryAfterMs(failure) }),
    ...(failure.stack !== undefined && { stack: failure.stack }),
  })
}
