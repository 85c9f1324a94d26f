import { HostError, refusalFrom } from './error.ts'

/** A host, and as whom to speak to it. */
export interface Target {
  readonly url: string
  readonly token: string
  readonly timeoutMs: number
}

/** One request. */
export interface Asked {
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  /** With a body it is a POST. Whoever sends one says how the host knows it again, since it may be sent twice. */
  readonly body?: string
  readonly signal?: AbortSignal | undefined
  readonly timeoutMs?: number | undefined
}

const TRIES = 3
const FIRST_WAIT_MS = 200
const LONGEST_WAIT_MS = 10_000
/** A host that starts, stops or is busy, or a proxy in front of one. */
const TRY_AGAIN: ReadonlySet<number> = new Set([429, 502, 503, 504])
/** Refusals of a plugin, which stays as it is. */
const NOT_AGAIN: ReadonlySet<string> = new Set(['plugin_quarantined', 'over_wall', 'not_cached'])

/**
 * Asks a host, again where it could not answer yet: what is asked changes nothing, or counts once.
 * @throws {HostError} what it refused, `timed_out`, `server_unreachable`; the signal's reason once it is aborted
 */
export async function request<Result>(
  target: Target,
  asked: Asked,
  read: (answer: Response) => Promise<Result>,
): Promise<Result> {
  const { signal, timeoutMs = target.timeoutMs } = asked
  const timeout = AbortSignal.timeout(timeoutMs)
  const ends = signal === undefined ? timeout : AbortSignal.any([signal, timeout])
  try {
    for (let attempt = 1; ; attempt++) {
      const outcome = await attemptOf(target, asked, ends, read)
      if ('result' in outcome) return outcome.result
      ends.throwIfAborted()
      if (attempt === TRIES || outcome.waitMs === undefined) throw outcome.error
      await pause(Math.max(outcome.waitMs, FIRST_WAIT_MS * 2 ** (attempt - 1)), ends)
    }
  } catch (error) {
    if (error !== timeout.reason) throw error
    throw new HostError(
      'timed_out',
      `${target.url} did not answer within ${timeoutMs} ms. Check the address, or allow more with timeoutMs.`,
      { cause: error },
    )
  }
}

type Outcome<Result> =
  | { readonly result: Result }
  /** @param waitMs for how long at least before it is asked again; undefined where that would not help */
  | { readonly error: HostError; readonly waitMs: number | undefined }

async function attemptOf<Result>(
  { url, token }: Target,
  { path, headers, body }: Asked,
  signal: AbortSignal,
  read: (answer: Response) => Promise<Result>,
): Promise<Outcome<Result>> {
  try {
    const answer = await fetch(url + path, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { accept: 'application/json', ...headers, authorization: `Bearer ${token}` },
      ...(body !== undefined && { body }),
      // Whoever moved the host has to say so: events are for this one, and a POST would come there as a GET.
      redirect: 'manual',
      signal,
    })
    if (answer.ok) return { result: await read(answer) }
    const error = await refusalFrom(answer)
    const mayPass = TRY_AGAIN.has(answer.status) && !NOT_AGAIN.has(error.code)
    const waitMs = 1_000 * Number(answer.headers.get('retry-after') ?? 0) || 0
    return { error, waitMs: mayPass && waitMs <= LONGEST_WAIT_MS ? waitMs : undefined }
  } catch (cause) {
    if (cause instanceof HostError) throw cause
    return {
      error: new HostError(
        'server_unreachable',
        `${url} cannot be reached. Check the address and your network.`,
        { cause },
      ),
      waitMs: 0,
    }
  }
}

/** Waits, but not beyond the end of a signal that goes on yet. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer)
      reject(signal.reason)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', abort)
      resolve()
    }, ms)
    signal.addEventListener('abort', abort, { once: true })
  })
}
