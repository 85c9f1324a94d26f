import { setTimeout as sleep } from 'node:timers/promises'
import { type App, createApp } from '../host/app.ts'
import { type Claims, issueToken, toCaller } from '../host/auth/tokens.ts'
import { loadConfig } from '../host/config.ts'
import { type Host, openHost } from '../host/host.ts'
import type { Published } from '../host/registry/publishing.ts'
import { serveHost } from '../host/serve.ts'
import { undoAtExit } from './abandoned.ts'
import { bundlePlugin, type PluginBundle, readPluginPackage } from './bundle.ts'
import { deleteFolder, temporaryFolder } from './temporary.ts'

/** What a {@link Workbench} is opened with. */
export interface WorkbenchOptions {
  /** The author's folder, with plugin.ts and package.json. */
  readonly dir: string
  /** Where the host keeps its data; a temporary folder, which goes with the workbench, unless told. */
  readonly dataDir?: string
  /** TCP port on 127.0.0.1; a free one unless told. */
  readonly port?: number
  /** The host's clock, in ms since the epoch; the system's unless told. */
  readonly nowMs?: () => number
  /** Of the host's own log, on stderr; `silent` unless told. */
  readonly logLevel?: string
  /** What answers HTTP; the host's own app unless told. */
  readonly app?: (host: Host) => Pick<App, 'fetch'>
}

/** What a publish came to. Everything that it needs is granted, and told, since elsewhere an admin decides. */
export interface PublishAnswer extends Published {
  readonly plugin: string
}

/** A real host in this process, with its children, for one author's plugin. */
export interface Workbench {
  readonly host: Host
  /** `http://127.0.0.1:40123` */
  readonly url: string
  /** The id of the plugin in the folder. */
  readonly plugin: string
  /** A token of this host, good for a day. */
  token(claims: Claims): Promise<string>
  /**
   * Bundles the folder anew, or another one, and publishes it as an admin, under a version of its own each time.
   *
   * @param from another folder, or what was bundled already
   * @throws {LyceumError} what the author has to change, and where
   */
  publish(from?: string | PluginBundle): Promise<PublishAnswer>
  /** Sends lines of a log; resolves when they are on the disk. */
  send(lines: Iterable<string> | AsyncIterable<string>): Promise<{ accepted: number }>
  /** Resolves when all handlers are through with what was sent. */
  settled(): Promise<void>
  /** Stops the host and its children, and deletes what was temporary. */
  close(): Promise<void>
}

const BATCH_LINES = 1_000
const BATCH_CHARS = 1_000_000
const TOKEN_SECONDS = 86_400
const LOOK_MS = 2
const ADMIN = toCaller({ role: 'admin' })

/**
 * Opens a host for one author's plugin. Nothing is published yet: {@link Workbench.publish} does that.
 * It does not keep the process from ending: who waits for requests has to hold something else open.
 * @throws {LyceumError} package_invalid, data_locked, port_taken …
 */
export async function openWorkbench(options: WorkbenchOptions): Promise<Workbench> {
  const { name: plugin } = await readPluginPackage(options.dir)
  const dataDir = options.dataDir ?? (await temporaryFolder())
  let pids = (): readonly number[] => []
  const release = () => {
    // Dead or not, they end with this process; but they must not write into a folder that is being deleted.
    for (const pid of pids()) killIfThere(pid)
    if (options.dataDir === undefined) deleteFolder(dataDir)
  }
  const forget = undoAtExit(release)
  const config = loadConfig(
    { LYCEUM_REPLICAS: process.env.LYCEUM_REPLICAS },
    { data: dataDir, port: String(options.port ?? 0), logLevel: options.logLevel ?? 'silent' },
  )
  try {
    const host = await openHost(config, options.nowMs)
    pids = () => [...host.supervisor.pids, ...host.stores.pids]
    const served = await serveHost(host, options.app?.(host) ?? createApp(host)).catch(async (error) => {
      await host.close()
      throw error
    })
    served.unref()
    host.markReady()
    return {
      host,
      url: served.url,
      plugin,
      token: (claims) => issueToken(host.keys, claims, TOKEN_SECONDS),
      publish: (from = options.dir) => publish(host, from),
      send: (lines) => send(host, lines),
      settled: async () => {
        while (!host.lane.quiet) await sleep(LOOK_MS)
      },
      close: async () => {
        await served.close()
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

async function publish(host: Host, from: string | PluginBundle): Promise<PublishAnswer> {
  const bundled = typeof from === 'string' ? await bundlePlugin(from) : from
  const { name } = bundled.package
  const version = nextVersion(host, name, bundled.package.version)
  const body = { ...bundled, package: { ...bundled.package, version } }
  return { plugin: name, ...(await host.publishing.publish(name, body, ADMIN)) }
}

/** `1.2.0` → `1.2.0-dev.3`, where two were published before. */
function nextVersion(host: Host, plugin: string, version: string): string {
  const base = `${/^[\d.]+/.exec(version)?.[0]}-dev.`
  const numbers = host.catalogue
    .versions(plugin)
    .flatMap((row) => (row.version.startsWith(base) ? [Number(row.version.slice(base.length))] : []))
  return `${base}${Math.max(0, ...numbers.filter(Number.isSafeInteger)) + 1}`
}

async function send(
  host: Host,
  lines: Iterable<string> | AsyncIterable<string>,
): Promise<{ accepted: number }> {
  let accepted = 0
  let batch: string[] = []
  let chars = 0
  const flush = async () => {
    const body = new TextEncoder().encode(batch.join('\n'))
    batch = []
    chars = 0
    const about = { contentType: 'application/x-ndjson', receivedMs: host.nowMs() }
    accepted += (await host.log.append(body, about)).accepted
  }
  for await (const line of lines) {
    batch.push(line)
    chars += line.length
    if (batch.length === BATCH_LINES || chars >= BATCH_CHARS) await flush()
  }
  if (batch.length > 0) await flush()
  return { accepted }
}
