import { setTimeout as sleep } from 'node:timers/promises'
import { type App, createApp } from '../host/app.ts'
import { type Claims, issueToken, toCaller } from '../host/auth/tokens.ts'
import { loadConfig } from '../host/config.ts'
import { LyceumError } from '../host/errors.ts'
import { type Host, openHost } from '../host/host.ts'
import { QUOTA_CEILINGS, type Quota } from '../host/limits.ts'
import type { Published } from '../host/registry/publishing.ts'
import { serveHost } from '../host/serve.ts'
import { undoAtExit } from './abandoned.ts'
import { bundlePlugin, type PluginBundle, readPluginPackage } from './bundle.ts'
import { readHostSamples, type SampledPlugin, standInFor } from './stand-ins.ts'
import { deleteFolder, temporaryFolder } from './temporary.ts'

/** What a {@link Bench} is opened with. */
export interface BenchOptions {
  /** The author's folder, with plugin.ts and package.json. */
  readonly dir: string
  /** Where the host keeps its data; a temporary folder, which goes with the workbench, unless told. */
  readonly dataDir?: string
  /** The host's clock, in ms since the epoch; the system's unless told. */
  readonly nowMs?: () => number
  /** Of the host's own log, on stderr; `silent` unless told. */
  readonly logLevel?: string
  /**
   * Plugins as `GET /v1/schema?samples=true` tells of them: one that is asked for, and was not published here, is
   * stood for by its samples. Those of `.lyceum/host-samples.json` unless told.
   */
  readonly samplesOf?: readonly SampledPlugin[]
  /** What the plugin may use where that is not the default of a host. */
  readonly quotas?: Partial<Quota>
}

/** What a {@link Workbench} is opened with. */
export interface WorkbenchOptions extends BenchOptions {
  /** TCP port on 127.0.0.1; a free one unless told. */
  readonly port?: number
  /** What answers HTTP; the host's own app unless told. */
  readonly app?: (host: Host) => Pick<App, 'fetch'>
}

/** What a publish came to. Everything that it needs is granted, and told, since elsewhere an admin decides. */
export interface PublishAnswer extends Published {
  readonly plugin: string
  /** Plugins that it asks and that are stood for by their samples. */
  readonly standIns: readonly string[]
}

/** What became of lines that were sent. */
export interface Taken {
  readonly accepted: number
  /** Events that were there before. */
  readonly duplicates: number
  readonly rejected: number
  /** The first line that was rejected, counted from 0, and why. */
  readonly firstRejected:
    | { readonly index: number; readonly code: string; readonly message: string }
    | undefined
}

/** A real host in this process, with its children, for one author's plugin; nobody can reach it from outside. */
export interface Bench {
  readonly host: Host
  /** The id of the plugin in the folder. */
  readonly plugin: string
  /**
   * Bundles the folder anew, or another one, and publishes it as an admin, under a version of its own each time.
   *
   * @param from another folder, or what was bundled already
   * @throws {LyceumError} what the author has to change, and where
   */
  publish(from?: string | PluginBundle): Promise<PublishAnswer>
  /** Sends lines of a log; resolves when they are on the disk. Memory grows with none of them. */
  send(lines: Iterable<string> | AsyncIterable<string>): Promise<Taken>
  /** Resolves when all handlers are through with what was sent. */
  settled(): Promise<void>
  /** Stops the host and its children, and deletes what was temporary. */
  close(): Promise<void>
}

/** A {@link Bench} that listens for HTTP. */
export interface Workbench extends Bench {
  /** `http://127.0.0.1:40123` */
  readonly url: string
  /** A token of this host, good for a day. */
  token(claims: Claims): Promise<string>
}

const BATCH_LINES = 1_000
const BATCH_CHARS = 1_000_000
const TOKEN_SECONDS = 86_400
const LOOK_MS = 2
/** What a plugin may use in a minute is for the sake of others, and here are none. */
const ALONE: Partial<Quota> = { cpuMsPerMinute: QUOTA_CEILINGS.cpuMsPerMinute }
const ADMIN = toCaller({ role: 'admin' })

/**
 * Opens a host for one author's plugin that listens for HTTP. Nothing is published yet: {@link Bench.publish} does
 * that. It does not keep the process from ending: who waits for requests has to hold something else open.
 * @throws {LyceumError} package_invalid, data_locked, port_taken …
 */
export async function openWorkbench(options: WorkbenchOptions): Promise<Workbench> {
  const bench = await openOn(options, options.port ?? 0)
  const { host } = bench
  try {
    const served = await serveHost(host, options.app?.(host) ?? createApp(host))
    served.unref()
    return {
      ...bench,
      url: served.url,
      token: (claims) => issueToken(host.keys, claims, TOKEN_SECONDS),
      close: async () => {
        await served.close()
        await bench.close()
      },
    }
  } catch (error) {
    await bench.close()
    throw error
  }
}

