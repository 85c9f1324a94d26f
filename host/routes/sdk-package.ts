import { etag } from 'hono/etag'
import type { App } from '../app.ts'
import type { Host } from '../host.ts'

/**
 * What `npm install http://HOST/sdk.tgz` asks for. It needs no token, since npm has none, and tells nothing that
 * is not the same for everybody.
 */
export function addSdkPackage(app: App, host: Pick<Host, 'sdkPackage'>): void {
  app.get('/sdk.tgz', etag(), async (c) => {
    const { bytes, etag: tag } = await host.sdkPackage.get()
    c.header('ETag', tag)
    c.header('Content-Type', 'application/gzip')
    // Another version of the host has another one at the same address.
    c.header('Cache-Control', 'public, no-cache')
    return c.body(bytes)
  })
}
