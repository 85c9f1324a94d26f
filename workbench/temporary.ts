import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** All folders of a user lie in one, so that sweeping looks at nothing of others. */
const HOME = join(tmpdir(), `lyceum-workbench-${process.getuid?.() ?? 'user'}`)

/** Makes a folder for this process, and deletes those of processes that were killed. */
export async function temporaryFolder(): Promise<string> {
  mkdirSync(HOME, { recursive: true, mode: 0o700 })
  for (const name of readdirSync(HOME)) if (!lives(Number(name.split('-')[0]))) deleteFolder(join(HOME, name))
  return mkdtemp(join(HOME, `${process.pid}-`))
}

/** Deletes a folder with all that is in it, where it is there. */
export function deleteFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
}

function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    // Somebody else's.
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
