import { diff } from 'node:util'

const CONTEXT_LINES = 2
/** What nobody reads on: the file is there to be looked at. */
const MOST_LINES = 60
/** Of a line: that of a chart holds all of its data. */
const MOST_CHARS = 240
/** How many of them stand before the first that differs. */
const CHARS_BEFORE = 60
/** Time and memory of a comparison grow with the square of what differs. */
const COMPARED_LINES = 5_000

/** The lines that differ, with `-` before those of `before` and `+` before those of `after`, and a few around them. */
export function textDiff(before: string, after: string): string {
  const old = before.split('\n')
  const now = after.split('\n')
  if (old.length > COMPARED_LINES || now.length > COMPARED_LINES) return firstDifference(old, now)
  // What only the first has is 1, and what only the second has -1.
  const entries = diff(old, now).map(([kind, line]) => ({
    mark: kind === 0 ? ' ' : kind > 0 ? '-' : '+',
    line,
  }))
  const isNear = entries.map((_, index) =>
    entries
      .slice(Math.max(0, index - CONTEXT_LINES), index + CONTEXT_LINES + 1)
      .some(({ mark }) => mark !== ' '),
  )
  const shown: string[] = []
  for (const [index, { mark, line }] of entries.entries()) {
    const beside = [entries[index - 1], entries[index + 1]].find(
      (other) => other && isOpposite(other.mark, mark),
    )
    if (isNear[index] === true) shown.push(`${mark} ${cut(line, beside?.line ?? '')}`)
    else if (isNear[index - 1] === true) shown.push('  …')
  }
  const more = shown.length > MOST_LINES ? [`  … and ${shown.length - MOST_LINES} more lines`] : []
  return [...shown.slice(0, MOST_LINES), ...more].join('\n')
}

function firstDifference(old: readonly string[], now: readonly string[]): string {
  const at = now.findIndex((line, index) => line !== old[index])
  const line = at < 0 ? now.length : at
  const [before = '', after = ''] = [old[line], now[line]]
  return [`line ${line + 1}:`, `- ${cut(before, after)}`, `+ ${cut(after, before)}`].join('\n')
}

function isOpposite(mark: string, other: string): boolean {
  return mark !== ' ' && other !== ' ' && mark !== other
}

/** A long line from a little before where it differs from another. */
function cut(line: string, other: string): string {
  if (line.length <= MOST_CHARS) return line
  let same = 0
  while (same < line.length && line[same] === other[same]) same += 1
  const start = Math.max(0, Math.min(same - CHARS_BEFORE, line.length - MOST_CHARS))
  const end = start + MOST_CHARS
  return `${start > 0 ? '…' : ''}${line.slice(start, end)}${end < line.length ? '…' : ''}`
}
