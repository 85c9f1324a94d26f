import { DatabaseSync } from 'node:sqlite'
import { LyceumError } from '../errors.ts'
import { dataFailure, isCut } from '../storage/data-failure.ts'

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
  `ALTER TABLE plugins ADD COLUMN paused_for TEXT;
  ALTER TABLE plugins ADD COLUMN removed TEXT;
  ALTER TABLE versions ADD COLUMN denied TEXT;
  CREATE TABLE usage_hours (
    plugin TEXT NOT NULL, hour INTEGER NOT NULL, calls INTEGER NOT NULL, failures INTEGER NOT NULL,
    cpu_ms REAL NOT NULL, store_cpu_ms REAL NOT NULL, ops INTEGER NOT NULL, bytes INTEGER NOT NULL,
    events INTEGER NOT NULL, PRIMARY KEY (plugin, hour)
  ) STRICT, WITHOUT ROWID;`,
  `CREATE TABLE common_names (
    name TEXT PRIMARY KEY, plugin TEXT NOT NULL, chosen INTEGER NOT NULL DEFAULT 0
  ) STRICT, WITHOUT ROWID;`,
  `CREATE TABLE halts (
    plugin TEXT NOT NULL, endpoint TEXT NOT NULL, activation INTEGER NOT NULL, message TEXT NOT NULL,
    at_ms INTEGER NOT NULL, PRIMARY KEY (plugin, endpoint)
  ) STRICT, WITHOUT ROWID;`,
  `ALTER TABLE plugins ADD COLUMN installation TEXT NOT NULL DEFAULT '';`,
  `ALTER TABLE plugins ADD COLUMN generation INTEGER NOT NULL DEFAULT 1;
  ALTER TABLE plugins ADD COLUMN newest_generation INTEGER NOT NULL DEFAULT 1;
  CREATE TABLE generations (
    plugin TEXT NOT NULL, generation INTEGER NOT NULL, state TEXT NOT NULL, activation INTEGER NOT NULL,
    started_ms INTEGER NOT NULL, PRIMARY KEY (plugin, generation)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE made_by (
    plugin TEXT NOT NULL, endpoint TEXT NOT NULL, code_hash TEXT NOT NULL, version TEXT NOT NULL,
    PRIMARY KEY (plugin, endpoint, code_hash)
  ) STRICT, WITHOUT ROWID;`,
  `ALTER TABLE versions ADD COLUMN samples TEXT NOT NULL DEFAULT '[]';`,
  // Data of versions from before there were hashes were made by code that is not known, and differs from any other.
  `INSERT OR IGNORE INTO made_by
    SELECT p.id, e.value ->> 'name', '', v.version
    FROM plugins p JOIN versions v ON v.plugin = p.id AND v.version = p.active_version, json_each(v.endpoints) e
    WHERE e.value ->> 'kind' = 'onEvent' AND e.value ->> 'codeHash' IS NULL;`,
  `CREATE TABLE made_of_samples (
    plugin TEXT NOT NULL, generation INTEGER NOT NULL, PRIMARY KEY (plugin, generation)
  ) STRICT, WITHOUT ROWID;`,
]

/**
 * Opens `registry.db`, which holds the plugins, their versions and what they have used.
 * @throws {LyceumError} data_damaged, data_newer
 */
export function openRegistry(path: string): DatabaseSync {
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
