import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { extract } from 'tar'

const ROOT = join(import.meta.dirname, '../..')

/** The package of the SDK as an installer puts it, made of the clone's dependencies: nothing is fetched. */
export interface Installed {
  /** `…/node_modules/@lyceum/sdk` */
  readonly root: string
  /** The command line. */
  readonly bin: string
  /** Makes the package what an author's folder imports. */
  linkInto(folder: string): Promise<void>
  dispose(): Promise<void>
}

/**
 * Unpacks the package below the clone's node_modules, where it finds its dependencies as if they had been
 * installed with it.
 */
export async function install(packed: Uint8Array): Promise<Installed> {
  const cache = join(ROOT, 'node_modules/.cache')
  await mkdir(cache, { recursive: true })
  const place = await mkdtemp(join(cache, 'lyceum-installed-'))
  const root = join(place, 'node_modules/@lyceum/sdk')
  await mkdir(root, { recursive: true })
  const file = await mkdtemp(join(tmpdir(), 'lyceum-sdk-'))
  await writeFile(join(file, 'sdk.tgz'), packed)
  await extract({ file: join(file, 'sdk.tgz'), cwd: root, strip: 1 })
  await rm(file, { recursive: true })
  return {
    root,
    bin: join(root, 'cli/lyceum.js'),
    linkInto: async (folder) => {
      await mkdir(join(folder, 'node_modules/@lyceum'), { recursive: true })
      await symlink(root, join(folder, 'node_modules/@lyceum/sdk'))
      await symlink(join(ROOT, 'node_modules/@types'), join(folder, 'node_modules/@types'))
    },
    dispose: () => rm(place, { recursive: true, force: true }),
  }
}
