import { once } from 'node:events'
import type { Server } from 'node:http'
import { createAdaptorServer } from '@hono/node-server'
import { createApp } from './app.ts'
import type { Host } from './host.ts'
import { LIMITS } from './limits.ts'

/** A host that listens. */
export interface Served {
  /** `http://127.0.0.1:4000` */
  readonly url: string
  /** Takes no more requests, waits for those under way, then closes the host. */
  close(): Promise<void>
}

/** Listens for HTTP. @throws where the port is taken */
export async function serveHost(host: Host): Promise<Served> {
  const { bind, port } = host.config
  const server = createAdaptorServer({
    fetch: createApp(host).fetch,
    serverOptions: { maxHeaderSize: LIMITS.headerBytes },
  }) as Server
  server.headersTimeout = LIMITS.headersTimeoutMs
  server.requestTimeout = LIMITS.requestTimeoutMs
  server.maxConnections = LIMITS.connections
  server.listen(port, bind)
  await once(server, 'listening')
  const address = server.address()
  const bound = typeof address === 'object' && address !== null ? address.port : port
  return {
    url: `http://${bind.includes(':') ? `[${bind}]` : bind}:${bound}`,
    close: async () => {
      const closed = once(server, 'close')
      server.close()
      server.closeIdleConnections()
      await host.close()
      server.closeAllConnections()
      await closed
    },
  }
}
