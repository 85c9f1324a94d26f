import { randomUUID } from 'node:crypto'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { z } from 'zod'
import { LyceumError } from '../errors.ts'
import { LIMITS, type Quota } from '../limits.ts'
import { type Flip, Generations, type MadeBy } from './generations.ts'
import { Halts } from './halts.ts'
import { DIMENSIONS, KINDS } from './manifest-names.ts'
import { NameTable } from './name-table.ts'
import { DEFAULT_QUOTA_RULES, effectiveQuota, type QuotaRules, StoredQuota } from './quota-rules.ts'
import { openRegistry } from './registry-file.ts'
import { readSamplesText, type Samples, textOf as textOfSamples } from './samples.ts'
import { inTransaction } from './transaction.ts'
import { UsageHours } from './usage-hours.ts'

const StoredEndpoint = z.object({
  name: z.string(),
  kind: z.enum(KINDS),
  facilities: z.array(z.string()),
  dimensions: z.array(z.enum(DIMENSIONS)),
  plugins: z.array(z.string()),
  /** Versions of before there were replicas have none. */
  replicas: z.array(z.string()).default([]),
  description: z.string(),
  /** Tells versions of its code apart; '' of versions from before there were hashes. */
  codeHash: z.string().default(''),
  /** Where it stands in the bundle; of versions from before that was kept, nothing. */
  at: z.object({ line: z.int(), column: z.int() }).optional(),
  /** As the scratch load reported them; parsed again when the version is activated. */
  options: z.unknown(),
})
/** An endpoint as the catalogue keeps it. */
export type StoredEndpoint = z.infer<typeof StoredEndpoint>

/** A plugin as the catalogue keeps it. */
export interface PluginRow {
  readonly id: string
  readonly owner: string
  /** Another one where the id was free in between: what was handed out for the one before is not good for this. */
  readonly installation: string
  readonly activeVersion: string | undefined
  readonly activation: number
  /** Of its data: the one that is read and that live events go into. */
  readonly generation: number
  /** What holds: what an admin set, or the default, and never more than the ceiling. */
  readonly quota: Quota
  /** What an admin set, as it was set. */
  readonly quotaSet: StoredQuota
  readonly granted: readonly string[]
  readonly paused: boolean
  /** Why the host paused it; undefined where a person did. */
  readonly pausedFor: string | undefined
  readonly quarantined: string | undefined
  /** It is not installed any more: its data are kept for whoever owns it, or are just being deleted. */
  readonly removed: 'keep' | 'delete' | undefined
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
  /** Why an admin denied what it asks for, where one did. */
  readonly denied?: string | undefined
}

export interface VersionCode {
  readonly bundle: Buffer
  readonly sourceMap: string
}

/** Plugins and their versions, kept in one SQLite file. It is small, and only the host writes it. */
export class Catalogue {
  readonly #db: DatabaseSync
  readonly #rules: QuotaRules
  /** What plugins have used, hour by hour. */
  readonly usage: UsageHours
  /** The common names of queries. */
  readonly names: NameTable
  readonly halts: Halts
  /** Which generations of plugins' data there are, and what made them. */
  readonly generations: Generations
  /** What was read before: whether a plugin may run is asked for every call and every batch. */
  readonly #known = new Map<string, PluginRow>()
  // Prepared once: a start with many plugins would leave thousands of statements behind.
  readonly #findPlugin: StatementSync
  readonly #findVersion: StatementSync
  readonly #findCode: StatementSync
  readonly #findSamples: StatementSync
  readonly #weighSamples: StatementSync
  readonly #findBeginnings: StatementSync

