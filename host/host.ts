import { type Logger, pino } from 'pino'
import packageJson from '../package.json' with { type: 'json' }
import { Supervisor } from '../sandbox/supervisor.ts'
import { fileAddress } from './auth/file-tickets.ts'
import { type Keys, loadKeys } from './auth/keys.ts'
import { Answers } from './cache/answers.ts'
import { Flights } from './cache/flights.ts'
import { CacheRooms, type Kept } from './cache/rooms.ts'
import { cacheOps } from './capabilities/cache.ts'
import type { OpTable } from './capabilities/capability.ts'
import { dbOps } from './capabilities/db.ts'
import { fsOps } from './capabilities/fs.ts'
import { PluginLogs } from './capabilities/log.ts'
import { type PluginServices, pluginAskOp, pluginReadOp, queryClearOp } from './capabilities/plugins.ts'
import { ProgressReports } from './capabilities/progress.ts'
import { ReplicaOps } from './capabilities/replica.ts'
import { signalOp } from './capabilities/signal.ts'
import { Charts } from './charts/charts.ts'
import type { Config } from './config.ts'
import { CsvConverter } from './csv/converter.ts'
import type { DiskRoom } from './disk.ts'
import { Backlogs } from './dispatch/backlogs.ts'
import { CpuRates } from './dispatch/cpu-rates.ts'
import { CronJobs } from './dispatch/cron-jobs.ts'
import { Properties } from './dispatch/enrich/properties.ts'
import { type EndedFailure, Invoker } from './dispatch/invoker.ts'
import { Lane } from './dispatch/lane.ts'
import { LogWindow } from './dispatch/log-window.ts'
import { Questions } from './dispatch/questions.ts'
import type { RebuildStatus } from './dispatch/rebuild.ts'
import { Rebuilds } from './dispatch/rebuilds.ts'
import { LyceumError } from './errors.ts'
import { EventLog } from './events/log.ts'
import { openDataFolder } from './files.ts'
import { LIMITS } from './limits.ts'
import { Approvals } from './registry/approvals.ts'
import { Catalogue } from './registry/catalogue.ts'
import { Checker } from './registry/checker.ts'
import { CommonNames } from './registry/common-names.ts'
import { Conduct } from './registry/conduct.ts'
import type { ActivePlugin } from './registry/plugin.ts'
import { Plugins } from './registry/plugins.ts'
import { Publishing } from './registry/publishing.ts'
import { clampedBy } from './registry/quota-rules.ts'
import { Removal } from './registry/removal.ts'
import { SampleAnswers } from './registry/sample-answers.ts'
import { withStack } from './registry/source-map.ts'
import { UsageBook } from './registry/usage-book.ts'
import { Replicas } from './replicas/replicas.ts'
import { SdkPackage } from './sdk-package/sdk-package.ts'
import { noticesOf } from './storage/mongo/notices.ts'
import { mongoSecret } from './storage/mongo/secret.ts'
import type { ConnectControl } from './storage/store-protocol.ts'
import { Stores } from './storage/stores.ts'
import { amount, withoutControls } from './text.ts'

const KEEP_USAGE_MS = 30_000

/** All parts of a running host. */
export interface Host {
  readonly config: Config
  readonly keys: Keys
  readonly logger: Logger
  readonly disk: DiskRoom
  readonly log: EventLog
  readonly window: LogWindow
  readonly catalogue: Catalogue
  readonly checker: Checker
  readonly conduct: Conduct
  readonly plugins: Plugins
  readonly publishing: Publishing
  /** What queries return, made up by their authors. */
  readonly samples: SampleAnswers
  readonly approvals: Approvals
  readonly removal: Removal
  /** What plugins have used, and the CPU time of the last minute. */
  readonly usage: UsageBook
  readonly cpuRates: CpuRates
  /** The common names of queries. */
  readonly names: CommonNames
  readonly pluginLogs: PluginLogs
  /** What is kept for plugins for a while. */
  readonly caches: CacheRooms
  readonly progress: ProgressReports
  readonly questions: Questions
  /** Derived properties of events, by the plugins that provide them. */
  readonly properties: Properties
  readonly lane: Lane
  readonly cron: CronJobs
  readonly backlogs: Backlogs
  readonly rebuilds: Rebuilds
  /** What plugins may ask the host for. */
  readonly ops: OpTable
  readonly invoker: Invoker
  readonly supervisor: Supervisor
  readonly charts: Charts
  readonly stores: Stores
  readonly replicas: Replicas
  /** Writes results as CSV. */
  readonly csv: CsvConverter
  /** What authors install. */
  readonly sdkPackage: SdkPackage
  /** The host's clock, in ms since the epoch; tests set it. */
  readonly nowMs: () => number
  /** The version of Lyceum. */
  readonly version: string
  /** How far in the log the results of a plugin reach: its slowest handler. */
  logPosition(plugin: string): number
  /** A stack, or a text that holds one, with the author's lines; of the active version unless told. */
  authorStack(plugin: string, stack: string, version?: string): Promise<string>
  /** A refusal as this reader may see it: the stack for those who may, with the author's lines. */
  explain(error: LyceumError, withStack: boolean): Promise<LyceumError>
  /** True from the moment all parts have started until the host begins to stop. */
  ready(): boolean
  stopping(): boolean
  /** Says that the plugins that must be there are there. */
  markReady(): void
  /** Stops: not ready at once, then what is under way ends, then everything closes. */
  close(): Promise<void>
}

