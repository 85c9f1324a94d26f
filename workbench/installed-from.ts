import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { PACKAGES } from '../process/packages.js'

const SDK_PATH = '/sdk.tgz'

/** What npm notes of what it has installed. */
const Lock = z.object({
  packages: z.object({ 'node_modules/@lyceum/sdk': z.object({ resolved: z.string() }) }),
})

/**
 * The address of the host from which this Lyceum was installed as a package; undefined where it was not, or where
 * nobody noted it.
 */
export function installedFrom(): string | undefined {
  try {
    const lock: unknown = JSON.parse(readFileSync(join(PACKAGES, '.package-lock.json'), 'utf8'))
    const { resolved } = Lock.parse(lock).packages['node_modules/@lyceum/sdk']
    return URL.canParse(resolved) && resolved.endsWith(SDK_PATH)
      ? resolved.slice(0, -SDK_PATH.length)
      : undefined
  } catch {
    return undefined // nobody noted it
  }
}
