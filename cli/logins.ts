import { randomUUID } from 'node:crypto'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { decodeJwt } from 'jose'
import { z } from 'zod'
import { LyceumError } from '../host/errors.ts'
import { textIfThere } from '../workbench/text-file.ts'
import { UsageError } from './exit-codes.ts'

/** The tokens that `lyceum login` keeps for its user. */
export interface Logins {
  /** The host of the last login. */
  readonly current: string | undefined
  /** By the address of the host. */
  readonly tokens: ReadonlyMap<string, string>
}

const File = z.object({
  current: z.string().optional(),
  hosts: z.array(z.object({ url: z.string(), token: z.string() })),
})

/** @throws {LyceumError} config_invalid where the file is damaged; file_unreadable */
export async function readLogins(): Promise<Logins> {
  const text = await textIfThere(fileName())
  if (text === undefined) return { current: undefined, tokens: new Map() }
  const parsed = File.safeParse(jsonOf(text))
  if (!parsed.success)
    throw new LyceumError(
      'config_invalid',
      `${fileName()} is damaged. Delete it, and log in again: npx lyceum login URL`,
    )
  const { current, hosts } = parsed.data
  return { current, tokens: new Map(hosts.map(({ url, token }) => [url, token])) }
}

/** Keeps logins in a file that only its user can read. */
export async function writeLogins({ current, tokens }: Logins): Promise<void> {
  await mkdir(folder(), { recursive: true, mode: 0o700 })
  const hosts = [...tokens].map(([url, token]) => ({ url, token }))
  // A new file, so that it has its mode from the first byte on and is never half written.
  const next = join(folder(), `logins-${randomUUID()}.json`)
  await writeFile(next, `${JSON.stringify({ current, hosts }, undefined, 2)}\n`, { mode: 0o600 })
  await rename(next, fileName())
}

/** @throws UsageError where this cannot be a token, such as half of one or two lines */
export function checkToken(token: string): string {
  if (/^[\w.~+/-]+=*$/.test(token.trim())) return token.trim()
  throw new UsageError(
    'That is not a token. Copy it whole; it is one word of letters, digits, dots and dashes.',
  )
}

const Claims = z.object({ role: z.string(), user: z.string().optional(), exp: z.number() })

/** What a token says about its bearer. Whether that is true only the host can tell. */
export function claimsOf(token: string): z.infer<typeof Claims> | undefined {
  try {
    return Claims.parse(decodeJwt(token))
  } catch {
    return undefined
  }
}

/** Whether the time of a token is over, by this machine's clock. */
export function isExpired(token: string): boolean {
  return (claimsOf(token)?.exp ?? Number.POSITIVE_INFINITY) * 1_000 < Date.now()
}

function folder(): string {
  return join(process.env.XDG_CONFIG_HOME || join(homedir(), '.config'), 'lyceum')
}

function fileName(): string {
  return join(folder(), 'logins.json')
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
