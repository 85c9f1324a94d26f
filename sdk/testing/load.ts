import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import { PACKAGES } from '../../process/packages.js'
import type { Viewer } from '../../workbench/viewer.ts'
import type { Plugins, QueryArguments } from '../types-plugins.ts'
import type { Course } from './course.ts'

export type { Viewer }

/** Events to send: a sample course, or lines of a log and objects. */
export type Events = Course | Iterable<string | object> | AsyncIterable<string | object>

/** How to send events. */
export interface SendOptions {
  /** `allow`: a handler may fail on events; {@link Loaded.deadLetters} tells of them. Else that throws. */
  readonly deadLetters?: 'allow'
}

/** What became of events that were sent. */
export interface Sent {
  /** Events that are in the log now. */
  readonly accepted: number
  /** Events that were there before: the same event counts once. */
  readonly duplicates: number
  /** Lines that are no events, as real logs have some. */
  readonly rejected: number
  /** Events that a handler failed on. */
  readonly deadLetters: number
}

/** A line that a plugin logged, or the host about it. */
export interface LoggedLine {
  readonly atMs: number
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly by: 'plugin' | 'host'
  readonly endpoint: string
  readonly line: string
}

/** An event that a handler failed on. */
export interface DeadLetter {
  readonly endpoint: string
  readonly code: string
  readonly message: string
  /** With the author's own lines. */
  readonly stack?: string
  readonly event: unknown
}

/** What one viewer gets to see. */
export interface Seen {
  /**
   * Queries: `await p.plugins.self.top({ course })`, of a plugin that was added `p.plugins.grades.list({ course })`.
   * They resolve with JSON, as it goes out over HTTP: a Date has become a text.
   */
  readonly plugins: Plugins
  /** The plugin's views, each as the text of its markup. */
  readonly views: { readonly [view: string]: (given?: QueryArguments) => Promise<string> }
}

/** A plugin that runs as it would on a host: in an isolate, with the real engine, in a folder of its own. */
export interface Loaded extends Seen, AsyncDisposable {
  /**
   * Sends events; resolves when all handlers are through with them.
   * @throws where a handler failed on one, with the line at which it did; where an object is no event
   */
  events(events: Events, options?: SendOptions): Promise<Sent>
  /** The same plugin as somebody else sees it: `p.as({ user: 'ann' })`, a student unless a role is given. */
  as(viewer: Viewer): Seen
  /** Sets the clock. It stands still, at the time of `load()` unless told. */
  at(time: Date | string): void
  /** Runs a job now. No job runs by itself here. @throws where the job fails */
  cron(job: string): Promise<void>
  /** What the plugin logged, oldest first. */
  logs(): readonly LoggedLine[]
  /** The events that its handlers failed on, oldest first. */
  deadLetters(): Promise<readonly DeadLetter[]>
  /** Adds another plugin, from its folder, seen from the plugin's own. Its events, too, are those sent here. */
  plugin(dir: string): Promise<void>
  close(): Promise<void>
}

/**
 * Loads the plugin of a folder into a host of its own, which is real: the isolate, the engine, the limits. All that
 * it asks for is granted. Close it at the end, or write `await using`; each call of `load()` shares nothing with
 * others.
 *
 * Queries and views are asked as an admin, who may name any user and course; {@link Loaded.as} is somebody else.
 *
 * **Common mistake:** asking before the events were awaited: `await p.events(…)` first.
 *
 * @param dir the folder with plugin.ts: `import.meta.dirname`
 * @throws what is wrong with the plugin, with its place
 * @example
 * await using p = await load(import.meta.dirname)
 * const sample = course({ learners: 20 })
 * await p.events(sample)
 * const top = await p.plugins.self.top({ course: sample.id })
 * const markup = await p.views.popular({ course: sample.id })
 */
export async function load(dir: string): Promise<Loaded> {
  // Half of the time goes into compiling what has not changed since the last test.
  enableCompileCache(join(PACKAGES, '.cache/lyceum'))
  // Here, so that whoever only wants a sample course does not start with all of the host.
  const { loadPlugin } = await import('../../workbench/loaded.ts')
  return loadPlugin(dir)
}
