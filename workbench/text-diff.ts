import { diff } from 'node:util'

const CONTEXT_LINES = 2
/** What nobody reads on: the file is there to be looked at. */
const MOST_LINES = 60
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
    if (isNear[index] === true) shown.push(`${mark} ${line}`)
    else if (isNear[index - 1] === true) shown.push('  …')
  }
  const more = shown.length > MOST_LINES ? [`  … and ${shown.length - MOST_LINES} more lines`] : []
  return [...shown.slice(0, MOST_LINES), ...more].join('\n')
}

function firstDifference(old: readonly string[], now: readonly string[]): string {
  const at = now.findIndex((line, index) => line !== old[index])
  const line = at < 0 ? now.length : at
  return [`line ${line + 1}:`, `- ${old[line] ?? ''}`, `+ ${now[line] ?? ''}`].join('\n')
}
