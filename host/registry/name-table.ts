import type { DatabaseSync } from 'node:sqlite'

/** Who answers to a common name of queries. */
export interface NameRow {
  readonly name: string
  /** Undefined where it was uninstalled for good: then nobody has the name until an admin chooses. */
  readonly plugin: string | undefined
  /** Whether an admin chose it; else it was the first. */
  readonly chosen: boolean
}

/** The common names of queries, kept in `registry.db`; all of them are in memory, since calls ask for them. */
export class NameTable {
  readonly #db: DatabaseSync
  readonly #rows = new Map<string, NameRow>()

  constructor(db: DatabaseSync) {
    this.#db = db
    this.read()
  }

  get(name: string): NameRow | undefined {
    return this.#rows.get(name)
  }

  all(): NameRow[] {
    return [...this.#rows.values()]
  }

  /** Gives a plugin those of some names that nobody has. After the transaction that it is part of, {@link read}. */
  claim(plugin: string, names: readonly string[]): void {
    for (const name of names)
      this.#db
        .prepare('INSERT INTO common_names (name, plugin) VALUES (?, ?) ON CONFLICT DO NOTHING')
        .run(name, plugin)
  }

  /** Lets a plugin answer to a name that is known. */
  choose(name: string, plugin: string): void {
    this.#db.prepare('UPDATE common_names SET plugin = ?, chosen = 1 WHERE name = ?').run(plugin, name)
    this.read()
  }

  /** Takes its names from a plugin that is gone. Nobody else gets them by that, or by publishing them. */
  abandon(plugin: string): void {
    this.#db.prepare("UPDATE common_names SET plugin = '' WHERE plugin = ?").run(plugin)
    this.read()
  }

  read(): void {
    this.#rows.clear()
    for (const row of this.#db.prepare('SELECT * FROM common_names ORDER BY name').all()) {
      const name = String(row.name)
      const plugin = row.plugin === '' ? undefined : String(row.plugin)
      this.#rows.set(name, { name, plugin, chosen: row.chosen === 1 })
    }
  }
}
