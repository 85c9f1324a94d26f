import { count } from '../host/text.ts'
import type { Batch } from './load-batches.ts'
import type { Answer } from './load-delivery.ts'
import { onOneLine } from './terminal.ts'

/** What became of the lines of some files. */
export interface LoadSummary {
  /** Events that the host did not have before. */
  accepted: number
  /** Events that it had. */
  duplicates: number
  /** Lines that it could not take. */
  rejected: number
  rejectedByCode: { code: string; count: number }[]
  /** The first few of them. */
  rejectedFirst: Rejection[]
  seconds: number
  /** All lines, whatever became of them. */
  eventsPerSecond: number
}

/** A line that was not taken. */
export interface Rejection {
  file: string
  /** From 1. */
  line: number
  code: string
  message: string
}

const SHOWN_REJECTIONS = 10

/** Adds up what the host answers. */
export class Tally {
  #accepted = 0
  #duplicates = 0
  #rejected = 0
  readonly #byCode = new Map<string, number>()
  #first: Rejection[] = []

  /** Lines that have an answer. */
  get events(): number {
    return this.#accepted + this.#duplicates + this.#rejected
  }

  add(file: string, batch: Batch, answer: Answer): void {
    this.#accepted += answer.accepted
    this.#duplicates += answer.duplicates
    for (const { index, code, message } of answer.rejected) {
      const line = batch.lines[index] ?? 0
      // The host counts from the beginning of a batch.
      this.reject({ file, line, code, message: message.replace(/^Line \d+( at byte \d+)?/, `Line ${line}`) })
    }
  }

  reject(rejection: Rejection): void {
    this.#rejected += 1
    this.#byCode.set(rejection.code, (this.#byCode.get(rejection.code) ?? 0) + 1)
    if (this.#first.length < SHOWN_REJECTIONS) this.#first.push(rejection)
  }

  summary(seconds: number): LoadSummary {
    return {
      accepted: this.#accepted,
      duplicates: this.#duplicates,
      rejected: this.#rejected,
      rejectedByCode: [...this.#byCode]
        .map(([code, count]) => ({ code, count }))
        .sort((a, b) => b.count - a.count),
      rejectedFirst: this.#first,
      seconds: Math.round(seconds * 1000) / 1000,
      eventsPerSecond: Math.round(this.events / Math.max(seconds, 0.001)),
    }
  }
}

/** The summary for a person. */
export function describe(summary: LoadSummary): string {
  const { accepted, duplicates, rejected, seconds, eventsPerSecond } = summary
  const lines = [
    `${count(accepted)} events loaded, ${count(duplicates)} were there before, ${count(rejected)} lines ` +
      `rejected, in ${seconds.toFixed(1)} s (${count(eventsPerSecond)}/s)`,
  ]
  for (const { code, count: times } of summary.rejectedByCode)
    lines.push(`  ${count(times)} × ${onOneLine(code)}`)
  for (const { file, line, code, message } of summary.rejectedFirst)
    lines.push(`  ${onOneLine(`${file}:${line} ${code}: ${message}`)}`)
  if (rejected > summary.rejectedFirst.length)
    lines.push(`  and ${count(rejected - summary.rejectedFirst.length)} more lines`)
  return lines.join('\n')
}
