const ISO_TIME = /^(\d{4}-\d\d-(\d\d))[T ](\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?) ?(Z|[+-]\d\d(?::?\d\d)?)?$/i

/** Numbers below this are seconds since 1970 (it is the year 5138), others milliseconds (it is 1973). */
const SECONDS_END = 1e11

/** The first millisecond of the year 10000, which ISO writes differently. */
const YEARS_END_MS = 253_402_300_800_000

/**
 * A time in the one form that sorts as text: `2014-05-02T16:44:35.901Z`. Without a zone it is UTC, as edX
 * writes it. Undefined where it is no time of day: a date alone tells too few events apart.
 */
export function isoTime(time: unknown): string | undefined {
  if (typeof time === 'string') return isoOfText(time.trim())
  if (typeof time === 'number') return isoOfMs(time < SECONDS_END ? time * 1000 : time)
  return undefined
}

function isoOfText(text: string): string | undefined {
  const parts = ISO_TIME.exec(text)
  if (!parts) return undefined
  const [, date = '', day = '', sent = '', zone = 'Z'] = parts
  const time = sent.replace(',', '.')
  const minutes = zone.length === 3 ? ':00' : ''
  const ms = Date.parse(`${date}T${time}${zone.toUpperCase()}${minutes}`)
  // Usual times only need cutting, which is five times as fast. `Date.parse` takes a 31st of February.
  const isUsual = ms >= 0 && time.length >= 12 && day <= '28' && (zone === 'Z' || zone === '+00:00')
  return isUsual ? `${date}T${time.slice(0, 12)}Z` : isoOfMs(ms)
}

function isoOfMs(ms: number): string | undefined {
  return ms >= 0 && ms < YEARS_END_MS ? new Date(ms).toISOString() : undefined
}
