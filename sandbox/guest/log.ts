import type { Bridge } from './bridge.ts'
import { describeFailure } from './failure.ts'

const LINE_CHARS = 4_000
const { stringify } = JSON

type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** `log(…)` with `log.debug`, `log.info`, `log.warn` and `log.error`: bounded text to the plugin's own log. */
export function openLog(bridge: Bridge) {
  const write = (level: LogLevel, values: readonly unknown[]) => {
    const line = values.map(show).join(' ')
    bridge.post(
      'log',
      stringify({ level, line: line.length > LINE_CHARS ? `${line.slice(0, LINE_CHARS)}…` : line }),
    )
  }
  const log = (...values: unknown[]) => write('info', values)
  log.debug = (...values: unknown[]) => write('debug', values)
  log.info = log
  log.warn = (...values: unknown[]) => write('warn', values)
  log.error = (...values: unknown[]) => write('error', values)
  return log
}

function show(value: unknown): string {
  if (typeof value === 'string') return value
  if (value instanceof Error) return describeFailure(value).stack ?? value.message
  try {
    return stringify(value) ?? String(value)
  } catch (error) {
    return `(not shown: ${error instanceof Error ? error.message : 'it throws'})`
  }
}
