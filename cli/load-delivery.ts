import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { isErrorCode, LyceumError } from '../host/errors.ts'
import { bodyOf, jsonIn } from '../sdk/client/body.ts'
import type { Batch } from './load-batches.ts'
import { checkUrl } from './target.ts'

/** Where the events go, and who sends them. */
export interface Target {
  /** The address of the host, such as `http://127.0.0.1:4000`. */
  url: string
  token: string
}

const TRIES = 10
const FIRST_WAIT_MS = 250
const LONGEST_WAIT_MS = 15_000
const LONGEST_RETRY_AFTER_MS = 60_000
const ANSWER_WITHIN_MS = 120_000

/** A host that is busy, starting, stopping or out of disk, or a proxy in front of one. */
const TRY_AGAIN = new Set([429, 502, 503, 504, 507])

const answerSchema = z.object({
  accepted: z.int().nonnegative(),
  duplicates: z.int().nonnegative(),
  rejected: z.array(z.object({ index: z.int().nonnegative(), code: z.string(), message: z.string() })),
})

const problemSchema = z.object({ code: z.string(), detail: z.string() })

/** What the host made of a batch; `index` counts its lines from 0. */
export type Answer = z.infer<typeof answerSchema>

/**
 * Sends a batch until the host has taken it. Sending it again is safe: its key makes every line count once.
 *
 * @param onWait is told why a batch has to wait, and for how many seconds.
 * @throws LyceumError where the host refuses, or cannot be reached in ten tries (a minute and more);
 *   an AbortError or the signal's reason once it is aborted.
 */
export async function deliver(
  batch: Batch,
  target: Target,
  options: { signal: AbortSignal; onWait: (why: string, seconds: number) => void },
): Promise<Answer> {
  const { signal, onWait } = options
  for (let attempt = 1; ; attempt++) {
    const outcome = await send(batch, target, signal)
    if ('answer' in outcome) return outcome.answer
    if (!outcome.mayPass || attempt === TRIES) throw outcome.error
    const backOffMs = Math.min(FIRST_WAIT_MS * 2 ** (attempt - 1), LONGEST_WAIT_MS)
    const waitMs = outcome.retryAfterMs ?? backOffMs
    if (waitMs > 0) onWait(outcome.error.message, waitMs / 1000)
    await delay(waitMs, undefined, { signal })
  }
}

type Outcome =
  | { answer: Answer }
  | { error: LyceumError; mayPass: boolean; retryAfterMs?: number | undefined }

async function send(batch: Batch, { url, token }: Target, signal: AbortSignal): Promise<Outcome> {
  try {
    const response = await fetch(eventsUrl(url), {
      method: 'POST',
      headers: {
        'Content-Type': 'application/x-ndjson',
        'Idempotency-Key': batch.key,
        Authorization: `Bearer ${token}`,
      },
      body: batch.body,
      // A redirect would turn the POST into a GET; whoever moved the host has to say so.
      redirect: 'manual',
      signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_WITHIN_MS)]),
    })
    return await read(response, url)
  } catch (error) {
    signal.throwIfAborted()
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
    const why = cause instanceof Error && 'code' in cause ? ` (${cause.code})` : ''
    const message = `There is no answer from ${url}${why}. Is Lyceum running there?`
    return { error: new LyceumError('server_unreachable', message), mayPass: true }
  }
}

async function read(response: Response, url: string): Promise<Outcome> {
  const body = jsonIn(await bodyOf(response))
  const answer = answerSchema.safeParse(body)
  if (response.ok && answer.success) return { answer: answer.data }
  const problem = problemSchema.safeParse(body)
  const error = problem.success
    ? new LyceumError(isErrorCode(problem.data.code) ? problem.data.code : 'bad_request', problem.data.detail)
    : new LyceumError(
        'server_unreachable',
        `What answers at ${url} is not Lyceum (status ${response.status}). Check the address.`,
      )
  const mayPass = TRY_AGAIN.has(response.status)
  return { error, mayPass, retryAfterMs: retryAfterMs(response.headers.get('retry-after')) }
}

/** Seconds or a date, as HTTP has it. */
function retryAfterMs(header: string | null): number | undefined {
  if (header === null) return undefined
  const ms = /^\d+$/.test(header) ? 1000 * Number(header) : Date.parse(header) - Date.now()
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), LONGEST_RETRY_AFTER_MS)
}

/**
 * The address of the intake, below whatever path the host is served at.
 *
 * @throws LyceumError bad_parameter where the address is none.
 */
export function eventsUrl(url: string): string {
  checkUrl(url)
  return new URL('v1/events', url.endsWith('/') ? url : `${url}/`).href
}