/** The same without a port. @throws {LyceumError} package_invalid, data_locked … */
export function openBench(options: BenchOptions): Promise<Bench> {
  return openOn(options, 0)
}

async function openOn(options: BenchOptions, port: number): Promise<Bench> {
  const { dir, dataDir: given, nowMs, logLevel = 'silent', quotas } = options
  const { name: plugin } = await readPluginPackage(dir)
  const dataDir = given ?? (await temporaryFolder())
  let pids = (): readonly number[] => []
  const release = () => {
    // Dead or not, they end with this process; but they must not write into a folder that is being deleted.
    for (const pid of pids()) killIfThere(pid)
    if (given === undefined) deleteFolder(dataDir)
  }
  const forget = undoAtExit(release)
  try {
    const config = loadConfig(
      {
        LYCEUM_REPLICAS: process.env.LYCEUM_REPLICAS,
        LYCEUM_QUOTAS: JSON.stringify({ ...ALONE, ...quotas }),
      },
      { data: dataDir, port: String(port), logLevel },
    )
    // Whoever is told that a plugin is not there may get its samples while this is open.
    const samplesOf = async () => options.samplesOf ?? (await readHostSamples(dir))
    const host = await openHost(config, nowMs)
    pids = () => [...host.supervisor.pids, ...host.stores.pids]
    host.markReady()
    return {
      host,
      plugin,
      publish: (from = dir) => publish(host, from, samplesOf),
      send: (lines) => send(host, lines),
      settled: async () => {
        while (!host.lane.quiet) await sleep(LOOK_MS)
      },
      close: async () => {
        await host.close()
        forget()
        release()
      },
    }
  } catch (error) {
    forget()
    release()
    throw error
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It is gone.
  }
}

async function publish(
  host: Host,
  from: string | PluginBundle,
  samplesOf: () => Promise<readonly SampledPlugin[]>,
): Promise<PublishAnswer> {
  const bundled = typeof from === 'string' ? await bundlePlugin(from) : from
  const { name } = bundled.package
  const version = nextVersion(host, name, bundled.package.version)
  const body = { ...bundled, package: { ...bundled.package, version } }
  const standIns: string[] = []
  for (;;)
    try {
      return { plugin: name, standIns, ...(await host.publishing.publish(name, body, ADMIN)) }
    } catch (error) {
      const missing = error instanceof LyceumError ? error.details?.missing : undefined
      if (missing === undefined) throw error
      const sampled = (await samplesOf()).find(
        ({ id, queries }) =>
          id === missing || queries.some(({ names }) => names.some((known) => known === missing)),
      )
      if (sampled === undefined || standIns.includes(sampled.id)) throw withRemedy(error)
      await host.publishing.publish(sampled.id, standInFor(sampled), ADMIN)
      standIns.push(sampled.id)
    }
}

/** Here nobody publishes another plugin: it is brought along. */
function withRemedy(error: unknown): unknown {
  if (!(error instanceof LyceumError) || typeof error.details?.missing !== 'string') return error
  const { missing } = error.details
  return new LyceumError(
    error.code,
    `${error.message} This host is the author's own, so bring it along: --with ../${missing}; in a test, await p.plugin('../${missing}'). Or let its samples stand for it, from the host that has it: npx lyceum types --url HOST.`,
    error.details,
  )
}

/** `1.2.0` → `1.2.0-dev.3`, where two were published before. */
function nextVersion(host: Host, plugin: string, version: string): string {
  const base = `${/^[\d.]+/.exec(version)?.[0]}-dev.`
  const numbers = host.catalogue
    .versions(plugin)
    .flatMap((row) => (row.version.startsWith(base) ? [Number(row.version.slice(base.length))] : []))
  return `${base}${Math.max(0, ...numbers.filter(Number.isSafeInteger)) + 1}`
}

async function send(host: Host, lines: Iterable<string> | AsyncIterable<string>): Promise<Taken> {
  const taken = { accepted: 0, duplicates: 0, rejected: 0 }
  let firstRejected: Taken['firstRejected']
  let sent = 0
  let batch: string[] = []
  let chars = 0
  const flush = async () => {
    const body = new TextEncoder().encode(batch.join('\n'))
    const before = sent
    sent += batch.length
    batch = []
    chars = 0
    const about = { contentType: 'application/x-ndjson', receivedMs: host.nowMs() }
    const { accepted, duplicates, rejected } = await host.log.append(body, about)
    const [first] = rejected
    if (first !== undefined) firstRejected ??= { ...first, index: before + first.index }
    taken.accepted += accepted
    taken.duplicates += duplicates
    taken.rejected += rejected.length
  }
  for await (const line of lines) {
    if (line.trim() === '') continue // not counted by the host either
    batch.push(line)
    chars += line.length
    if (batch.length === BATCH_LINES || chars >= BATCH_CHARS) await flush()
  }
  if (batch.length > 0) await flush()
  return { ...taken, firstRejected }
}
