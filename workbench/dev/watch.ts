import { once } from 'node:events'
import path from 'node:path'
import { type FSWatcher, watch } from 'chokidar'
import { LyceumError } from '../../host/errors.ts'

/** What nobody writes a plugin in: packages, what tools of ours write, and what versions are kept in. */
const NOT_OURS = new Set(['node_modules', '.lyceum', 'snapshots', '.git'])
/** One save is several changes of files, within a few milliseconds. */
const QUIET_MS = 15

/** Who hears of what a {@link FolderWatch} sees. */
export interface WatchListeners {
  /** Gets the files that changed together, relative to the folder. */
  readonly onSaved: (files: readonly string[]) => void
  /** From now on saves may be missed. */
  readonly onError: (error: LyceumError) => void
}

/** Tells of saves in a plugin's folder, and in files outside of it that its bundle holds. */
export class FolderWatch {
  readonly #dir: string
  readonly #watcher: FSWatcher
  readonly #onSaved: WatchListeners['onSaved']
  readonly #changed = new Set<string>()
  #timer: NodeJS.Timeout | undefined

  /** Resolves when every save from now on is seen. @throws {LyceumError} file_unreadable */
  static async open(dir: string, listeners: WatchListeners): Promise<FolderWatch> {
    const watching = new FolderWatch(dir, listeners)
    try {
      await once(watching.#watcher, 'ready')
    } catch (error) {
      await watching.close()
      throw unwatchable(error)
    }
    watching.#watcher.on('error', (error) => listeners.onError(unwatchable(error)))
    return watching
  }

  private constructor(dir: string, { onSaved }: WatchListeners) {
    this.#dir = dir
    this.#onSaved = onSaved
    this.#watcher = watch(dir, {
      ignoreInitial: true,
      // A link may lead to a folder of data, or to all there is; what it leads to is no part of the plugin.
      followSymlinks: false,
      ignored: (file) =>
        path
          .relative(dir, file)
          .split(path.sep)
          .some((name) => NOT_OURS.has(name)),
    })
    this.#watcher.on('all', (event, file) => {
      if (!event.endsWith('Dir')) this.#note(file)
    })
  }

  /** Watches what a bundle holds from outside of the folder: packages that are linked, not those that are installed. */
  also(files: readonly string[]): void {
    const outside = files.filter((file) => path.relative(this.#dir, file).startsWith('..'))
    if (outside.length > 0) this.#watcher.add(outside)
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer)
    await this.#watcher.close()
  }

  #note(file: string): void {
    this.#changed.add(path.relative(this.#dir, file))
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      const files = [...this.#changed]
      this.#changed.clear()
      this.#onSaved(files)
    }, QUIET_MS)
  }
}

/** Systems let a user watch so many files and no more. */
function unwatchable(error: unknown): LyceumError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
  return new LyceumError(
    'file_unreadable',
    `The plugin's folder cannot be watched (${code}), so saves are not seen. Watch fewer files elsewhere, or raise fs.inotify.max_user_watches.`,
  )
}
