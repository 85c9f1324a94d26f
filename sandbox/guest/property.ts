import { describeFailure } from './failure.ts'

const { stringify } = JSON
const { parse: timeOf } = Date

/** What the host made sure of in every event. */
export interface Arrived {
  readonly props: { readonly received: string }
}

/**
 * Works a derived property out for each event of a batch. While it does so, the clock shows when that event
 * arrived, so that it comes to the same whenever it is worked out again.
 *
 * @returns a line for each event: its value as JSON, nothing where it has none, or `!` where that failed, with a
 *   failure as JSON behind the first of these
 */
export function derive(
  property: (event: Arrived) => unknown,
  events: readonly Arrived[],
  valueChars: number,
  setClock: (nowMs: number) => void,
): string {
  let told = false
  const lines = events.map((event) => {
    try {
      setClock(timeOf(event.props.received))
      return valueText(property(event), valueChars)
    } catch (error) {
      if (told) return '!'
      told = true
      return `!${stringify(describeFailure(error))}`
    }
  })
  return lines.join('\n')
}

function valueText(value: unknown, valueChars: number): string {
  if (value === undefined) return ''
  if (typeof value === 'function') throw new TypeError('The property is a function: call it.')
  if (value instanceof Promise)
    throw new TypeError('The property is a promise. It is worked out at once: write a plain function.')
  const text = stringify(value)
  if (text === undefined) throw new TypeError(`The property is a ${typeof value}, which JSON cannot say.`)
  if (text.length > valueChars)
    throw new RangeError(
      `The property has ${text.length} characters as JSON; ${valueChars} are allowed. Return what handlers need of it.`,
    )
  return text
}
