import { once } from 'node:events'
import type { Server } from 'node:http'
import { createAdaptorServer } from '@hono/node-server'
import { type App, createApp } from './app.ts'
import { LyceumError } from './errors.ts'
import type { Host } from './host.ts'
import { LIMITS } from './limits.ts'

/** A host that listens. */
export interface Served {
  /** `http://127.0.0.1:4000` */
  readonly url: string
  /** Lets the process end though it listens: for a host inside of a program that is about something else. */
  unref(): void
  /** Takes no more requests, waits for those under way, then closes the host. */
  close(): Promise<void>
}

/**
 * Listens for HTTP.
 * @param app what answers; the host's own unless told
 * @throws {LyceumError} port_taken
 */
export async function serveHost(host: Host, app: Pick<App, 'fetch'> = createApp(host)): Promise<Served> {
  const { bind, port } = host.config
  const server = createAdaptorServer({
    fetch: app.fetch,
    serverOptions: { maxHeaderSize: LIMITS.headerBytes },
  }) as Server
  server.headersTimeout = LIMITS.headersTimeoutMs
  server.requestTimeout = LIMITS.requestTimeoutMs
  server.maxConnections = LIMITS.connections
  server.listen(port, bind)
  await once(server, 'listening').catch((error: unknown) => {
    throw error instanceof Error && 'code' in error && error.code === 'EADDRINUSE' ? portTaken(port) : error
  })
  const address = server.address()
  const bound = typeof address === 'object' && address !== null ? address.port : port
  return {
    url: `http://${bind.includes(':') ? `[${bind}]` : bind}:${bound}`,
    unref: () => {
      server.unref()
      server.on('connection', (socket) => socket.unref())
    },
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

/** The refusal to start where something else listens. */
export function portTaken(port: number): LyceumError {
  return new LyceumError(
    'port_taken',
    `Port ${port} is in use. Stop what listens there, or choose another: --port 0 takes one that is free.`,
  )
}
