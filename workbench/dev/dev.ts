import { realpath } from 'node:fs/promises'
import { createApp } from '../../host/app.ts'
import { DeadLetterRetries } from '../../host/dispatch/dead-letters.ts'
import { Bundler } from '../bundle.ts'
import { schemaOf } from '../own-schema.ts'
import { writeTypes } from '../types-file.ts'
import { openWorkbench, type Workbench } from '../workbench.ts'
import { Activity } from './activity.ts'
import { createDevApp } from './app.ts'
import { type ClockSetting, DevClock } from './clock.ts'
import { DevEvents, type OwnEvents } from './events.ts'
import { Faults } from './faults.ts'
import { Rebuilding } from './rebuilding.ts'
import { type DevRecord, Records } from './records.ts'
import { Reloads } from './reloads.ts'
import { FolderWatch } from './watch.ts'

/** While time passes faster, it is looked this often what has come due. */
const TICK_MS = 1_000

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
  /** The sample course unless told. */
  readonly events?: OwnEvents
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
  readonly events: DevEvents
  readonly activity: Activity
  readonly records: Records
  /** The last reload; undefined before the first version runs. */
  readonly lastReload: Extract<DevRecord, { type: 'reload' }> | undefined
  /** What a publish would ask for and warn of. */
  readonly needs: Pick<Extract<DevRecord, { type: 'needs' }>, 'needs' | 'warnings'>
  /** Resolves when the events are in the log, and handled. */
  loaded(): Promise<void>
  /** Changes the time that the plugin sees. Resolves when the jobs that come due by that have run. */
  setClock(setting: ClockSetting): Promise<void>
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
  // Of a folder that is not there, the workbench says so.
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
  // Nearly all of the time of a publish is the start of a process.
  host.supervisor.keepScratchReady()
  const faults = new Faults(dir)
  const activity = new Activity(host, plugin, records.tell)
  const bundler = new Bundler(dir)
  const retries = new DeadLetterRetries(host.window, host.invoker, host.properties)
  let lastReload: Dev['lastReload']
  let needs: Dev['needs'] = { needs: [], warnings: [] }
  const events = new DevEvents(workbench, options.events, records.tell)
  records.listen((record) => {
    if (record.type === 'reload') lastReload = record
    if (record.type === 'needs') needs = record
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
      onError: async (error) => records.tell({ type: 'fault', fault: await faults.around(error) }),
    }),
  )
  const logs = followLogs(workbench, faults, records.tell)

  const load = async () => {
    try {
      await events.load()
    } catch (error) {
      records.tell({ type: 'fault', fault: await faults.around(error) })
    }
    activity.look()
    records.tell(activity.latest)
  }
  /** What the plugin sees of the time has changed: its jobs come due, and what it shows is another. */
  const tellTime = async () => {
    host.caches.forget(plugin)
    host.cron.look(plugin)
    await host.cron.settled(plugin)
    records.tell({ type: 'clock', nowMs: clock.nowMs(), speed: clock.setting.speed })
  }
  let ticking: NodeJS.Timeout | undefined

  // Before the first version runs there is nothing to look at; what is wrong with it is told, and the page tells it too.
  await reloads.saved([])
  const dev: Dev = {
    workbench,
    url: `${workbench.url}/dev`,
    clock,
    faults,
    events,
    activity,
    records,
    get lastReload() {
      return lastReload
    },
    get needs() {
      return needs
    },
    loaded: () => loading,
    setClock: async (setting) => {
      clock.set(setting)
      clearInterval(ticking)
      if (setting.speed > 1) ticking = setInterval(() => void tellTime(), TICK_MS)
      await tellTime()
    },
    retryDeadLetters: async () => {
      await retries.retry(plugin, {}, () => host.plugins.get(plugin))
      activity.look()
      records.tell(activity.latest)
    },
    rebuild: () => rebuilding.start(),
    close: async () => {
      events.close()
      clearInterval(ticking)
      await watching.close()
      await reloads.close()
      await rebuilding.close()
      await bundler.close()
      activity.close()
      await loading
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
