import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** All folders of a user lie in one, so that sweeping them looks at nothing of others. */
const HOME = join(tmpdir(), `lyceum-workbench-${process.getuid?.() ?? 'user'}`)

/** A temporary folder. It is gone when this process ends, however that is: what cannot be deleted then, the next sweeps. */
export async function temporaryFolder(): Promise<string> {
  mkdirSync(HOME, { recursive: true, mode: 0o700 })
  sweep()
  const folder = await mkdtemp(join(HOME, `${process.pid}-`))
  if (folders.size === 0) process.on('exit', deleteAll)
  folders.add(folder)
  return folder
}

/** Deletes a folder that {@link temporaryFolder} made. */
export function deleteFolder(folder: string): void {
  folders.delete(folder)
  if (folders.size === 0) process.off('exit', deleteAll)
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
}

const folders = new Set<string>()
const deleteAll = () => {
  for (const folder of folders) deleteFolder(folder)
}

/** Deletes the folders of processes that were killed. */
function sweep(): void {
  for (const name of readdirSync(HOME))
    if (!lives(Number(name.split('-')[0]))) rmSync(join(HOME, name), { recursive: true, force: true })
}

function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
