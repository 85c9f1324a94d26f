import { Cursor } from './cursor.ts'
import { Rows } from './replica.ts'

/**
 * Refuses an answer of a query that would leave as `{}` or as nothing, because something was forgotten.
 * It looks at the answer and its direct values only: deeper ones cost more than the mistake.
 *
 * @throws TypeError with what to write
 */
export function checkAnswer(answer: unknown): void {
  const mistake = mistakeOf(answer)
  if (mistake !== undefined) throw new TypeError(`The query returned ${mistake}`)
  if (Array.isArray(answer) && answer[0] instanceof Promise)
    throw new TypeError('The query returned a list of promises: return Promise.all(list), or await each.')
  if (typeof answer !== 'object' || answer === null || ArrayBuffer.isView(answer)) return
  for (const key of Object.keys(answer)) {
    if (key === 'toJSON') continue // a value that says itself how it is written
    const inside = mistakeOf(Reflect.get(answer, key))
    if (inside !== undefined) throw new TypeError(`At "${key}" the query returned ${inside}`)
  }
}

/** What was forgotten, and what to write, where that is what a value shows. */
export function mistakeOf(value: unknown): string | undefined {
  if (typeof value === 'function') return 'a function: call it, and return what it returns.'
  if (value instanceof Cursor)
    return 'a cursor: add .toArray(), and await it where it is not returned itself.'
  if (value instanceof Promise) return 'a promise: await it first.'
  if (value instanceof Rows) return 'a query of a replica: await it first.'
  return undefined
}
