import { isErrorCode, LyceumError } from '../host/errors.ts'
import { bodyOf, isCsv, jsonIn, MOST_MB } from '../sdk/client/body.ts'

/** A host that commands talk to over HTTP. */
export interface Connection {
  readonly url: string
  /** A token that is good now. */
  token(): Promise<string>
  /**
   * Sends JSON, or a text of another type, and resolves with the JSON of the answer.
   * @throws {LyceumError} what the host refused, server_unreachable
   */
  request(method: string, path: string, body?: unknown, contentType?: string): Promise<unknown>
  /** Reads an answer as it comes, however long that takes. @throws {LyceumError} what the host refused */
  read(path: string): Promise<ReadableStream<Uint8Array>>
  /** The answer itself, where its headers or its text are of interest. @throws {LyceumError} as {@link request} */
  open(path: string, options?: OpenOptions): Promise<Response>
}

/** How to ask for an answer. */
export interface OpenOptions {
  /** The type that the answer is to have. */
  readonly accept?: string
  /** As HTTP's `Prefer`. */
  readonly prefer?: string
  readonly signal?: AbortSignal
}

const IS_IT_RUNNING = 'Is the host running there? Start it with npm start, or give --url.'
const CHECK = 'Check the address (--url, LYCEUM_URL, or npx lyceum login) and your network.'
const JSON_TYPE = 'application/json'
/** Longer than a host takes for anything that it answers at once. */
const REQUEST_MS = 300_000
/** Whoever has not answered for this long is asked whether it is there, and has as long again to say so. */
const SILENT_MS = 10_000

/**
 * What a host at an address answers to the bearer of a token.
 *
 * @param token the token, or what makes one that is good for the next request
 */
export function connect(url: string, token: string | (() => Promise<string>)): Connection {
  const tokenNow = async () => (typeof token === 'string' ? token : token())
  const send = async (method: string, path: string, options: RequestInit) => {
    const headers = { ...options.headers, authorization: `Bearer ${await tokenNow()}` }
    const watch = watchOver(url)
    const signal = options.signal ? AbortSignal.any([options.signal, watch.signal]) : watch.signal
    // Whoever moved the host has to say so: what is sent is for this one.
    const answer = await fetch(url + path, { ...options, method, headers, signal, redirect: 'manual' })
      .catch((error: unknown) => {
        throw unreachable(error, url)
      })
      .finally(watch.end)
    if (answer.ok) return answer
    throw refusalFrom(await bodyOf(answer).then(jsonIn, () => undefined), answer.status, url)
  }
  return {
    url,
    token: tokenNow,
    request: async (method, path, body, contentType = JSON_TYPE) => {
      const answer = await send(method, path, {
        headers: { 'content-type': contentType, accept: JSON_TYPE },
        ...(body !== undefined && { body: contentType === JSON_TYPE ? JSON.stringify(body) : String(body) }),
        signal: AbortSignal.timeout(REQUEST_MS),
      })
      return jsonOf(answer, url)
    },
    read: async (path) => (await send('GET', path, {})).body ?? new Blob().stream(),
    open: (path, { accept = JSON_TYPE, prefer, signal = AbortSignal.timeout(REQUEST_MS) } = {}) =>
      send('GET', path, { headers: { accept, ...(prefer && { prefer }) }, signal }),
  }
}

/** The JSON of an answer that is open. @throws {LyceumError} server_unreachable where it is none, or too large */
export async function jsonOf(answer: Response, url: string): Promise<unknown> {
  const json = jsonIn(await textOf(answer, url))
  if (json === undefined) throw noHost(answer.status, url)
  return json
}

/** The table of an answer that is open. @throws {LyceumError} server_unreachable where it is none, or too large */
export async function csvOf(answer: Response, url: string): Promise<string> {
  if (isCsv(answer)) return textOf(answer, url)
  throw noHost(answer.status, url)
}

async function textOf(answer: Response, url: string): Promise<string> {
  const text = await bodyOf(answer).catch((error: unknown) => {
    throw unreachable(error, url)
  })
  if (text !== undefined) return text
  throw new LyceumError(
    'server_unreachable',
    `${url} answered more than ${MOST_MB} MB, which no Lyceum host does. ${CHECK}`,
  )
}

/**
 * Gives up on what takes a connection and says nothing. An answer may take minutes, but a host that works on one
 * says meanwhile that it is there.
 */
function watchOver(url: string): { readonly signal: AbortSignal; readonly end: () => void } {
  const silence = new AbortController()
  const look = new AbortController()
  const giveUp = () => silence.abort(new DOMException('It says nothing.', 'TimeoutError'))
  let timer = setTimeout(() => {
    timer = setTimeout(giveUp, SILENT_MS)
    fetch(`${url}/healthz`, { redirect: 'manual', signal: look.signal }).then(
      () => clearTimeout(timer),
      () => {},
    )
  }, SILENT_MS)
  const end = () => {
    clearTimeout(timer)
    look.abort()
  }
  return { signal: silence.signal, end }
}

/** The address of a plugin in the API, whatever somebody typed for its id. */
export function pluginPath(plugin: string, rest = ''): string {
  return `/v1/plugins/${encodeURIComponent(plugin)}${rest}`
}

function unreachable(error: unknown, url: string): LyceumError {
  const isLate = error instanceof Error && error.name === 'TimeoutError'
  return new LyceumError(
    'server_unreachable',
    `${url} ${isLate ? 'did not answer in time' : 'cannot be reached'}. ${isOnThisMachine(url) ? IS_IT_RUNNING : CHECK}`,
  )
}

/** Whether an address is one that only this machine reaches. */
export function isOnThisMachine(url: string): boolean {
  return /^(?:localhost|127\.[\d.]+|\[::1\])$/.test(URL.parse(url)?.hostname ?? '')
}

function noHost(status: number, url: string): LyceumError {
  return new LyceumError(
    'server_unreachable',
    `${url} answered ${status}, but not like a Lyceum host. Check --url.`,
  )
}

function refusalFrom(said: unknown, status: number, url: string): LyceumError {
  if (typeof said !== 'object' || said === null || !('code' in said) || !('detail' in said))
    return noHost(status, url)
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
