/** No host answers more: nothing larger passes between its processes. */
export const MOST_MB = 64

/** The text of an answer; undefined where it is larger than any of a host, or does not end. */
export async function bodyOf({ body }: Response): Promise<string | undefined> {
  if (body === null) return ''
  const reader = body.getReader()
  const decoder = new TextDecoder()
  let [text, bytes] = ['', 0]
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return text + decoder.decode()
    bytes += value.length
    if (bytes > MOST_MB * 1024 * 1024) {
      await reader.cancel()
      return undefined
    }
    text += decoder.decode(value, { stream: true })
  }
}

/** Whether an answer is what was asked for as a table: whatever stands before a host may answer with a page of its own. */
export function isCsv({ headers }: Response): boolean {
  return /^text\/csv\b/i.test(headers.get('content-type') ?? '')
}

/** What a text holds as JSON; undefined where it is none. */
export function jsonIn(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '')
  } catch {
    return undefined
  }
}
