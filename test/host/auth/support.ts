import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { onTestFinished } from 'vitest'
import { createShell } from '../../../host/app.ts'
import { type Keys, loadKeys } from '../../../host/auth/keys.ts'
import { type Claims, issueToken, type Role } from '../../../host/auth/tokens.ts'
import { type ConfigFlags, loadConfig } from '../../../host/config.ts'
import { DiskRoom } from '../../../host/disk.ts'
import { addHealth } from '../../../host/routes/health.ts'
import { addSignIn } from '../../../host/routes/sign-in.ts'

/** A folder of the running test's own, removed with it. */
export async function tempDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'lyceum-test-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  return dir
}

/** Claims that every role's token can have. */
export function claimsOf(role: Role): Claims {
  return { role, user: 'ann', courses: ['c1'] }
}

/** What a shell or an app is made of, with a log that the test can read. */
export async function parts(flags: ConfigFlags = {}) {
  const dataDir = await tempDir()
  const keys = await loadKeys(dataDir)
  const log: string[] = []
  return {
    config: loadConfig({}, { data: dataDir, ...flags }),
    keys,
    log,
    logger: pino({ level: 'trace' }, { write: (line: string) => void log.push(line) }),
    disk: new DiskRoom(dataDir),
    ready: () => true,
  }
}

/** The shell with nothing behind it yet: tests put routes of their own there. */
export async function shell(flags: ConfigFlags = {}) {
  const services = await parts(flags)
  return { ...services, app: createShell(services) }
}

/** The shell with the routes that need nothing but keys. */
export function smallApp(services: Awaited<ReturnType<typeof parts>>) {
  const app = createShell(services)
  addHealth(app, services)
  addSignIn(app, services)
  return app
}

export async function bearer(keys: Keys, role: Role): Promise<{ authorization: string }> {
  return { authorization: `Bearer ${await issueToken(keys, claimsOf(role), 60)}` }
}

/** Text of no meaning that a test can look for in places where it must not be. */
export const needle = (): string => `needle-${randomUUID()}`
