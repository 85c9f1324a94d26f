import { realpath } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { createApp } from '../../host/app.ts'
import { DeadLetterRetries } from '../../host/dispatch/dead-letters.ts'
import { LIMITS } from '../../host/limits.ts'
import { course } from '../../sdk/testing/index.ts'
import { Bundler } from '../bundle.ts'
import { schemaOf } from '../own-schema.ts'
import { writeTypes } from '../types-file.ts'
import { openWorkbench, type Workbench } from '../workbench.ts'
import { Activity } from './activity.ts'
import { createDevApp } from './app.ts'
import { type ClockSetting, DevClock } from './clock.ts'
import { Faults } from './faults.ts'
import { usersIn } from './people.ts'
import { Rebuilding } from './rebuilding.ts'
import { type DevRecord, Records } from './records.ts'
import { Reloads } from './reloads.ts'
import { FolderWatch } from './watch.ts'

const LOOK_MS = 5

/** What {@link openDev} takes. */
export interface DevOptions {
  /** The author's folder, with plugin.ts and package.json. */
  readonly dir: string
  /** Where the host keeps its data; a temporary folder unless told. */
  readonly dataDir?: string
  /** TCP port on 127.0.0.1; a free one unless told. */
  readonly port?: number
  /** Folders of other plugins, which this one asks. They are published once. */
  readonly with?: readonly string[]
  /** Lines of events; the sample course unless told. */
  readonly events?: { readonly name: string; readonly lines: () => AsyncIterable<string> }
  /** Hears of everything that happens. */
  readonly onRecord?: (record: DevRecord) => void
}

/** A plugin that is being developed: a host runs it and puts each save in the place of what ran before. */
export interface Dev {
  readonly workbench: Workbench
  /** The address of the page that shows it all. */
  readonly url: string
  readonly clock: DevClock
  readonly faults: Faults
  readonly activity: Activity
  readonly records: Records
  /** The last reload; undefined before the first version runs. */
  readonly lastReload: Extract<DevRecord, { type: 'reload' }> | undefined
  /** What an admin would have to approve. */
  readonly needs: readonly string[]
  /** The people and courses of the events, to choose from. */
  readonly users: readonly string[]
  readonly courses: readonly string[]
  /** Resolves when the events are in the log, and handled. */
  loaded(): Promise<void>
  /** Changes the time that the plugin sees. Jobs that come due by that run. */
  setClock(setting: ClockSetting): Promise<void>
  /** Sends the events of more learners of the sample course. */
  addLearners(count: number): Promise<void>
  /** Has the handlers try events again that they failed on. */
  retryDeadLetters(): Promise<void>
  /** Has the handlers handle all events anew. Resolves when that has begun. */
  rebuild(): Promise<void>
  close(): Promise<void>
}

/**
 * Runs a plugin for its author, and reloads it after each save.
 * @throws {LyceumError} package_invalid, data_locked, port_taken …
 */
