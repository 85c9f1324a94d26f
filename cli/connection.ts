import type { Command } from 'commander'
import { loadKeys } from '../host/auth/keys.ts'
import { issueToken } from '../host/auth/tokens.ts'
import { loadConfig } from '../host/config.ts'
import { isErrorCode, LyceumError } from '../host/errors.ts'

/** A host that commands talk to over HTTP. */
export interface Connection {
  readonly url: string
  readonly token: string
  /**
   * Sends JSON, or a text of another type, and resolves with the JSON of the answer.
   * @throws {LyceumError} what the host refused
   */
  request(method: string, path: string, body?: unknown, contentType?: string): Promise<unknown>
}

interface ConnectionFlags {
  readonly url?: string
  readonly token?: string
  readonly data?: string
}

const JSON_TYPE = 'application/json'
const DEFAULT_URL = 'http://127.0.0.1:4000'
const REQUEST_MS = 60_000
const OWN_TOKEN_SECONDS = 300

/** Adds the options that say which host, and as whom. */
export function withConnection(command: Command): Command {
  return command
    .option('--url <url>', `the host (default: LYCEUM_URL or ${DEFAULT_URL})`)
    .option(
      '--token <token>',
      'a token (default: LYCEUM_TOKEN, else one made with the keys of the data folder)',
    )
    .option(
      '--data <folder>',
      'the data folder of the host, to make a token with (default: LYCEUM_DATA or ./.lyceum)',
    )
}

/** The host that flags and environment name. On the host's own machine its keys make the token. */
export async function connectionOf(flags: ConnectionFlags): Promise<Connection> {
  const url = (flags.url ?? process.env.LYCEUM_URL ?? DEFAULT_URL).replace(/\/$/, '')
  const given = flags.token ?? process.env.LYCEUM_TOKEN
  return connect(url, given ?? (await ownToken(flags.data)))
}

export function connect(url: string, token: string): Connection {
  return {
    url,
    token,
    request: (method, path, body, contentType = JSON_TYPE) =>
      send(url, token, method, path, body, contentType),
  }
}

async function ownToken(data: string | undefined): Promise<string> {
  const { dataDir } = loadConfig(process.env, { data })
  return issueToken(await loadKeys(dataDir), { role: 'admin' }, OWN_TOKEN_SECONDS)
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
    throw new LyceumError(
      'server_unreachable',
      `${url} ${reason}. Is the host running there? Start it with npm start, or give --url.`,
    )
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
