import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { z } from 'zod'
import { LyceumError } from '../errors.ts'
import { QUOTA_DEFAULTS, type Quota, quotaSchema } from '../limits.ts'
import { dataFailure, isCut } from '../storage/data-failure.ts'
import { DIMENSIONS, KINDS } from './manifest-names.ts'

/** The steps from one version of the file to the next. Steps are only ever added. */
const MIGRATIONS = [
  `CREATE TABLE plugins (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, active_version TEXT, activation INTEGER NOT NULL DEFAULT 0,
    quota TEXT NOT NULL DEFAULT '{}', granted TEXT NOT NULL DEFAULT '[]',
    paused INTEGER NOT NULL DEFAULT 0, quarantined TEXT
  ) STRICT;
  CREATE TABLE versions (
    plugin TEXT NOT NULL REFERENCES plugins (id), version TEXT NOT NULL, hash TEXT NOT NULL,
    title TEXT NOT NULL, description TEXT NOT NULL, endpoints TEXT NOT NULL,
    bundle BLOB NOT NULL, source_map TEXT NOT NULL, published_ms INTEGER NOT NULL, published_by TEXT NOT NULL,
    PRIMARY KEY (plugin, version)
  ) STRICT;`,
  `CREATE TABLE beginnings (
    plugin TEXT NOT NULL REFERENCES plugins (id), endpoint TEXT NOT NULL, seq INTEGER NOT NULL,
    PRIMARY KEY (plugin, endpoint)
  ) STRICT, WITHOUT ROWID;`,
  // What was granted were other plugins only, by their names.
  `UPDATE plugins SET granted = (SELECT json_group_array('plugins.' || value) FROM json_each(granted));`,
]

const StoredEndpoint = z.object({
  name: z.string(),
  kind: z.enum(KINDS),
  facilities: z.array(z.string()),
  dimensions: z.array(z.enum(DIMENSIONS)),
  plugins: z.array(z.string()),
  description: z.string(),
  /** As the scratch load reported them; parsed again when the version is activated. */
  options: z.unknown(),
})
/** An endpoint as the catalogue keeps it. */
export type StoredEndpoint = z.infer<typeof StoredEndpoint>

/** A plugin as the catalogue keeps it. */
export interface PluginRow {
  readonly id: string
  readonly owner: string
  readonly activeVersion: string | undefined
  readonly activation: number
  readonly quota: Quota
  readonly granted: readonly string[]
  readonly paused: boolean
  readonly quarantined: string | undefined
}

/** A version as the catalogue keeps it, without its code. */
export interface VersionRow {
  readonly plugin: string
  readonly version: string
  readonly hash: string
  readonly title: string
  readonly description: string
  readonly endpoints: readonly StoredEndpoint[]
  readonly publishedMs: number
  readonly publishedBy: string
}

export interface VersionCode {
  readonly bundle: Buffer
  readonly sourceMap: string
}

/** Plugins and their versions, kept in one SQLite file. It is small, and only the host writes it. */
export class Catalogue {
  readonly #db: DatabaseSync
  /** What was read before: whether a plugin may run is asked for every call and every batch. */
  readonly #known = new Map<string, PluginRow>()
  // Prepared once: a start with many plugins would leave thousands of statements behind.
  readonly #findPlugin: StatementSync
  readonly #findVersion: StatementSync
  readonly #findCode: StatementSync
  readonly #findBeginnings: StatementSync

