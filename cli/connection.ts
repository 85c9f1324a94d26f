import type { Command } from 'commander'
import { hasKeys, type Keys, loadKeys } from '../host/auth/keys.ts'
import { issueToken } from '../host/auth/tokens.ts'
import { loadConfig } from '../host/config.ts'
import { isErrorCode, LyceumError } from '../host/errors.ts'
import { UsageError } from './exit-codes.ts'

/** A host that commands talk to over HTTP. */
export interface Connection {
  readonly url: string
  readonly token: string
  /**
   * Sends JSON, or a text of another type, and resolves with the JSON of the answer.
   * @throws {LyceumError} what the host refused
   */
  request(method: string, path: string, body?: unknown, contentType?: string): Promise<unknown>
  /** Reads an answer as it comes, however long that takes. @throws {LyceumError} what the host refused */
  read(path: string): Promise<ReadableStream<Uint8Array>>
}

/** The options of {@link withConnection}, as the parser hands them over. */
export interface ConnectionFlags {
  readonly url?: string
  readonly token?: string
  readonly data?: string
}

const JSON_TYPE = 'application/json'
const IS_IT_RUNNING = 'Is the host running there? Start it with npm start, or give --url.'
const REQUEST_MS = 60_000
/** A log takes as long as it takes, and with its token one can only send events. */
const OWN_TOKEN_SECONDS = { admin: 300, ingest: 86_400 }

/** Adds the options that say which host, and as whom. */
export function withConnection(command: Command): Command {
  return withUrl(command)
    .option(
      '--token <token>',
      'a token (default: LYCEUM_TOKEN, else one made with the keys of the data folder)',
    )
    .option(
      '--data <folder>',
      'the data folder of the host, to make a token with (default: LYCEUM_DATA or ./.lyceum)',
    )
}

/** Adds the option that says where the host is; {@link urlOf} reads it. */
export function withUrl(command: Command): Command {
  return command.option(
    '--url <url>',
    'the host (default: LYCEUM_URL, else http://127.0.0.1 with LYCEUM_PORT or 4000)',
  )
}

/**
 * The host that flags and environment name. On the host's own machine its keys make the token.
 *
 * @param role whose token to make there
 * @throws UsageError, LyceumError config_invalid
 */
export async function connectionOf(flags: ConnectionFlags, role: 'admin' | 'ingest'): Promise<Connection> {
  const url = urlOf(flags.url)
  return connect(url, flags.token || process.env.LYCEUM_TOKEN || (await ownToken(flags.data, role)))
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

export function connect(url: string, token: string): Connection {
  return {
    url,
    token,
    request: (method, path, body, contentType = JSON_TYPE) =>
      send(url, token, method, path, body, contentType),
    read: (path) => read(url, token, path),
  }
}

async function ownToken(data: string | undefined, role: 'admin' | 'ingest'): Promise<string> {
  const keys = await ownKeys(
    data,
    'Give --data FOLDER, the folder that the host was started with, or --token TOKEN.',
  )
  return issueToken(keys, { role }, OWN_TOKEN_SECONDS[role])
}

async function read(url: string, token: string, path: string): Promise<ReadableStream<Uint8Array>> {
  const answer = await fetch(url + path, { headers: { authorization: `Bearer ${token}` } }).catch(() => {
    throw new LyceumError('server_unreachable', `${url} cannot be reached. ${IS_IT_RUNNING}`)
  })
  if (answer.ok && answer.body !== null) return answer.body
  throw refusalFrom(await answer.json().catch(() => undefined), answer.status, url)
}

async function send(
  url: string,
  token: string,
  method: string,
  path: string,
  body: unknown,
  contentType: string,
): Promise<unknown> {
  let answer: Response
  try {
    answer = await fetch(url + path, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': contentType,
        accept: 'application/json',
      },
      ...(body !== undefined && { body: contentType === JSON_TYPE ? JSON.stringify(body) : String(body) }),
      signal: AbortSignal.timeout(REQUEST_MS),
    })
  } catch (error) {
    const reason =
      error instanceof Error && error.name === 'TimeoutError' ? 'did not answer in time' : 'cannot be reached'
    throw new LyceumError('server_unreachable', `${url} ${reason}. ${IS_IT_RUNNING}`)
  }
  const said: unknown = await answer.json().catch(() => undefined)
  if (answer.ok) return said
  throw refusalFrom(said, answer.status, url)
}

function refusalFrom(said: unknown, status: number, url: string): LyceumError {
  if (typeof said !== 'object' || said === null || !('code' in said) || !('detail' in said))
    return new LyceumError(
      'server_unreachable',
      `${url} answered ${status}, but not like a Lyceum host. Check --url.`,
    )
  const {
    type: _type,
    title: _title,
    status: _status,
    code,
    detail,
    ...details
  }: Record<string, unknown> = { ...said }
  return new LyceumError(isErrorCode(code) ? code : 'internal', String(detail), details)
}
