import { chmodSync, mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { DiskRoom } from './disk.ts'
import { LyceumError } from './errors.ts'
import { dataFailure } from './storage/data-failure.ts'

/** Where everything lies in a data folder. */
export interface DataFolder {
  readonly log: string
  readonly registry: string
  readonly plugins: string
  /** The package of the SDK, which is made here. */
  readonly sdk: string
  readonly disk: DiskRoom
  /** Lets another host have the folder. */
  release(): void
}

/**
 * Makes a data folder ready and locks it, so that a second host refuses to start on it. The lock is
 * SQLite's own, which the system lets go of when the process ends, however it ends.
 * @throws {LyceumError} data_locked, data_damaged, disk_full
 */
export function openDataFolder(folder: string): DataFolder {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  keepOthersOut(folder)
  const disk = new DiskRoom(folder)
  disk.requireSome()
  const lock = new DatabaseSync(join(folder, 'lock.db'))
  try {
    // A journal would stay behind: one that is locked like this is never taken away.
    lock.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE; COMMIT;')
  } catch (error) {
    lock.close()
    if (dataFailure(error) === 'damaged')
      throw new LyceumError(
        'data_damaged',
        'lock.db in the data folder is damaged. It holds nothing: delete it.',
      )
    if (dataFailure(error) !== 'busy') throw error
    throw new LyceumError(
      'data_locked',
      'Another Lyceum runs on this data folder. Stop it, or start this one with another --data.',
    )
  }
  return {
    log: join(folder, 'events.db'),
    registry: join(folder, 'registry.db'),
    plugins: join(folder, 'plugins'),
    sdk: join(folder, 'sdk'),
    disk,
    release: () => lock.close(),
  }
}

/**
 * A folder that was there before may be open to every user of the machine, and a sandbox that has fallen to a
 * plugin is one. Its group is the admin's business.
 */
function keepOthersOut(folder: string): void {
  const { mode } = statSync(folder)
  if ((mode & OTHERS) === 0) return
  try {
    chmodSync(folder, mode & ~OTHERS)
  } catch {
    // It belongs to somebody else, who decides; writing to it says what is missing.
  }
}

const OTHERS = 0o007
