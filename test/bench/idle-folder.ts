import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDataFolder } from '../../host/files.ts'
import { Catalogue, type StoredEndpoint } from '../../host/registry/catalogue.ts'

const BUNDLE = `import { onEvent } from '@lyceum/sdk'
export const never = onEvent('never', ({ db }) => db.collection('a').insertOne({}))
`
const ENDPOINT: StoredEndpoint = {
  name: 'never',
  kind: 'onEvent',
  facilities: ['db'],
  dimensions: [],
  plugins: [],
  replicas: [],
  description: '',
  codeHash: '',
  options: { where: { event_type: 'never' } },
}

/** A data folder with plugins whose handlers wait for an event that never comes. */
export async function idleFolder(plugins: number): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), 'lyceum-idle-'))
  const folder = openDataFolder(dataDir)
  const catalogue = new Catalogue(folder.registry)
  for (let n = 0; n < plugins; n++) {
    const plugin = `idle${n}`
    const row = {
      plugin,
      version: '1.0.0',
      hash: `hash of ${plugin}`,
      title: plugin,
      description: '',
      endpoints: [ENDPOINT],
      publishedMs: 0,
      publishedBy: 'admin',
    }
    catalogue.addVersion('admin', row, { bundle: Buffer.from(BUNDLE), sourceMap: '' })
    catalogue.activate(plugin, row.version)
  }
  catalogue.close()
  folder.release()
  return dataDir
}
