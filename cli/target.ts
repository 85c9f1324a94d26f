import type { Command } from 'commander'
import { hasKeys, type Keys, loadKeys } from '../host/auth/keys.ts'
import { issueToken } from '../host/auth/tokens.ts'
import { loadConfig } from '../host/config.ts'
import { LyceumError } from '../host/errors.ts'
import { type Connection, connect, isOnThisMachine } from './connection.ts'
import { UsageError } from './exit-codes.ts'
import { checkToken, isExpired, readLogins } from './logins.ts'

/** The options of {@link withConnection}, as the parser hands them over. */
export interface ConnectionFlags {
  readonly url?: string
  readonly token?: string
  readonly data?: string
}

/** A log takes as long as it takes, and with its token one can only send events. */
const OWN_TOKEN_SECONDS = { admin: 300, ingest: 86_400 }

/** Adds the options that say which host, and as whom. */
export function withConnection(command: Command): Command {
  return withUrl(command)
    .option('--token <token>', 'a token (default: LYCEUM_TOKEN, else that of lyceum login)')
    .option(
      '--data <folder>',
      'on the host’s own machine: its data folder, to make a token with (default: LYCEUM_DATA or ./.lyceum)',
    )
}

/** Adds the option that says where the host is. */
export function withUrl(command: Command): Command {
  return command.option('--url <url>', 'the host (default: LYCEUM_URL, else as lyceum help login says)')
}

/**
 * The host that a command talks to, and as whom.
 *
 * The host: `--url`, `LYCEUM_URL`; the one on this machine where `--data`, `LYCEUM_DATA`, `LYCEUM_PORT` or a data
 * folder `./.lyceum` says that there is one; the one of the last login; else again the one on this machine.
 * The token: `--token`, `LYCEUM_TOKEN`; the login at that host, unless `--data` is given; else one that is made
 * with the keys of the data folder, for a host on another machine only where `--data` or `LYCEUM_DATA` name that.
 *
 * @param role whose token to make there
 * @throws UsageError, LyceumError config_invalid, token_expired
 */
export async function connectionOf(flags: ConnectionFlags, role: 'admin' | 'ingest'): Promise<Connection> {
  const logins = await readLogins()
  const given = flags.url ?? process.env.LYCEUM_URL
  const isLocal = !given && (logins.current === undefined || (await hasHostHere(flags)))
  const url = urlOf(isLocal ? undefined : given || logins.current)
  const token = flags.token || process.env.LYCEUM_TOKEN
  if (token) return connect(url, checkToken(token))
  const login = flags.data === undefined ? logins.tokens.get(url) : undefined
  if (login === undefined) return connect(url, await ownTokens(flags.data, role, url))
  if (isExpired(login))
    throw new LyceumError(
      'token_expired',
      `Your login at ${url} is over. Ask an admin for a new token, and run: npx lyceum login ${url}`,
    )
  return connect(url, login)
}

/** The address of the host, without a slash at its end. @throws UsageError, LyceumError config_invalid */
export function urlOf(given: string | undefined): string {
  const url = given ?? (process.env.LYCEUM_URL || `http://127.0.0.1:${loadConfig(process.env, {}).port}`)
  checkUrl(url)
  return url.replace(/\/$/, '')
}

/** @throws UsageError where this is not the address of a host */
export function checkUrl(url: string): void {
  if (!/^https?:$/.test(URL.parse(url)?.protocol ?? ''))
    throw new UsageError(`The address ${url} must look like http://127.0.0.1:4000.`)
}

/**
 * The keys of a host's data folder. They are not made here: no host would know what they sign.
 *
 * @param advice what to do where there are none
 * @throws LyceumError config_invalid
 */
export async function ownKeys(data: string | undefined, advice: string): Promise<Keys> {
  const { dataDir } = loadConfig(process.env, { data })
  if (await hasKeys(dataDir)) return loadKeys(dataDir)
  const named = data ?? (process.env.LYCEUM_DATA || './.lyceum')
  throw new LyceumError('config_invalid', `There is no data folder of a host at ${named}. ${advice}`)
}

async function hasHostHere({ data }: ConnectionFlags): Promise<boolean> {
  const isSaid = data !== undefined || process.env.LYCEUM_DATA || process.env.LYCEUM_PORT
  return isSaid ? true : hasKeys(loadConfig({}, {}).dataDir)
}

/** Makes tokens, each good for some requests: who waits for a rebuild waits longer than a token should live. */
async function ownTokens(
  data: string | undefined,
  role: 'admin' | 'ingest',
  url: string,
): Promise<() => Promise<string>> {
  // Whoever gets a token may use it at the host that it is of.
  const isSaid = data !== undefined || process.env.LYCEUM_DATA
  if (!isSaid && !isOnThisMachine(url) && (await hasKeys(loadConfig({}, {}).dataDir)))
    throw new LyceumError(
      'config_invalid',
      `${url} is another machine, which gets no token of the host in ./.lyceum. Ask its admin for one, and run: npx lyceum login ${url}; or where it is that host, give --data ./.lyceum`,
    )
  const keys = await ownKeys(
    data,
    `Give --data FOLDER, the folder that the host was started with; or ask an admin for a token, and run: npx lyceum login ${url}`,
  )
  const seconds = OWN_TOKEN_SECONDS[role]
  let token = ''
  let renewMs = Number.NEGATIVE_INFINITY
  return async () => {
    if (performance.now() >= renewMs) {
      token = await issueToken(keys, { role }, seconds)
      renewMs = performance.now() + (seconds / 2) * 1_000
    }
    return token
  }
}
