import { type Html, html } from '@lyceum/sdk'

/** A day in UTC, as `2026-02-08`, and how many different learners were active. */
export interface Day {
  day: string
  learners: number
}

const DAY_MS = 86_400_000
const MOST_DAYS = 84
/** A new course has a day or two: drawn alone they would be walls, not bars. */
const LEAST_DAYS = 14
const PLOT_HEIGHT = 200

/**
 * The last weeks, twelve at most, as bars, and all days as a table.
 * @param days in order, without those on which nobody was active
 * @param empty what to say where there are none
 */
export function dayChart(days: readonly Day[], now: Date, empty: string): Html {
  // A device whose clock is wrong sends events of the future; they must not push the others out of the chart.
  const last = days.findLast(({ day }) => day <= isoDay(now.getTime())) ?? days.at(-1)
  if (last === undefined) return html`<p>${empty} Days appear here as soon as events arrive.</p>`
  const shown = withEmptyDays(days, last.day)
  const first = shown[0] ?? last
  const most = shown.reduce((best, day) => (day.learners > best.learners ? day : best))
  const summary = `The most learners were active on ${longDate(most.day)}: ${most.learners}.`
  return html`
    <style>
      .days { --bar: #2f6fc4; margin: 0 }
      @media (prefers-color-scheme: dark) { .days { --bar: #7fb2f5 } }
      .days svg { display: block; width: calc(100% - 2.5em); margin: 1em 0 1em 2.5em; overflow: visible }
      .days rect { fill: var(--bar) }
      .days rect:hover { opacity: 0.7 }
      .days line { stroke: currentColor; opacity: 0.2 }
      .days text { fill: currentColor; font-size: 12px; opacity: 0.8 }
      .days td + td, .days th + th { text-align: right; font-variant-numeric: tabular-nums }
    </style>
    <figure class="days">
      <figcaption>${summary}</figcaption>
      <svg role="img" height="${PLOT_HEIGHT + 24}"
        aria-label="Bars: learners active per day, ${longDate(first.day)} to ${longDate(last.day)}. ${summary}">
        ${bars(shown, most.learners)}
      </svg>
      <details>
        <summary>The numbers</summary>
        <table>
          <thead><tr><th scope="col">Day (UTC)</th><th scope="col">Active learners</th></tr></thead>
          <tbody>${days.toReversed().map(({ day, learners }) => html`<tr><td>${day}</td><td>${learners}</td></tr>`)}</tbody>
        </table>
      </details>
    </figure>`
}

/** Widths are percentages and heights pixels, so that the bars fill any width and the text keeps its size. */
function bars(shown: readonly Day[], most: number): Html {
  const step = tickStep(most)
  const top = Math.ceil(most / step) * step
  const y = (learners: number) => PLOT_HEIGHT * (1 - learners / top)
  const width = 100 / shown.length
  const ticks = Array.from({ length: top / step + 1 }, (_, index) => index * step)
  const labelled = Math.ceil(shown.length / 5)
  return html`
    ${ticks.map(
      (tick) => html`
      <line x1="0" x2="100%" y1="${y(tick)}" y2="${y(tick)}"/>
      <text x="-8" y="${y(tick) + 4}" text-anchor="end">${tick}</text>`,
    )}
    ${shown.map(
      ({ day, learners }, index) => html`
      <rect x="${(index + 0.1) * width}%" width="${0.8 * width}%" y="${y(learners)}" height="${PLOT_HEIGHT - y(learners)}">
        <title>${longDate(day)}: ${learners}</title>
      </rect>
      ${index % labelled === 0 && html`<text x="${index * width}%" y="${PLOT_HEIGHT + 20}">${shortDate(day)}</text>`}`,
    )}`
}

/** Two to twelve weeks up to the last day, those days without anybody too. */
function withEmptyDays(days: readonly Day[], last: string): Day[] {
  const learners = new Map(days.map((day) => [day.day, day.learners]))
  const endMs = Date.parse(last)
  const activeDays = (endMs - Date.parse(days[0]?.day ?? last)) / DAY_MS + 1
  const length = Math.min(Math.max(activeDays, LEAST_DAYS), MOST_DAYS)
  return Array.from({ length }, (_, index) => {
    const day = isoDay(endMs - (length - 1 - index) * DAY_MS)
    return { day, learners: learners.get(day) ?? 0 }
  })
}

/** The smallest of 1, 2, 5, 10, 20, 50… that needs at most four steps. */
function tickStep(most: number): number {
  let step = 1
  for (let index = 0; step * 4 < most; index++) step *= index % 3 === 1 ? 2.5 : 2
  return step
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

function shortDate(day: string): string {
  return `${Number(day.slice(8))} ${MONTHS[Number(day.slice(5, 7)) - 1]}`
}

function longDate(day: string): string {
  return `${shortDate(day)} ${day.slice(0, 4)}`
}

function isoDay(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}