function serverOf({ mongoUri, dataDir }: Config): ConnectControl | undefined {
  return mongoUri === undefined ? undefined : { uri: mongoUri, secret: mongoSecret(dataDir) }
}

/** Opens the data folder and starts everything but HTTP. @throws {LyceumError} data_locked, data_newer … */
export async function openHost(config: Config, nowMs: () => number = Date.now): Promise<Host> {
  const logger = pino(
    { level: config.logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination(2),
  )
  const folder = openDataFolder(config.dataDir)
  const catalogue = new Catalogue(folder.registry, config.quotas)
  const conduct = new Conduct({
    logger,
    quarantined: new Map(
      catalogue.plugins().flatMap(({ id, quarantined }) => (quarantined ? [[id, quarantined]] : [])),
    ),
    onQuarantine: (plugin, reason) => {
      try {
        catalogue.setQuarantined(plugin, reason)
      } catch (error) {
        logger.error({ err: error, plugin }, 'a quarantine could not be kept: it holds until the next start')
      }
    },
  })
  const onOutput = (text: string) =>
    logger.warn({ output: withoutControls(text.slice(0, LIMITS.errorChars)) }, 'child process')
  const onLoss: Conduct['lost'] = (loss) => conduct.lost(loss)
  const supervisor = new Supervisor({
    rssCapMb: LIMITS.sandboxRssMb,
    heartbeatMs: LIMITS.heartbeatLostMs,
    maxIsolates: LIMITS.isolatesPerSandbox,
    probationSandboxes: LIMITS.probationSandboxes,
    idleMs: LIMITS.sandboxIdleMs,
    onOutput,
    onLoss,
  })
  const cpuRates = new CpuRates()
  const usage = new UsageBook(catalogue.usage)
  const stores = new Stores({
    folder: folder.plugins,
    mongo: serverOf(config),
    nowMs,
    onOutput,
    onLoss,
    onUsed: (plugin, cpuMs) => {
      cpuRates.charge(plugin, cpuMs)
      usage.of(plugin).storeCpuMs += cpuMs
    },
  })
  const checker = new Checker(onOutput)
  const csv = new CsvConverter({
    onOutput,
    onUsed: (plugin, cpuMs) => cpuRates.charge(plugin, cpuMs),
  })
  const sdkPackage = new SdkPackage(folder.sdk, logger)
  const pluginLogs = new PluginLogs()
  const progress = new ProgressReports()
  const caches = new CacheRooms(LIMITS.cachesMb * 1024 * 1024)
  const flights = new Flights<Kept>()
  const replicas = new Replicas({
    configs: config.replicas,
    logger,
    onOutput,
    onUsed: (plugin, cpuMs) => cpuRates.charge(plugin, cpuMs),
  })
  const replicaOps = new ReplicaOps(replicas)
  const plugins = new Plugins({ catalogue, usage, conduct, supervisor, stores, logger })
  const publishing = new Publishing(plugins, { catalogue, checker, supervisor, replicas: replicas.names })
  const samples = new SampleAnswers(catalogue, plugins)
  const approvals = new Approvals(catalogue, plugins)
  const removal = new Removal({
    catalogue,
    plugins,
    conduct,
    logger,
    forget: (plugin) => {
      pluginLogs.forget(plugin)
      caches.forget(plugin)
      usage.forget(plugin)
      lane.forget(plugin)
    },
    deleteData: async (plugin) => {
      // What the registry does not know of, where it was lost once, would be the next one's of that name.
      const generations = new Set(stores.kept().get(plugin))
      for (const other of catalogue.generations.others())
        if (other.plugin === plugin) generations.add(other.generation)
      const read = catalogue.plugin(plugin)?.generation
      if (read !== undefined) generations.add(read)
      for (const generation of generations) await stores.drop(plugin, generation)
    },
  })

  const authorStack = (plugin: string, stack: string, version = catalogue.plugin(plugin)?.activeVersion) => {
    const row = version === undefined ? undefined : catalogue.version(plugin, version)
    if (row === undefined) return Promise.resolve(stack)
    const read = () => catalogue.code(plugin, row.version).sourceMap
    return checker.mapStack(plugin, { name: `${plugin} ${row.hash}`, read }, stack)
  }
  const onFailure = (plugin: ActivePlugin, endpoint: string, failure: EndedFailure) =>
    void reportFailure(plugin, endpoint, failure)
  const reportFailure = async (plugin: ActivePlugin, endpoint: string, failure: EndedFailure) => {
    const stack =
      failure.stack === undefined ? '' : await authorStack(plugin.id, failure.stack, plugin.version)
    pluginLogs.add(
      plugin.id,
      { by: 'host', version: plugin.version, endpoint },
      'error',
      withStack(failure.message, stack),
    )
  }

  const names = new CommonNames(catalogue, plugins)
  const between: PluginServices = {
    ask: (plugin, endpoint, args, asking, use) => questions.ask(plugin, endpoint, args, asking, use),
    clear: (plugin, query) => questions.clear(plugin, query),
    plugins,
    names,
  }
  const ops: OpTable = {
    ...dbOps,
    ...fsOps({
      nowMs,
      addressOf: (file, seconds) =>
        fileAddress(keys, { ...file, installation: plugins.installationOf(file.plugin) }, seconds),
    }),
    ...cacheOps(caches, flights),
    log: pluginLogs.op,
    progress: progress.op,
    signal: signalOp,
    replicaQuery: replicaOps.query,
    replicaNext: replicaOps.next,
    replicaEnd: replicaOps.end,
    pluginAsk: pluginAskOp(between),
    queryClear: queryClearOp(between),
    pluginRead: pluginReadOp(between),
    chartDraw: (payload, context) => charts.op(payload, context),
  }
  const charts = new Charts({ conduct, cpuRates, nowMs, onOutput, onLoss, ops })
  const invoker = new Invoker(supervisor, conduct, ops, cpuRates, nowMs)
  const positionOf = (plugin: string) => logPosition(plugin)
  const answers = new Answers({
    rooms: caches,
    flights,
    positionOf,
    onTooLarge: ({ id, version }, endpoint, message) =>
      pluginLogs.add(id, { by: 'host', version, endpoint }, 'warn', message),
  })
  const questions = new Questions({
    plugins,
    invoker,
    answers,
    positionOf,
    onFailure,
    lossesOf: (plugin) => conduct.lossesOf(plugin),
  })
  const keepUsage = () => {
    try {
      usage.flush()
    } catch (error) {
      logger.error({ err: error }, 'what plugins have used could not be kept')
    }
  }
  const keeping = setInterval(keepUsage, KEEP_USAGE_MS)
  keeping.unref()
  const closeParts = async () => {
    clearInterval(keeping)
    keepUsage()
    supervisor.close()
    charts.close()
    checker.close()
    csv.close()
    sdkPackage.close()
    replicas.close()
    await stores.close()
    catalogue.close()
    folder.release()
  }
  // All at once, since each of them mostly waits for a process or a thread of its own to start.
  const [keys, log] = await Promise.all([
    loadKeys(config.dataDir),
    EventLog.open({ path: folder.log, limits: LIMITS }),
    supervisor.start(),
    stores.start(),
  ]).catch(async (error: unknown) => {
    await closeParts()
    throw error
  })
  if (stores.server !== undefined) {
    const { version } = stores.server
    logger.info({ version, guarantee: stores.guarantee }, 'documents are kept in MongoDB')
    for (const notice of noticesOf(stores.server)) logger.warn(notice)
  }
  replicas.start()
  const window = new LogWindow(log)
  const mayRun = (plugin: string, endpoint?: string) => plugins.mayRun(plugin, endpoint)
  const logIsBehind = (seq: number) => {
    const refusal = log.refuseBehind(seq)
    logger.error({ code: refusal.code }, refusal.message)
    return refusal
  }
  const properties = new Properties({
    invoker,
    mayRun,
    whyNot: (plugin) => plugins.whyNot(plugin),
    onFailure,
    onChange: () => lane.wakeWaiting(),
  })
  const { halts } = catalogue
  const feeding = {
    logId: log.id,
    window,
    invoker,
    properties,
    halts,
    logger,
    logIsBehind,
    mayRun,
    onFailure,
  }
  const lane = new Lane(log, window, feeding)
  const cron = new CronJobs({ ...feeding, nowMs })
  const backlogs = new Backlogs({
    plugins,
    logger,
    status: (plugin) => lane.status(plugin),
    head: () => log.head(),
  })
  const rebuilds = new Rebuilds({
    feeding,
    plugins,
    catalogue,
    stores,
    lane,
    cron,
    log,
    disk: folder.disk,
    cpuRates,
    conduct,
    whyNot: (plugin) => plugins.whyNot(plugin),
    isBusy: () => !lane.quiet,
    nowMs,
    logger,
    onEnd: ({ id, version }, status) =>
      pluginLogs.add(id, { by: 'host', version, endpoint: 'rebuild' }, ...rebuildLine(status)),
  })

  for (const { id, quotaSet } of catalogue.plugins()) {
    const clamped = clampedBy(quotaSet, config.quotas)
    if (clamped.length > 0)
      logger.warn({ plugin: id, clamped }, 'quotas above the ceilings are lowered to them')
  }
  await removal.finish()
  const remove = async (plugin: string) => {
    properties.remove(plugin)
    await Promise.all([lane.remove(plugin), cron.remove(plugin)])
  }
  await plugins.start({
    add: (plugin) => {
      properties.add(plugin)
      lane.add(plugin)
      cron.add(plugin)
      rebuilds.changed(plugin)
    },
    remove,
    end: async (plugin) => {
      await Promise.all([remove(plugin), rebuilds.forget(plugin)])
    },
    takeOver: (plugin, passed) => {
      lane.takeOver(plugin, passed)
      // What was kept while the data were built was made of some of them.
      caches.forget(plugin)
    },
    wake: (plugin) => {
      properties.wake(plugin)
      lane.wake(plugin)
    },
    head: () => log.head(),
  })
  properties.markComplete()
  rebuilds.resume()

  const logPosition = (plugin: string) =>
    Math.min(log.head(), ...lane.status(plugin).map(({ cursor }) => cursor))
  const explain = async (error: LyceumError, withStack: boolean) => {
    const { plugin, version, stack, ...details } = error.details ?? {}
    if (typeof plugin !== 'string' || typeof version !== 'string' || typeof stack !== 'string') return error
    const mapped = withStack ? { stack: await authorStack(plugin, stack, version) } : {}
    return new LyceumError(error.code, error.message, { plugin, version, ...details, ...mapped })
  }

  let ready = false
  let closing: Promise<void> | undefined
  const close = async () => {
    pluginLogs.close()
    backlogs.close()
    const drained = Promise.all([lane.close(), cron.close(), rebuilds.close()])
    await Promise.race([drained, new Promise((resolve) => setTimeout(resolve, LIMITS.drainMs).unref())])
    await log.close()
    await closeParts()
  }
  return {
    config,
    keys,
    logger,
    disk: folder.disk,
    log,
    window,
    catalogue,
    checker,
    csv,
    conduct,
    plugins,
    publishing,
    samples,
    approvals,
    removal,
    usage,
    cpuRates,
    names,
    pluginLogs,
    caches,
    progress,
    questions,
    properties,
    lane,
    cron,
    backlogs,
    rebuilds,
    ops,
    invoker,
    supervisor,
    charts,
    stores,
    replicas,
    sdkPackage,
    nowMs,
    version: packageJson.version,
    logPosition,
    authorStack,
    explain,
    ready: () => ready && closing === undefined,
    stopping: () => closing !== undefined,
    markReady: () => {
      ready = true
    },
    close: () => (closing ??= close()),
  }
}

/** What the author reads of a rebuild that has ended. */
function rebuildLine({ state, events, deadLetters, problem }: RebuildStatus): ['info' | 'error', string] {
  const failed = deadLetters === 0 ? '' : ` They failed on some: ${amount(deadLetters, 'dead letter')}.`
  if (state === 'done')
    return ['info', `Rebuilt: its handlers have seen all ${events} events again.${failed}`]
  return [state === 'failed' ? 'error' : 'info', `Not rebuilt: ${problem?.message}`]
}
