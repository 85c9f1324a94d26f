import { meter } from './meter.ts'
import { type ExpressionOperator, isNil, mismatch, onList, onNamed, onOne } from './operator-kit.ts'
import { MONGO, refusal } from './refusal.ts'
import { safeRegExp } from './regex.ts'
import { compareStrings } from './values.ts'

/** Sizes are charged before the string is made: V8 aborts the process on some strings that are too long. */

function text(operator: string, value: unknown): string {
  if (typeof value !== 'string') throw mismatch(operator, 'strings')
  return value
}

/** For operators that see null as the empty string, and numbers and dates as their text. */
function loose(operator: string, value: unknown): string {
  if (isNil(value)) return ''
  if (value instanceof Date) return value.toISOString()
  if (typeof value === 'number') return String(value)
  return text(operator, value)
}

const $concat = onList((values) => {
  let length = 0
  for (const value of values) {
    if (isNil(value)) return null
    length += text('$concat', value).length
  }
  meter.charge(length)
  return values.join('')
})

function occurrences(input: string, find: string): number {
  let count = 0
  for (let at = input.indexOf(find); at >= 0; at = input.indexOf(find, at + find.length)) count++
  return count
}

function replace(name: string, isAll: boolean): ExpressionOperator {
  return onNamed(name, ({ input, find, replacement }) => {
    if (isNil(input) || isNil(find) || isNil(replacement)) return null
    const from = text(name, find)
    const to = text(name, replacement)
    const source = text(name, input)
    if (from === '') return isAll ? source : to + source
    meter.charge(source.length + (isAll ? occurrences(source, from) : 1) * to.length)
    return isAll ? source.replaceAll(from, () => to) : source.replace(from, () => to)
  })
}

const $split = onList(([input, separator]) => {
  if (isNil(input)) return null
  const by = text('$split', separator)
  if (by === '') throw refusal('query_invalid', 40087, '$split takes a separator that is not empty.')
  const source = text('$split', input)
  meter.charge(source.length + occurrences(source, by) * 24)
  return source.split(by)
})

const BLANK = new Set(
  ' \0\t\n\v\f\r\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a',
)

function trim(name: string, left: boolean, right: boolean): ExpressionOperator {
  return onNamed(name, ({ input, chars }) => {
    if (isNil(input)) return null
    const blank = isNil(chars) ? BLANK : new Set(text(name, chars))
    const source = [...text(name, input)]
    let from = 0
    let to = source.length
    while (left && from < to && blank.has(source[from] ?? '')) from++
    while (right && to > from && blank.has(source[to - 1] ?? '')) to--
    return source.slice(from, to).join('')
  })
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

function count(name: string, value: unknown): number {
  if (typeof value !== 'number' || !Number.isInteger(value))
    throw mismatch(name, 'whole numbers as positions')
  return value
}

function checkStart(name: string, start: number): void {
  if (start < 0) throw refusal('query_invalid', MONGO.BadValue, `${name} takes a start that is not negative.`)
}

const $substrCP = onList(([input, start, length]) => {
  const from = count('$substrCP', start)
  checkStart('$substrCP', from)
  const take = count('$substrCP', length)
  return [...loose('$substrCP', input)].slice(from, take < 0 ? undefined : from + take).join('')
})

const $substrBytes = onList(([input, start, length]) => {
  const from = count('$substrBytes', start)
  const take = count('$substrBytes', length)
  if (from < 0) return ''
  return decoder.decode(
    encoder.encode(loose('$substrBytes', input)).subarray(from, take < 0 ? undefined : from + take),
  )
})

const $indexOfCP = onList(([input, search, start, end]) => {
  if (isNil(input)) return null
  const source = [...text('$indexOfCP', input)]
  const from = isNil(start) ? 0 : count('$indexOfCP', start)
  const to = isNil(end) ? source.length : count('$indexOfCP', end)
  checkStart('$indexOfCP', Math.min(from, to))
  if (from > to || from > source.length) return -1
  const part = source.slice(from, to).join('')
  const at = part.indexOf(text('$indexOfCP', search))
  return at < 0 ? -1 : from + [...part.slice(0, at)].length
})

interface Match {
  match: string
  idx: number
  captures: (string | null)[]
}

function find(name: string, isAll: boolean, compute: (matches: Match[]) => unknown): ExpressionOperator {
  return onNamed(name, ({ input, regex, options }) => {
    if (isNil(input) || isNil(regex)) return compute([])
    if (typeof regex !== 'string' && !(regex instanceof RegExp)) throw mismatch(name, 'a regular expression')
    const pattern = safeRegExp(regex, isNil(options) ? '' : text(name, options))
    const source = text(name, input)
    const matches: Match[] = []
    for (const match of source.matchAll(new RegExp(pattern, `${pattern.flags}g`))) {
      meter.tick()
      meter.charge(64 + match[0].length * 2)
      const captures = match.slice(1).map((capture: string | undefined) => capture ?? null)
      matches.push({ match: match[0], idx: [...source.slice(0, match.index)].length, captures })
      if (!isAll) break
    }
    return compute(matches)
  })
}

export const STRING_OPERATORS: Record<string, ExpressionOperator> = {
  $concat,
  $replaceAll: replace('$replaceAll', true),
  $replaceOne: replace('$replaceOne', false),
  $split,
  $trim: trim('$trim', true, true),
  $ltrim: trim('$ltrim', true, false),
  $rtrim: trim('$rtrim', false, true),
  $substrCP,
  $substrBytes,
  $substr: $substrBytes,
  $indexOfCP,
  $strLenCP: onOne((value) => [...text('$strLenCP', value)].length),
  $strLenBytes: onOne((value) => encoder.encode(text('$strLenBytes', value)).length),
  $toLower: onOne((value) => loose('$toLower', value).toLowerCase()),
  $toUpper: onOne((value) => loose('$toUpper', value).toUpperCase()),
  $strcasecmp: onList(([a, b]) =>
    compareStrings(loose('$strcasecmp', a).toUpperCase(), loose('$strcasecmp', b).toUpperCase()),
  ),
  $regexMatch: find('$regexMatch', false, (matches) => matches.length > 0),
  $regexFind: find('$regexFind', false, (matches) => matches[0] ?? null),
  $regexFindAll: find('$regexFindAll', true, (matches) => matches),
}
