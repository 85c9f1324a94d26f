import type { Failure } from '../protocol.ts'

const MESSAGE_CHARS = 2_000
const STACK_CHARS = 8_000
const { stringify } = JSON
const toText = String

/**
 * Makes plain, bounded text of whatever a plugin threw. Reading a hostile error may run more of the
 * plugin's code; that is a timed turn like any other.
 */
export function describeFailure(thrown: unknown): Failure {
  try {
    if (thrown instanceof Error) {
      const name = toText(thrown.name)
      const message = toText(thrown.message)
      const code: unknown = Object.hasOwn(thrown, 'code') ? Reflect.get(thrown, 'code') : undefined
      return {
        code: typeof code === 'string' ? cut(code, 64) : 'plugin_failed',
        message: cut(
          name === 'Error' || name === 'LyceumError' ? message : `${name}: ${message}`,
          MESSAGE_CHARS,
        ),
        stack: cut(toText(thrown.stack), STACK_CHARS),
      }
    }
    const isQuoted = typeof thrown === 'string' || (typeof thrown === 'object' && thrown !== null)
    const shown = isQuoted ? stringify(thrown) : toText(thrown)
    return {
      code: 'plugin_failed',
      message: cut(
        `It threw ${shown}, which is not an Error; throw new Error(…) to get a stack.`,
        MESSAGE_CHARS,
      ),
    }
  } catch {
    return { code: 'plugin_failed', message: 'It threw something that cannot be shown.' }
  }
}

function cut(text: string, chars: number): string {
  return text.length > chars ? `${text.slice(0, chars)}…` : text
}