  constructor(path: string, rules: QuotaRules = DEFAULT_QUOTA_RULES) {
    this.#db = openRegistry(path)
    this.#rules = rules
    this.usage = new UsageHours(this.#db)
    this.names = new NameTable(this.#db)
    this.halts = new Halts(this.#db)
    this.generations = new Generations(this.#db)
    this.#findPlugin = this.#db.prepare('SELECT * FROM plugins WHERE id = ?')
    this.#findVersion = this.#db.prepare(`${VERSION_COLUMNS} WHERE plugin = ? AND version = ?`)
    this.#findCode = this.#db.prepare(
      'SELECT bundle, source_map FROM versions WHERE plugin = ? AND version = ?',
    )
    this.#findSamples = this.#db.prepare('SELECT samples FROM versions WHERE plugin = ? AND version = ?')
    this.#weighSamples = this.#db.prepare(
      'SELECT octet_length(samples) AS bytes FROM versions WHERE plugin = ? AND version = ?',
    )
    this.#findBeginnings = this.#db.prepare('SELECT endpoint, seq FROM beginnings WHERE plugin = ?')
  }

  plugins(): PluginRow[] {
    return this.#db
      .prepare('SELECT * FROM plugins ORDER BY id')
      .all()
      .map((row) => pluginOf(row, this.#rules))
  }

  plugin(id: string): PluginRow | undefined {
    const known = this.#known.get(id)
    if (known !== undefined) return known
    const row = this.#findPlugin.get(id)
    if (row === undefined) return undefined
    const plugin = pluginOf(row, this.#rules)
    this.#known.set(id, plugin)
    return plugin
  }

  /** The versions of a plugin, newest first: as they came, whatever the clock said. */
  versions(plugin: string): VersionRow[] {
    return this.#db
      .prepare(`${VERSION_COLUMNS} WHERE plugin = ? ORDER BY rowid DESC`)
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

  /** What the queries of a version return, as its author says; none of a version that is not there. */
  samples(plugin: string, version: string): Samples {
    const row = this.#findSamples.get(plugin, version)
    return readSamplesText(String(row?.samples ?? '[]'))
  }

  /** How much there is to read for {@link samples}. */
  samplesBytes(plugin: string, version: string): number {
    return Number(this.#weighSamples.get(plugin, version)?.bytes ?? 0)
  }

  /** Samples are no part of what a version is: the same one may be published again with others. */
  setSamples(plugin: string, version: string, samples: Samples): void {
    this.#db
      .prepare('UPDATE versions SET samples = ? WHERE plugin = ? AND version = ?')
      .run(textOfSamples(samples), plugin, version)
  }

  /**
   * Adds a version, and its plugin where it is the first.
   * @param generation of the data that a new plugin begins with
   * @throws {LyceumError} package_invalid where a new plugin would be called like a common name
   */
  addVersion(
    owner: string,
    version: VersionRow,
    code: VersionCode,
    samples: Samples = new Map(),
    generation = 1,
  ): void {
    if (this.plugin(version.plugin) === undefined && this.names.get(version.plugin) !== undefined)
      throw new LyceumError(
        'package_invalid',
        `"${version.plugin}" is a common name of queries here. Choose another "name" in package.json.`,
      )
    this.#known.delete(version.plugin)
    inTransaction(this.#db, () => {
      this.#db
        .prepare(
          `INSERT INTO plugins (id, owner, installation, generation, newest_generation) VALUES (?, ?, ?, ?4, ?4)
           ON CONFLICT DO UPDATE SET removed = NULL`,
        )
        .run(version.plugin, owner, randomUUID(), generation)
      this.#db
        .prepare(
          `INSERT INTO versions (plugin, version, hash, title, description, endpoints, bundle, source_map,
           published_ms, published_by, samples) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        )
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
          textOfSamples(samples),
        )
    })
  }

  /**
   * Makes a version the active one.
   * @param begins after which event of the log each handler begins; those that began before keep where they did
   * @param names common names of its queries: those that nobody has are its own from now on
   * @param makers the handlers that its data are made by from now on
   * @throws {LyceumError} options_refused as of {@link refuseNames}
   */
  activate(
    plugin: string,
    version: string,
    begins: ReadonlyMap<string, number> = new Map(),
    names: readonly string[] = [],
    makers: readonly MadeBy[] = [],
  ): void {
    this.refuseNames(plugin, names)
    this.#known.delete(plugin)
    inTransaction(this.#db, () => {
      this.#db
        .prepare('UPDATE plugins SET active_version = ?, activation = activation + 1 WHERE id = ?')
        .run(version, plugin)
      for (const [endpoint, seq] of begins)
        this.#db
          .prepare('INSERT INTO beginnings VALUES (?, ?, ?) ON CONFLICT DO NOTHING')
          .run(plugin, endpoint, seq)
      this.names.claim(plugin, names)
      this.generations.made(plugin, makers)
    })
    if (names.length > 0) this.names.read()
  }

  /** Has another generation of a plugin's data read: see {@link Generations.flip}. */
  flip(flip: Flip): boolean {
    this.#known.delete(flip.plugin)
    return this.generations.flip(flip)
  }

  /** Has data read that are there in place of those that are not: see {@link Generations.adopt}. */
  adopt(plugin: string, generation: number): void {
    this.#known.delete(plugin)
    this.generations.adopt(plugin, generation)
  }

  /** @throws {LyceumError} options_refused where a common name is called like a plugin, or a plugin has too many */
  refuseNames(plugin: string, names: readonly string[]): void {
    const own = this.names.all().filter((row) => row.plugin === plugin)
    if (new Set([...names, ...own.map(({ name }) => name)]).size > LIMITS.commonNames)
      throw new LyceumError(
        'options_refused',
        `A plugin has at most ${LIMITS.commonNames} common names, those of its earlier versions among them.`,
      )
    for (const name of names)
      if (this.plugin(name) !== undefined)
        throw new LyceumError(
          'options_refused',
          `There is a plugin "${name}", so no query can have that as a common name. Choose another in names: [ … ].`,
        )
  }

  /** After which event of the log each handler of a plugin began. */
  beginnings(plugin: string): Map<string, number> {
    const rows = this.#findBeginnings.all(plugin)
    return new Map(rows.map(({ endpoint, seq }) => [String(endpoint), Number(seq)]))
  }

  /** @param reason why, where the host does it and not a person */
  setPaused(plugin: string, paused: boolean, reason?: string): void {
    this.#known.delete(plugin)
    this.#db
      .prepare('UPDATE plugins SET paused = ?, paused_for = ? WHERE id = ?')
      .run(paused ? 1 : 0, reason ?? null, plugin)
  }

  setQuarantined(plugin: string, reason: string | undefined): void {
    this.#known.delete(plugin)
    this.#db.prepare('UPDATE plugins SET quarantined = ? WHERE id = ?').run(reason ?? null, plugin)
  }

  setGranted(plugin: string, granted: readonly string[]): void {
    this.#known.delete(plugin)
    this.#db.prepare('UPDATE plugins SET granted = ? WHERE id = ?').run(JSON.stringify(granted), plugin)
  }

  /** Keeps why an admin denied what a version asks for, or forgets it. */
  setDenied(plugin: string, version: string, reason: string | undefined): void {
    this.#db
      .prepare('UPDATE versions SET denied = ? WHERE plugin = ? AND version = ?')
      .run(reason ?? null, plugin, version)
  }

  /** Keeps what an admin set; what is not in it has its default. */
  setQuota(plugin: string, quota: StoredQuota): void {
    this.#known.delete(plugin)
    this.#db.prepare('UPDATE plugins SET quota = ? WHERE id = ?').run(JSON.stringify(quota), plugin)
  }

  /**
   * Takes the versions and approvals of a plugin away. What is left says whose its data are, or that they are
   * still to be deleted.
   */
  remove(plugin: string, data: 'keep' | 'delete'): void {
    this.#known.delete(plugin)
    inTransaction(this.#db, () => {
      this.#db.prepare('DELETE FROM versions WHERE plugin = ?').run(plugin)
      this.#db
        .prepare(
          `UPDATE plugins SET removed = ?, active_version = NULL, granted = '[]', paused = 0, paused_for = NULL,
           quarantined = NULL WHERE id = ?`,
        )
        .run(data, plugin)
    })
  }

  /**
   * Forgets a plugin for good, once its data are gone. Approvals to ask it go too: they were given for what it was,
   * and its name is free for anybody.
   * @returns the plugins that were approved to ask it
   */
  forget(plugin: string): string[] {
    const need = `plugins.${plugin}`
    const askers = this.plugins().filter(({ granted }) => granted.includes(need))
    this.#known.delete(plugin)
    inTransaction(this.#db, () => {
      for (const { id, granted } of askers)
        this.setGranted(
          id,
          granted.filter((other) => other !== need),
        )
      this.#db.prepare('DELETE FROM beginnings WHERE plugin = ?').run(plugin)
      this.#db.prepare('DELETE FROM plugins WHERE id = ?').run(plugin)
    })
    this.usage.forget(plugin)
    this.names.abandon(plugin)
    this.halts.forget(plugin)
    this.generations.forget(plugin)
    return askers.map(({ id }) => id)
  }

  close(): void {
    this.#db.close()
  }
}

const VERSION_COLUMNS =
  'SELECT plugin, version, hash, title, description, endpoints, published_ms, published_by, denied FROM versions'

function pluginOf(row: Readonly<Record<string, unknown>>, rules: QuotaRules): PluginRow {
  const quotaSet = StoredQuota.parse(JSON.parse(String(row.quota)))
  return {
    id: String(row.id),
    owner: String(row.owner),
    installation: String(row.installation),
    activeVersion: textOf(row.active_version),
    activation: Number(row.activation),
    generation: Number(row.generation),
    quota: effectiveQuota(quotaSet, rules),
    quotaSet,
    granted: z.array(z.string()).parse(JSON.parse(String(row.granted))),
    paused: row.paused === 1,
    pausedFor: textOf(row.paused_for),
    quarantined: textOf(row.quarantined),
    removed: row.removed === 'keep' || row.removed === 'delete' ? row.removed : undefined,
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
    denied: textOf(row.denied),
  }
}

function textOf(value: unknown): string | undefined {
  return value === null ? undefined : String(value)
}