export async function openDev(options: DevOptions): Promise<Dev> {
  const dir = await realpath(options.dir).catch(() => options.dir)
  const records = new Records()
  if (options.onRecord) records.listen(options.onRecord)
  const clock = new DevClock()
  const started = Promise.withResolvers<Dev>()
  const workbench = await openWorkbench({
    dir,
    ...(options.dataDir !== undefined && { dataDir: options.dataDir }),
    port: options.port ?? 0,
    nowMs: clock.nowMs,
    app: (host) => createDevApp(createApp(host), host, started.promise),
  })
  const { host, plugin } = workbench
  const faults = new Faults(dir)
  const activity = new Activity(host, plugin, records.tell)
  const bundler = new Bundler(dir)
  const retries = new DeadLetterRetries(host.window, host.invoker, host.properties)
  let lastReload: Dev['lastReload']
  let needs: readonly string[] = []
  let users: readonly string[] = []
  let learners = 0
  records.listen((record) => {
    if (record.type === 'reload') lastReload = record
    if (record.type === 'needs') needs = record.needs
  })
  const rebuilding = new Rebuilding(workbench, records.tell)
  const reloads = new Reloads({
    bundler,
    workbench,
    faults,
    tell: records.tell,
    onReload: async ({ rebuildOffered }) => {
      watching.also(bundler.files)
      // For the author's editor. A folder that cannot be written into is no reason to stop.
      void writeOwnTypes(workbench, dir).catch(() => {})
      if (rebuildOffered !== null) await rebuilding.start()
    },
  })
  const watching = await begin(workbench, options.with ?? [], () =>
    FolderWatch.open(dir, {
      onSaved: (files) => void reloads.saved(files),
      onError: async (error) => records.tell({ type: 'fault', fault: await faults.ofSave(error) }),
    }),
  )
  const logs = followLogs(workbench, faults, records.tell)

  let closing = false
  const send = async (lines: Iterable<string> | AsyncIterable<string>, from: string) => {
    const { accepted, rejected, firstRejected } = await workbench.send(until(() => closing, lines))
    users = usersIn(host.log)
    // The sample course has lines that are none, as logs have.
    const isToTell = options.events !== undefined && firstRejected !== undefined
    const why = isToTell ? `line ${firstRejected.index + 1}: ${firstRejected.message}` : null
    records.tell({ type: 'events', accepted, rejected, why, from })
  }
  const load = async () => {
    if (host.log.head() > 0) users = usersIn(host.log)
    else if (options.events !== undefined) await send(options.events.lines(), options.events.name)
    else {
      const sample = course()
      learners = sample.learners.length
      await send(sample.lines(), `the sample course, ${learners} learners`)
    }
    while (!closing && !host.lane.quiet) await sleep(LOOK_MS)
    activity.look()
    records.tell(activity.latest)
  }

  // Before the first version runs there is nothing to look at; what is wrong with it is told, and the page tells it too.
  await reloads.saved([])
  const dev: Dev = {
    workbench,
    url: `${workbench.url}/dev`,
    clock,
    faults,
    activity,
    records,
    get lastReload() {
      return lastReload
    },
    get needs() {
      return needs
    },
    get users() {
      return users
    },
    get courses() {
      return host.log.courses(LIMITS.coursesOffered).map(({ course }) => course)
    },
    loaded: () => loading,
    setClock: async (setting) => {
      clock.set(setting)
      host.caches.forget(plugin)
      // Its jobs look at the time when they are started.
      await host.plugins.changing(plugin, () => host.plugins.restart(plugin))
      records.tell({ type: 'clock', nowMs: clock.nowMs(), speed: setting.speed })
    },
    addLearners: async (count) => {
      const known = new Set(course({ learners }).learners.map(({ username }) => username))
      learners += count
      await send(linesOf(learners, known), `${count} more learners`)
    },
    retryDeadLetters: async () => {
      await retries.retry(plugin, {}, () => host.plugins.get(plugin))
      activity.look()
      records.tell(activity.latest)
    },
    rebuild: () => rebuilding.start(),
    close: async () => {
      closing = true
      await watching.close()
      await reloads.close()
      await rebuilding.close()
      await bundler.close()
      activity.close()
      await loading.catch(() => {})
      await workbench.close()
      await logs
    },
  }
  records.tell({ type: 'ready', url: dev.url, plugin })
  const loading = load()
  started.resolve(dev)
  return dev
}

/** Publishes the plugins that this one asks, and begins to watch; where that fails, nothing is left running. */
async function begin(
  workbench: Workbench,
  others: readonly string[],
  watch: () => Promise<FolderWatch>,
): Promise<FolderWatch> {
  try {
    for (const other of others) await workbench.publish(other)
    return await watch()
  } catch (error) {
    await workbench.close()
    throw error
  }
}

/** Writes what TypeScript has to know of the version that runs. */
async function writeOwnTypes({ host, plugin }: Workbench, dir: string): Promise<void> {
  const active = host.plugins.active().get(plugin)
  if (active !== undefined)
    await writeTypes(dir, schemaOf({ name: plugin, version: active.version }, [...active.endpoints.values()]))
}

/** The same lines, until there is no need for more. */
async function* until(
  isOver: () => boolean,
  lines: Iterable<string> | AsyncIterable<string>,
): AsyncGenerator<string> {
  for await (const line of lines) {
    if (isOver()) return
    yield line
  }
}

/** What learners did that are not known yet. */
function* linesOf(learners: number, known: ReadonlySet<string>): Generator<string> {
  for (const event of course({ learners }).events())
    if (!known.has(event.username)) yield JSON.stringify(event)
}

/** Tells what the plugin logs, and what the host logs about it, which are its faults. */
async function followLogs(
  { host, plugin }: Workbench,
  faults: Faults,
  tell: (record: DevRecord) => void,
): Promise<void> {
  for await (const logged of host.pluginLogs.follow(plugin, [])) {
    tell({ type: 'log', line: logged })
    if (logged.by === 'host' && logged.level === 'error')
      tell({ type: 'fault', fault: await faults.ofRun(logged) })
  }
}
