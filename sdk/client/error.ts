import { bodyOf, jsonIn } from './body.ts'

/** What a host refused, or that it did not answer. */
export class HostError extends Error {
  override readonly name = 'HostError'
  /**
   * Stable: those of the host, as its /docs/errors lists them; and `server_unreachable`, `timed_out`,
   * `answer_unreadable`, `answer_too_large`, `ambiguous_plugin` of the client.
   */
  readonly code: string
  /** Of HTTP; undefined where nothing was answered. */
  readonly status: number | undefined
  /** What else the host says: which parameter, where in the plugin. */
  readonly details: Readonly<Record<string, unknown>>

  constructor(
    code: string,
    message: string,
    {
      status,
      details = {},
      cause,
    }: { status?: number; details?: Record<string, unknown>; cause?: unknown } = {},
  ) {
    super(message, { cause })
    this.code = code
    this.status = status
    this.details = details
  }
}

/** A refusal of a host, read from its answer. */
export async function refusalFrom(answer: Response): Promise<HostError> {
  const said = jsonIn(await bodyOf(answer))
  if (typeof said !== 'object' || said === null || !('code' in said) || !('detail' in said))
    return new HostError(
      'answer_unreadable',
      `${new URL(answer.url).origin} answered ${answer.status}, but not like a Lyceum host. Check the address.`,
      { status: answer.status },
    )
  const { code, detail, type: _, title: __, status: ___, ...details }: Record<string, unknown> = { ...said }
  return new HostError(String(code), String(detail), { status: answer.status, details })
}
