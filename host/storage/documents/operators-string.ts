import { isNumeric } from './arithmetic.ts'
import type { ExpressionOperator } from './evaluate.ts'
import { meter } from './meter.ts'
import { isInt, isNil, mismatch, onAny, onList, onNamed, onOne } from './operator-kit.ts'
import { MONGO, refusal } from './refusal.ts'
import { safeRegExp } from './regex.ts'
import { compareStrings } from './values.ts'

/** Sizes are charged before the string is made: V8 aborts the process on some strings that are too long. */

function text(operator: string, value: unknown, mongoCode: number): string {
  if (typeof value !== 'string') throw mismatch(operator, 'strings', mongoCode)
  return value
}

/** For operators that see null as the empty string, and numbers and dates as their text. */
function loose(operator: string, value: unknown): string {
  if (isNil(value)) return ''
  if (value instanceof Date) return value.toISOString()
  if (isNumeric(value)) return String(value)
  return text(operator, value, 16007)
}

const $concat = onAny('$concat', (values) => {
  let length = 0
  let isNull = false
  for (const value of values)
    if (isNil(value)) isNull = true
    else length += text('$concat', value, 16702).length
  if (isNull) return null
  meter.charge(length)
  return values.join('')
})

function occurrences(input: string, find: string): number {
  let count = 0
  for (let at = input.indexOf(find); at >= 0; at = input.indexOf(find, at + find.length)) count++
  return count
}

const REPLACE = { required: ['input', 'find', 'replacement'] }

function replace(name: string, isAll: boolean, codes: readonly [number, number, number]): ExpressionOperator {
  return onNamed(name, REPLACE, ({ input, find, replacement }) => {
    const given = [input, find, replacement]
    given.forEach((value, i) => {
      if (!isNil(value)) text(name, value, codes[i] ?? MONGO.TypeMismatch)
    })
    if (typeof input !== 'string' || typeof find !== 'string' || typeof replacement !== 'string') return null
    if (find === '') return replacement + input
    meter.charge(input.length + (isAll ? occurrences(input, find) : 1) * replacement.length)
    return isAll ? input.replaceAll(find, () => replacement) : input.replace(find, () => replacement)
  })
}

const $split = onList('$split', 2, 2, ([input, separator]) => {
  if (isNil(input) || isNil(separator)) return null
  const source = text('$split', input, 40085)
  const by = text('$split', separator, 40086)
  if (by === '') throw refusal('query_invalid', 40087, '$split takes a separator that is not empty.')
  meter.charge(source.length + occurrences(source, by) * 24)
  return source.split(by)
})

const BLANK = new Set(
  ' \0\t\n\v\f\r\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a',
)
const TRIM = { required: ['input'], optional: ['chars'], codes: [50696, 50695, 50694] as const }

