import type { Entry } from './defects.ts'
import type { TrackingEvent } from './envelope.ts'

/**
 * The generator's own account of `lines()`: what a pipeline must find when it has read them, in any
 * order. `lines` is `events + duplicates + rejected`.
 */
export interface Truth {
  lines: number
  /** Lines that hold no event: comments, and lines that were cut off. */
  rejected: number
  /** Lines that repeat an event: the same line, or the same `id` with another time. */
  duplicates: number
  /** Distinct good events. */
  events: number
  /** How often each video, by `id` without a trailing newline, was played: its `play_video` events. */
  playsByVideo: Map<string, number>
  /**
   * Distinct user names, without trailing newlines, with any event on a day. The day is that of the
   * event's own time in UTC, wrong clocks included, as `YYYY-MM-DD`.
   */
  activeByDay: Map<string, number>
  /** Events by `name`, or by `event_type` where there is no name. Requests count by their path. */
  byType: Map<string, number>
}

/** Counts what the entries are. */
export function count(entries: Iterable<Entry>): Truth {
  const truth: Truth = {
    lines: 0,
    rejected: 0,
    duplicates: 0,
    events: 0,
    playsByVideo: new Map(),
    activeByDay: new Map(),
    byType: new Map(),
  }
  const namesByDay = new Map<string, Set<string>>()
  for (const entry of entries) {
    truth.lines += 1
    if (entry.kind === 'unreadable') truth.rejected += 1
    else if (entry.kind === 'repeat') truth.duplicates += 1
    else {
      const { event } = entry
      truth.events += 1
      increment(truth.byType, event.name ?? event.event_type)
      if (event.event_type === 'play_video') increment(truth.playsByVideo, videoOf(event))
      const day = event.time.slice(0, 10)
      const names = namesByDay.get(day) ?? new Set()
      namesByDay.set(day, names.add(event.username))
    }
  }
  for (const [day, names] of namesByDay) truth.activeByDay.set(day, names.size)
  return truth
}

function videoOf({ event }: TrackingEvent): string {
  return typeof event === 'object' && event !== null && 'id' in event ? String(event.id) : ''
}

function increment(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}
