import type { DoneReport, Failure, Poisoned } from './protocol.ts'

/** A report longer than this comes from nobody honest, and is not parsed. */
export const REPORT_CHARS = 64 * 1024
const CODE_CHARS = 64
const MESSAGE_CHARS = 2_000
const STACK_CHARS = 8_000

/**
 * What guests and sandbox processes report is read here, field by field: either may have fallen to a plugin.
 * Everything is bounded, and what is missing or wrong is replaced.
 */
export function failureOf(text: string): Failure {
  return failureFrom(jsonOf(text))
}

/** How an invocation ended, from the process. */
export function reportOf(text: string): DoneReport {
  const record = asRecord(jsonOf(text))
  return {
    cpuMs: Number.isFinite(record.cpuMs) ? Math.max(0, Number(record.cpuMs)) : 0,
    ...(record.failure !== undefined && { failure: failureFrom(record.failure) }),
    ...(record.isolateLost === true && { isolateLost: true }),
  }
}

/** The last word of a process. */
export function poisonedOf(text: string): Poisoned {
  const { isolates, reason } = asRecord(jsonOf(text))
  return {
    isolates: Array.isArray(isolates) ? isolates.filter((number) => Number.isInteger(number)) : [],
    reason: typeof reason === 'string' ? cut(reason, MESSAGE_CHARS) : 'it did not say why',
  }
}

/** Makes a failure of bounded size. */
export function failure(code: string, message: string, stack?: string): Failure {
  return {
    code: cut(code, CODE_CHARS),
    message: cut(message, MESSAGE_CHARS),
    ...(stack !== undefined && { stack: cut(stack, STACK_CHARS) }),
  }
}

function failureFrom(value: unknown): Failure {
  const { code, message, stack, details } = asRecord(value)
  const thrown = asRecord(details).thrown
  return {
    ...failure(
      typeof code === 'string' ? code : 'plugin_failed',
      typeof message === 'string' ? message : 'It failed without saying why.',
      typeof stack === 'string' ? stack : undefined,
    ),
    ...(typeof thrown === 'string' && { details: { thrown: cut(thrown, CODE_CHARS) } }),
  }
}

function jsonOf(text: string): unknown {
  if (text.length > REPORT_CHARS) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

function cut(text: string, chars: number): string {
  return text.length > chars ? `${text.slice(0, chars)}…` : text
}
