import { LyceumError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { DEFAULT_DOCUMENT_LIMITS } from './documents/limits.ts'
import { PluginFile } from './plugin-file.ts'
import type { CollectionDeclaration, OpenControl } from './store-protocol.ts'

/**
 * Databases that a store holds open. Each takes up to six of the files that the kernel lets it have, and memory:
 * those of a thousand idle plugins would take all of it.
 */
const MOST_OPEN = 32

interface Known {
  readonly path: string
  readonly collections: readonly CollectionDeclaration[]
}

/** The databases of one store. Those that nobody used lately are closed, and opened again when they are. */
export class OpenFiles {
  readonly #known = new Map<string, Known>()
  /** Why files could not be opened: what was sent behind the request to open fails for the same reason. */
  readonly #unopened = new Map<string, unknown>()
  /** The one used last is the last. */
  readonly #open = new Map<string, PluginFile>()

  /** Opens a database and brings its indexes up to what is declared. */
  open({ db, path, collections }: OpenControl): void {
    try {
      const file = this.#use(db, this.#open.get(db) ?? new PluginFile(path, DEFAULT_DOCUMENT_LIMITS))
      file.declare(collections)
      // What is refused is not what a database is opened with later.
      this.#known.set(db, { path, collections })
      this.#unopened.delete(db)
    } catch (error) {
      if (!this.#open.has(db)) this.#unopened.set(db, error)
      throw error
    }
  }

  /** @throws {LyceumError} store_lost where the database was not opened in this store, or why it could not be */
  get(db: string): PluginFile {
    const file = this.#open.get(db)
    if (file !== undefined) return this.#use(db, file)
    if (this.#unopened.has(db)) throw this.#unopened.get(db)
    const known = this.#known.get(db)
    if (known === undefined) throw new LyceumError('store_lost', 'The database is not open in this store.')
    const opened = new PluginFile(known.path, DEFAULT_DOCUMENT_LIMITS)
    this.#use(db, opened)
    opened.declare(known.collections)
    return opened
  }

  /** @throws {LyceumError} store_lost where other cursors take all the room there is for them */
  checkRoomForCursor(): void {
    let cursors = 0
    let heldBytes = 0
    for (const file of this.#open.values()) {
      cursors += file.cursors
      heldBytes += file.heldBytes
    }
    if (cursors >= LIMITS.cursorsPerStore || heldBytes >= LIMITS.cursorsHoldMb * 1024 * 1024)
      throw new LyceumError('store_lost', 'The store has no room for another cursor now. Try again.')
  }

  close(db: string): void {
    this.#known.delete(db)
    this.#open.get(db)?.close()
    this.#open.delete(db)
  }

  #use(db: string, file: PluginFile): PluginFile {
    this.#open.delete(db)
    this.#open.set(db, file)
    if (this.#open.size > MOST_OPEN)
      for (const [name, other] of this.#open)
        if (other !== file && !other.inUse) {
          this.#open.delete(name)
          other.close()
          break
        }
    return file
  }
}
