import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { inTransaction } from './transaction.ts'

/** A generation of a plugin's data beside the one that is read. */
export interface OtherGeneration {
  readonly plugin: string
  readonly generation: number
  /** It is being built, or is still to be deleted. */
  readonly state: 'building' | 'dropping'
  /** The activation of the plugin that builds it. */
  readonly activation: number
  readonly startedMs: number
}

/** The code that some of a plugin's data were made by. */
export interface MadeBy {
  readonly endpoint: string
  readonly codeHash: string
  /** The first version that had it. */
  readonly version: string
}

/** A generation that takes the place of another. */
export interface Flip {
  readonly plugin: string
  readonly from: number
  readonly to: number
  /** The activation that built it. */
  readonly activation: number
  /** The handlers whose data it holds. */
  readonly madeBy: readonly MadeBy[]
  /** Handlers that began later, and have seen the log from its first event on there. */
  readonly fromStart: readonly string[]
}

/**
 * Which generation of each plugin's data is read, which others are on the disks, and by what code the data were made:
 * kept in `registry.db`. A generation stands here before anything of it is written, and until all of it is deleted,
 * so that a host which is killed at any moment leaves nothing behind.
 */
export class Generations {
  readonly #db: DatabaseSync
  readonly #others: StatementSync
  readonly #madeBy: StatementSync
  readonly #addMadeBy: StatementSync
  /** Asked at every answer, and of nearly all hosts empty: `plays.1`. */
  readonly #ofSamples: Set<string>

  constructor(db: DatabaseSync) {
    this.#db = db
    this.#others = db.prepare('SELECT * FROM generations ORDER BY plugin, generation')
    this.#madeBy = db.prepare('SELECT endpoint, code_hash, version FROM made_by WHERE plugin = ?')
    this.#addMadeBy = db.prepare('INSERT INTO made_by VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING')
    const ofSamples = db.prepare('SELECT plugin, generation FROM made_of_samples').all()
    this.#ofSamples = new Set(ofSamples.map(({ plugin, generation }) => `${plugin}.${generation}`))
  }

  /** All that are not read: those that are being built, and those that are to be deleted. */
  others(): OtherGeneration[] {
    return this.#others.all().map((row) => ({
      plugin: String(row.plugin),
      generation: Number(row.generation),
      state: row.state === 'building' ? 'building' : 'dropping',
      activation: Number(row.activation),
      startedMs: Number(row.started_ms),
    }))
  }

  /** Begins a generation. No number comes twice: caches and addresses of files know generations by it. */
  begin(plugin: string, activation: number, startedMs: number): number {
    return inTransaction(this.#db, () => {
      const row = this.#db
        .prepare(
          'UPDATE plugins SET newest_generation = newest_generation + 1 WHERE id = ? RETURNING newest_generation',
        )
        .get(plugin)
      const generation = Number(row?.newest_generation)
      // One is built at a time: what could not even be noted of an earlier one, on a full disk, is made up for.
      this.#db.prepare(`UPDATE generations SET state = 'dropping' WHERE plugin = ?`).run(plugin)
      this.#db
        .prepare(`INSERT INTO generations VALUES (?, ?, 'building', ?, ?)`)
        .run(plugin, generation, activation, startedMs)
      return generation
    })
  }

  /**
   * Has a generation read from now on, and the one before deleted: all of it or, where the plugin is not what it was
   * when it was begun, nothing.
   * @returns whether it was done
   */
  flip({ plugin, from, to, activation, madeBy, fromStart }: Flip): boolean {
    return inTransaction(this.#db, () => {
      const { changes } = this.#db
        .prepare('UPDATE plugins SET generation = ? WHERE id = ? AND generation = ? AND activation = ?')
        .run(to, plugin, from, activation)
      if (changes !== 1) return false
      this.#db.prepare('DELETE FROM generations WHERE plugin = ? AND generation = ?').run(plugin, to)
      this.#db
        .prepare(`INSERT INTO generations VALUES (?, ?, 'dropping', ?, 0)`)
        .run(plugin, from, activation)
      // A handler that stands still does so for what happened in the generation before.
      this.#db.prepare('DELETE FROM halts WHERE plugin = ?').run(plugin)
      this.forgetMakers(plugin)
      this.made(plugin, madeBy)
      for (const endpoint of fromStart)
        this.#db
          .prepare('UPDATE beginnings SET seq = 0 WHERE plugin = ? AND endpoint = ?')
          .run(plugin, endpoint)
      return true
    })
  }

  /** Has a generation read that a rebuild has made of which this registry, an older one, knows nothing. */
  adopt(plugin: string, generation: number): void {
    this.#db
      .prepare(
        'UPDATE plugins SET generation = ?1, newest_generation = max(newest_generation, ?1) WHERE id = ?2',
      )
      .run(generation, plugin)
  }

  /** Has a generation deleted that was being built. */
  abandon(plugin: string, generation: number): void {
    this.#db
      .prepare(`UPDATE generations SET state = 'dropping' WHERE plugin = ? AND generation = ?`)
      .run(plugin, generation)
  }

  /** Nothing is left of a generation. */
  dropped(plugin: string, generation: number): void {
    this.#db.prepare('DELETE FROM generations WHERE plugin = ? AND generation = ?').run(plugin, generation)
    this.#db
      .prepare('DELETE FROM made_of_samples WHERE plugin = ? AND generation = ?')
      .run(plugin, generation)
    this.#ofSamples.delete(`${plugin}.${generation}`)
  }

  /** Whether something that a plugin wrote in this generation may be made of a sample. */
  isOfSamples(plugin: string, generation: number): boolean {
    return this.#ofSamples.has(`${plugin}.${generation}`)
  }

  /** Has all that comes of a generation marked from now on, for as long as there is something of it. */
  markOfSamples(plugin: string, generation: number): void {
    if (this.isOfSamples(plugin, generation)) return
    this.#db.prepare('INSERT INTO made_of_samples VALUES (?, ?)').run(plugin, generation)
    this.#ofSamples.add(`${plugin}.${generation}`)
  }

  /** Adds to what the data that are read were made by. */
  made(plugin: string, by: readonly MadeBy[]): void {
    for (const { endpoint, codeHash, version } of by) this.#addMadeBy.run(plugin, endpoint, codeHash, version)
  }

  madeBy(plugin: string): MadeBy[] {
    return this.#madeBy.all(plugin).map((row) => ({
      endpoint: String(row.endpoint),
      codeHash: String(row.code_hash),
      version: String(row.version),
    }))
  }

  /** The data are as good as empty. */
  forgetMakers(plugin: string): void {
    this.#db.prepare('DELETE FROM made_by WHERE plugin = ?').run(plugin)
  }

  /** Forgets a plugin whose data were deleted. */
  forget(plugin: string): void {
    this.#db.prepare('DELETE FROM generations WHERE plugin = ?').run(plugin)
    this.forgetMakers(plugin)
    const ofSamples = this.#db.prepare('DELETE FROM made_of_samples WHERE plugin = ? RETURNING generation')
    for (const { generation } of ofSamples.all(plugin)) this.#ofSamples.delete(`${plugin}.${generation}`)
  }
}
