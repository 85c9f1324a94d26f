import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import sparticuz from '@sparticuz/chromium'
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium } from 'playwright-core'
import { SESSION_COOKIE } from '../../host/auth/sign-in.ts'
import type { Claims } from '../../host/auth/tokens.ts'
import type { TestHost } from './host.ts'

/**
 * A browser with its security as people have it: the package's own arguments would turn much of it off. It
 * makes no connections of its own. Its own sandbox is off, since tests may run as root in a container.
 */
export async function startBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: await sparticuz.executablePath(),
    args: [
      '--no-sandbox',
      '--headless=shell',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-default-apps',
      '--disable-domain-reliability',
      '--disable-sync',
      '--no-first-run',
      // As on a desktop: a sandboxed frame has a process of its own.
      '--site-per-process',
    ],
  })
}

/** A browser window of its own, signed in as somebody. */
export async function signedIn(
  browser: Browser,
  lyceum: TestHost,
  claims: Claims,
  options: BrowserContextOptions = {},
): Promise<BrowserContext> {
  const context = await browser.newContext({ baseURL: lyceum.url, ...options })
  await context.addCookies([
    {
      name: SESSION_COOKIE,
      value: await lyceum.token(claims),
      url: lyceum.url,
      httpOnly: true,
      sameSite: 'Lax',
    },
  ])
  return context
}

/** A stranger's server, which notes whoever connects. */
export interface Stranger {
  readonly port: number
  /** The first bytes of every connection, '' where none came. */
  readonly heard: string[]
  close(): void
}

/** Starts a server that must never hear of anybody. */
export async function startStranger(): Promise<Stranger> {
  const heard: string[] = []
  const server = createServer((socket) => {
    const at = heard.push('') - 1
    socket.once('data', (bytes) => {
      heard[at] = bytes.toString('latin1').slice(0, 200)
      socket.end('HTTP/1.1 204 No Content\r\nAccess-Control-Allow-Origin: *\r\nConnection: close\r\n\r\n')
    })
    socket.on('error', () => {})
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, heard, close: () => void server.close() }
}
