const ISO_TIME = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?) ?(Z|[+-]\d\d(?::?\d\d)?)?$/i

/** Numbers above this are milliseconds since 1970, smaller ones seconds: it lies in the year 5138 and in 1973. */
const SECONDS_END = 1e11

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
  const [, date, time = '', zone = 'Z'] = parts
  const minutes = zone.length === 3 ? ':00' : ''
  return isoOfMs(Date.parse(`${date}T${time.replace(',', '.')}${zone.toUpperCase()}${minutes}`))
}

function isoOfMs(ms: number): string | undefined {
  if (!(ms >= 0 && ms < 253402300800000)) return undefined
  return new Date(ms).toISOString()
}