  constructor(path: string) {
    this.#db = open(path)
    this.#findPlugin = this.#db.prepare('SELECT * FROM plugins WHERE id = ?')
    this.#findVersion = this.#db.prepare(`${VERSION_COLUMNS} WHERE plugin = ? AND version = ?`)
    this.#findCode = this.#db.prepare(
      'SELECT bundle, source_map FROM versions WHERE plugin = ? AND version = ?',
    )
    this.#findBeginnings = this.#db.prepare('SELECT endpoint, seq FROM beginnings WHERE plugin = ?')
  }

  plugins(): PluginRow[] {
    return this.#db.prepare('SELECT * FROM plugins ORDER BY id').all().map(pluginOf)
  }

  plugin(id: string): PluginRow | undefined {
    const known = this.#known.get(id)
    if (known !== undefined) return known
    const row = this.#findPlugin.get(id)
    if (row === undefined) return undefined
    const plugin = pluginOf(row)
    this.#known.set(id, plugin)
    return plugin
  }

  /** The versions of a plugin, newest first. */
  versions(plugin: string): VersionRow[] {
    return this.#db
      .prepare(`${VERSION_COLUMNS} WHERE plugin = ? ORDER BY published_ms DESC, rowid DESC`)
      .all(plugin)
      .map(versionOf)
  }

  version(plugin: string, version: string): VersionRow | undefined {
    const row = this.#findVersion.get(plugin, version)
    return row === undefined ? undefined : versionOf(row)
  }

  code(plugin: string, version: string): VersionCode {
    const row = this.#findCode.get(plugin, version)
    if (!(row?.bundle instanceof Uint8Array))
      throw new LyceumError('version_unknown', `There is no version ${version} of ${plugin}.`)
    return { bundle: Buffer.from(row.bundle), sourceMap: String(row.source_map) }
  }

  /** Adds a version, and its plugin where it is the first. */
  addVersion(owner: string, version: VersionRow, code: VersionCode): void {
    this.#transaction(() => {
      this.#db
        .prepare('INSERT INTO plugins (id, owner) VALUES (?, ?) ON CONFLICT DO NOTHING')
        .run(version.plugin, owner)
      this.#db
        .prepare('INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)')
        .run(
          version.plugin,
          version.version,
          version.hash,
          version.title,
          version.description,
          JSON.stringify(version.endpoints),
          code.bundle,
          code.sourceMap,
          version.publishedMs,
          version.publishedBy,
        )
    })
  }

  /**
   * Makes a version the active one.
   * @param begins after which event of the log each handler begins; those that began before keep where they did
   */
  activate(plugin: string, version: string, begins: ReadonlyMap<string, number> = new Map()): void {
    this.#known.delete(plugin)
    this.#transaction(() => {
      this.#db
        .prepare('UPDATE plugins SET active_version = ?, activation = activation + 1 WHERE id = ?')
        .run(version, plugin)
      for (const [endpoint, seq] of begins)
        this.#db
          .prepare('INSERT INTO beginnings VALUES (?, ?, ?) ON CONFLICT DO NOTHING')
          .run(plugin, endpoint, seq)
    })
  }

  /** After which event of the log each handler of a plugin began. */
  beginnings(plugin: string): Map<string, number> {
    const rows = this.#findBeginnings.all(plugin)
    return new Map(rows.map(({ endpoint, seq }) => [String(endpoint), Number(seq)]))
  }

  setPaused(plugin: string, paused: boolean): void {
    this.#known.delete(plugin)
    this.#db.prepare('UPDATE plugins SET paused = ? WHERE id = ?').run(paused ? 1 : 0, plugin)
  }

  setQuarantined(plugin: string, reason: string | undefined): void {
    this.#known.delete(plugin)
    this.#db.prepare('UPDATE plugins SET quarantined = ? WHERE id = ?').run(reason ?? null, plugin)
  }

  setGranted(plugin: string, granted: readonly string[]): void {
    this.#known.delete(plugin)
    this.#db.prepare('UPDATE plugins SET granted = ? WHERE id = ?').run(JSON.stringify(granted), plugin)
  }

  setQuota(plugin: string, quota: Quota): void {
    this.#known.delete(plugin)
    const changed = Object.entries(quota).filter(
      ([name, value]) => QUOTA_DEFAULTS[name as keyof Quota] !== value,
    )
    this.#db
      .prepare('UPDATE plugins SET quota = ? WHERE id = ?')
      .run(JSON.stringify(Object.fromEntries(changed)), plugin)
  }

  close(): void {
    this.#db.close()
  }

  #transaction(work: () => void): void {
    this.#db.exec('BEGIN IMMEDIATE')
    try {
      work()
      this.#db.exec('COMMIT')
    } catch (error) {
      this.#db.exec('ROLLBACK')
      throw error
    }
  }
}

/** @throws {LyceumError} data_damaged, data_newer */
function open(path: string): DatabaseSync {
  const db = new DatabaseSync(path)
  try {
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;')
    if (isCut(db, path)) throw damaged()
    migrate(db, path)
    return db
  } catch (error) {
    db.close()
    throw dataFailure(error) === 'damaged' ? damaged() : error
  }
}

function damaged(): LyceumError {
  return new LyceumError(
    'data_damaged',
    'registry.db, which holds the plugins and their versions, is damaged. Restore it from a backup, or delete it and publish the plugins again: their data stay.',
  )
}

function migrate(db: DatabaseSync, path: string): void {
  const version = Number(db.prepare('PRAGMA user_version').get()?.user_version)
  if (version === MIGRATIONS.length) return
  if (version > MIGRATIONS.length)
    throw new LyceumError(
      'data_newer',
      'registry.db was written by a newer Lyceum. Start that one, or use another data folder.',
    )
  if (version > 0) db.prepare('VACUUM INTO ?').run(`${path}.v${version}-${Date.now()}`)
  const steps = MIGRATIONS.slice(version).join('\n')
  db.exec(`BEGIN IMMEDIATE; ${steps} PRAGMA user_version = ${MIGRATIONS.length}; COMMIT`)
}

const VERSION_COLUMNS =
  'SELECT plugin, version, hash, title, description, endpoints, published_ms, published_by FROM versions'

function pluginOf(row: Readonly<Record<string, unknown>>): PluginRow {
  return {
    id: String(row.id),
    owner: String(row.owner),
    activeVersion: row.active_version === null ? undefined : String(row.active_version),
    activation: Number(row.activation),
    quota: { ...QUOTA_DEFAULTS, ...quotaSchema.parse(JSON.parse(String(row.quota))) },
    granted: z.array(z.string()).parse(JSON.parse(String(row.granted))),
    paused: row.paused === 1,
    quarantined: row.quarantined === null ? undefined : String(row.quarantined),
  }
}

function versionOf(row: Readonly<Record<string, unknown>>): VersionRow {
  return {
    plugin: String(row.plugin),
    version: String(row.version),
    hash: String(row.hash),
    title: String(row.title),
    description: String(row.description),
    endpoints: z.array(StoredEndpoint).parse(JSON.parse(String(row.endpoints))),
    publishedMs: Number(row.published_ms),
    publishedBy: String(row.published_by),
  }
}