function trim(name: string, left: boolean, right: boolean): ExpressionOperator {
  return onNamed(name, TRIM, (named) => {
    const { input, chars } = named
    if (isNil(input) || ('chars' in named && isNil(chars))) return null
    const source = [...text(name, input, 50699)]
    const blank = chars === undefined ? BLANK : new Set(text(name, chars, 50700))
    let from = 0
    let to = source.length
    while (left && from < to && blank.has(source[from] ?? '')) from++
    while (right && to > from && blank.has(source[to - 1] ?? '')) to--
    return source.slice(from, to).join('')
  })
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

const $substrCP = onList('$substrCP', 3, 3, ([input, start, length]) => {
  if (!isNumeric(start)) throw mismatch('$substrCP', 'a number as start', 34450)
  if (!isInt(start)) throw mismatch('$substrCP', 'a whole start', 34451)
  if (!isNumeric(length)) throw mismatch('$substrCP', 'a number as length', 34452)
  if (!isInt(length)) throw mismatch('$substrCP', 'a whole length', 34453)
  if (length < 0) throw mismatch('$substrCP', 'a length that is not negative', 34454)
  if (start < 0) throw mismatch('$substrCP', 'a start that is not negative', 34455)
  return [...loose('$substrCP', input)].slice(start, start + length).join('')
})

/** True where a byte is in the middle of a character. */
function isInside(bytes: Uint8Array, at: number): boolean {
  return ((bytes[at] ?? 0) & 0xc0) === 0x80
}

const $substrBytes = onList('$substrBytes', 3, 3, ([input, start, length]) => {
  if (!isNumeric(start)) throw mismatch('$substrBytes', 'a number as start', 16034)
  if (!isNumeric(length)) throw mismatch('$substrBytes', 'a number as length', 16035)
  const from = Math.trunc(Number(String(start)))
  const take = Math.trunc(Number(String(length)))
  if (from < 0) throw mismatch('$substrBytes', 'a start that is not negative', 50752)
  const bytes = encoder.encode(loose('$substrBytes', input))
  const to = take < 0 ? bytes.length : Math.min(bytes.length, from + take)
  if (from >= bytes.length) return ''
  if (isInside(bytes, from)) throw mismatch('$substrBytes', 'a start between characters', 28656)
  if (to < bytes.length && isInside(bytes, to))
    throw mismatch('$substrBytes', 'an end between characters', 28657)
  return decoder.decode(bytes.subarray(from, to))
})

/** Where a text is found between two positions; `unitsOf` splits into what is counted. */
function indexOf(name: string, search: (source: string, sought: string, from: number, to: number) => number) {
  return onList(name, 2, 4, (values) => {
    const [input, sought, start, end] = values
    if (isNil(input)) return null
    const source = text(name, input, 40091)
    const what = text(name, sought, 40092)
    const from = position(name, values.length > 2 ? start : 0)
    const to = values.length > 3 ? position(name, end) : Number.POSITIVE_INFINITY
    return search(source, what, from, to)
  })
}

function position(name: string, value: unknown): number {
  if (!isInt(value)) throw mismatch(name, 'whole numbers as positions', 40096)
  if (value < 0) throw mismatch(name, 'positions that are not negative', 40097)
  return value
}

const $indexOfCP = indexOf('$indexOfCP', (source, sought, from, to) => {
  const units = [...source]
  if (from > to || from > units.length) return -1
  const part = units.slice(from, to).join('')
  const at = part.indexOf(sought)
  return at < 0 ? -1 : from + [...part.slice(0, at)].length
})

const $indexOfBytes = indexOf('$indexOfBytes', (source, sought, from, to) => {
  const bytes = encoder.encode(source)
  if (from > to || from > bytes.length) return -1
  return Buffer.from(bytes.subarray(0, Math.min(to, bytes.length))).indexOf(Buffer.from(sought), from)
})

interface Match {
  match: string
  idx: number
  captures: (string | null)[]
}

const REGEX = { required: ['input', 'regex'], optional: ['options'], codes: [51103, 51022, 31024] as const }

function find(name: string, isAll: boolean, compute: (matches: Match[]) => unknown): ExpressionOperator {
  return onNamed(name, REGEX, ({ input, regex, options }) => {
    if (!isNil(input)) text(name, input, 51104)
    if (!isNil(regex) && typeof regex !== 'string' && !(regex instanceof RegExp))
      throw mismatch(name, 'a regular expression', 51105)
    if (!isNil(options)) text(name, options, 51106)
    if (regex instanceof RegExp && regex.flags !== '' && !isNil(options))
      throw mismatch(name, 'options in the pattern or beside it, not both', 51107)
    if (typeof input !== 'string' || isNil(regex)) return compute([])
    const pattern = safeRegExp(regex, typeof options === 'string' ? options : '')
    const matches: Match[] = []
    for (const match of input.matchAll(new RegExp(pattern, `${pattern.flags}g`))) {
      meter.tick()
      meter.charge(64 + match[0].length * 2)
      const captures = match.slice(1).map((capture: string | undefined) => capture ?? null)
      matches.push({ match: match[0], idx: [...input.slice(0, match.index)].length, captures })
      if (!isAll) break
    }
    return compute(matches)
  })
}

export const STRING_OPERATORS: Record<string, ExpressionOperator> = {
  $concat,
  $replaceAll: replace('$replaceAll', true, [51746, 51745, 51744]),
  $replaceOne: replace('$replaceOne', false, [51746, 51745, 51744]),
  $split,
  $trim: trim('$trim', true, true),
  $ltrim: trim('$ltrim', true, false),
  $rtrim: trim('$rtrim', false, true),
  $substrCP,
  $substrBytes,
  $substr: $substrBytes,
  $indexOfCP,
  $indexOfBytes,
  $strLenCP: onOne('$strLenCP', (value) => [...text('$strLenCP', value, 34471)].length),
  $strLenBytes: onOne('$strLenBytes', (value) => encoder.encode(text('$strLenBytes', value, 34473)).length),
  $toLower: onOne('$toLower', (value) => loose('$toLower', value).toLowerCase()),
  $toUpper: onOne('$toUpper', (value) => loose('$toUpper', value).toUpperCase()),
  $strcasecmp: onList('$strcasecmp', 2, 2, ([a, b]) =>
    compareStrings(loose('$strcasecmp', a).toUpperCase(), loose('$strcasecmp', b).toUpperCase()),
  ),
  $regexMatch: find('$regexMatch', false, (matches) => matches.length > 0),
  $regexFind: find('$regexFind', false, (matches) => matches[0] ?? null),
  $regexFindAll: find('$regexFindAll', true, (matches) => matches),
}
