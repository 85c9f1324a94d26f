import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const MB = 1024 * 1024

/** A disk of a few megabytes, in memory, that a test fills and empties. */
export interface SmallDisk {
  readonly folder: string
  /** Fills it up to so many free bytes. */
  fill(freeBytes: number): void
  /** Gives all room back that {@link SmallDisk.fill} took. */
  empty(): void
  freeBytes(): number
  remove(): void
}

/** Mounts a disk; undefined where this user or system may not. */
export function mountSmallDisk(sizeMb: number): SmallDisk | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'lyceum-disk-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeMb}m`, 'tmpfs', folder], { stdio: 'ignore' })
  } catch {
    rmSync(folder, { recursive: true })
    return undefined
  }
  const freeBytes = () => {
    const { bavail, bsize } = statfsSync(folder)
    return bavail * bsize
  }
  const fillers: string[] = []
  return {
    folder,
    freeBytes,
    fill: (leave) => {
      // Again and again, since whatever runs may write meanwhile; in pieces, since the last may not fit.
      for (let bytes = freeBytes() - leave; bytes > 0; bytes = Math.min(freeBytes() - leave, MB)) {
        const filler = join(folder, `filler-${fillers.length}`)
        fillers.push(filler)
        try {
          writeFileSync(filler, Buffer.alloc(bytes))
        } catch {
          if (leave === 0 && freeBytes() === 0) return
        }
      }
    },
    empty: () => {
      for (const filler of fillers.splice(0)) rmSync(filler, { force: true })
    },
    remove: () => {
      // Lazily: a child of the host may still be on its way out.
      execFileSync('umount', ['-l', folder])
      rmSync(folder, { recursive: true })
    },
  }
}
