import { execFile } from 'node:child_process'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { integrity } from '../kill/spawned.ts'
import type { Observation } from './reader.ts'
import type { Run } from './run.ts'

const RECOUNT = join(import.meta.dirname, 'recount.ts')
/**
 * Everything that a host which has stopped in order leaves in its folder. The database of `hello`, which keeps
 * nothing, is opened when that is installed and never again, so what a killed host left beside it stays. Of plugins
 * that were rebuilt there may be data that the next start deletes: the recount looks at those.
 */
const FILES =
  /^(?:plugins|(?:lock|events|registry)\.db|keys\.json|plugins\/\w+\.\d+\.db|plugins\/hello\.1\.db-\w+)$/
const OUTPUT_BYTES = 16 * 1024 * 1024

/** What the recount is told of a run, in a file beside the data folder. */
export interface Told {
  /** Events were numbered from 0 to below this, and every one of them was acknowledged. */
  readonly events: number
  readonly observations: readonly Observation[]
}

/** Looks at what a stopped host has left: its files, and whether they say what a recount of the log says. */
export async function examine(
  run: Run,
  { dataDir, ...told }: Told & { readonly dataDir: string },
): Promise<void> {
  const files = await readdir(dataDir, { recursive: true })
  const litter = files.filter((name) => !FILES.test(name))
  if (litter.length > 0) run.problem(`left in the data folder: ${litter.join(', ')}`)
  for (const [name, said] of Object.entries(await integrity(dataDir)))
    if (said !== 'ok') run.problem(`integrity_check of ${name}: ${String(said)}`)
  const toldFile = `${dataDir}.told.json`
  await writeFile(toldFile, JSON.stringify(told))
  const { stdout } = await promisify(execFile)(process.execPath, [RECOUNT, dataDir, toldFile], {
    maxBuffer: OUTPUT_BYTES,
  })
  const { differences, counted }: { differences: string[]; counted: Record<string, number> } =
    JSON.parse(stdout)
  for (const [what, n] of Object.entries(counted)) run.count(`recounted: ${what}`, n)
  for (const difference of differences) run.problem(difference)
}
