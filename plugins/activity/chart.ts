import { chart, type Html } from '@lyceum/sdk'

/** A day in UTC, as `2026-02-08`, and how many different learners were active. */
export interface Day {
  day: string
  learners: number
}

const DAY_MS = 86_400_000
const MOST_DAYS = 84
/** A new course has a day or two: drawn alone they would be walls, not bars. */
const LEAST_DAYS = 14

/**
 * The last weeks, twelve at most, as bars.
 * @param days in order, without those on which nobody was active
 * @param empty what to say where there are none
 */
export function dayChart(days: readonly Day[], now: Date, empty: string): Html {
  // A device whose clock is wrong sends events of the future; they must not push the others out of the chart.
  const last = days.findLast(({ day }) => day <= isoDay(now.getTime())) ?? days.at(-1)
  return chart.bar(last === undefined ? [] : withEmptyDays(days, last.day), {
    x: 'day',
    y: 'learners',
    labels: { day: 'Day (UTC)', learners: 'Active learners' },
    empty: `${empty} Days appear here as soon as events arrive.`,
  })
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

function isoDay(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}
