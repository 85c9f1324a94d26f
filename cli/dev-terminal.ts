import type { LogLine } from '../host/capabilities/log.ts'
import { count } from '../host/text.ts'
import type { Fault } from '../workbench/dev/faults.ts'
import type { DevRecord } from '../workbench/dev/records.ts'
import { becauseOf } from '../workbench/dev/words.ts'
import { onOneLine, paint, printable } from './terminal.ts'

type Activity = Extract<DevRecord, { type: 'activity' }>

/** What the lines are written to; `process.stdout` is one. */
interface TerminalStream {
  write(text: string): unknown
  readonly isTTY?: boolean
  readonly columns?: number
}

const CLEAR_TO_END = '\x1b[K'

/** What happens, for a person at a terminal: a line for each thing, and below them one that says how it stands. */
export class DevTerminal {
  readonly #out: TerminalStream
  #status = ''

  constructor(out: TerminalStream = process.stdout) {
    this.#out = out
  }

  readonly show = (record: DevRecord): void => {
    if (record.type === 'activity') {
      this.#status = statusOf(record)
      this.#draw()
    } else for (const line of linesOf(record)) this.#say(line)
  }

  /** Takes the status line away. */
  close(): void {
    if (this.#out.isTTY) this.#out.write(`\r${CLEAR_TO_END}`)
    this.#status = ''
  }

  #say(line: string): void {
    this.#out.write(this.#out.isTTY ? `\r${line}${CLEAR_TO_END}\n` : `${line}\n`)
    this.#draw()
  }

  #draw(): void {
    if (!this.#out.isTTY || this.#status === '') return
    const text = this.#status.slice(0, (this.#out.columns || 80) - 1)
    this.#out.write(`\r${paint('dim', text)}${CLEAR_TO_END}`)
  }
}

function linesOf(record: Exclude<DevRecord, Activity>): string[] {
  switch (record.type) {
    case 'ready':
      return [`${record.plugin} is shown on ${paint('underline', record.url)}`]
    case 'events':
      return [events(record)]
    case 'reload':
      if (record.files.length === 0) return [`${paint('green', 'runs')} ${record.version}`]
      return [
        `${paint('green', 'reload')} ${onOneLine(record.files.join(', '))} → ${record.version} in ${record.tookMs} ms, ${onOneLine(becauseOf(record))}`,
      ]
    case 'rebuilt':
      return [rebuilt(record)]
    case 'needs':
      return [
        record.needs.length === 0
          ? 'A publish would ask an admin for nothing.'
          : `${paint('yellow', 'publish')} would wait for an admin to approve: ${record.needs.join(', ')}`,
        ...record.warnings.map((warning) => `${paint('yellow', 'warning')} ${onOneLine(warning)}`),
      ]
    case 'fault':
      return faultLines(record.fault)
    case 'mended':
      return [paint('green', 'mended')]
    case 'clock':
      return [`It is ${new Date(record.nowMs).toISOString()} for the plugin now`]
    case 'log':
      return isToldOtherwise(record.line)
        ? []
        : [
            `${colourOf(record.line.level)} ${paint('dim', record.line.endpoint)} ${printable(record.line.line)}`,
          ]
  }
}

/** What failed is told as a fault, with the lines of code, and what became of the data by itself. */
function isToldOtherwise({ by, level, endpoint }: LogLine): boolean {
  return by === 'host' && (level === 'error' || endpoint === 'rebuild')
}

function events({ accepted, rejected, why, from }: Extract<DevRecord, { type: 'events' }>): string {
  const refused =
    rejected === 0 || why === null ? '' : `; ${count(rejected)} lines are none, ${onOneLine(why)}`
  return `${count(accepted)} events of ${onOneLine(from)}${refused}`
}

function rebuilt({ state, events, tookMs, problem }: Extract<DevRecord, { type: 'rebuilt' }>): string {
  if (state === 'done') return `${paint('green', 'rebuilt')} from ${count(events)} events in ${tookMs} ms`
  return `${paint('yellow', 'rebuild')} ${state}${problem === null ? '' : `: ${onOneLine(problem)}`}`
}

function faultLines({ endpoint, code, message, places, stack, times }: Fault): string[] {
  // What fails on event after event is told once, and then now and then.
  if (times > 1 && !Number.isInteger(Math.log2(times))) return []
  const again = times > 1 ? ` (${times} times)` : ''
  const head = `${paint('red', 'error')} ${endpoint === '' ? code : endpoint}: ${printable(message)}${again}`
  if (times > 1) return [head]
  const shown = places.flatMap(({ source, line, column, message: about, frame }) => [
    `  ${paint('bold', `${printable(source)}:${line}:${column}`)}${about ? ` ${printable(about)}` : ''}`,
    ...printable(frame)
      .split('\n')
      .filter((text) => text !== '')
      .map((text) => `  ${text}`),
  ])
  return [head, ...(places.length > 0 ? shown : printable(stack).split('\n').filter(Boolean))]
}

function colourOf(level: string): string {
  if (level === 'error') return paint('red', level)
  return level === 'warn' ? paint('yellow', level) : paint('cyan', level)
}

function statusOf({ head, handlers }: Activity): string {
  const each = handlers.map(
    ({ endpoint, cursor, eventsPerSecond, state }) =>
      `${endpoint} ${count(cursor)} of ${count(head)}${eventsPerSecond > 0 ? ` (${count(eventsPerSecond)} events/s)` : ''}${state === 'idle' || state === 'running' ? '' : ` ${state}`}`,
  )
  return ['q quits', ...each].join(' · ')
}
