import { MONGO, quote, refusal } from './refusal.ts'

/**
 * Makes patterns of guests safe to run. The store runs with V8's linear engine as the fallback for patterns that
 * backtrack too much, but that engine knows neither lookaround nor backreferences nor the flags i and u, and
 * repeats only up to 16 times, groups inside groups multiplied. So a pattern is rewritten to what it knows:
 * letters become classes where case is ignored, long repeats of one character are split; the rest is refused.
 */

const MAX_PATTERN_CHARS = 1_000
const MAX_REPEAT = 16
const MAX_FOLDED_RANGE = 512
const MAX_REWRITTEN_CHARS = 20_000

function refuse(pattern: string, why: string): never {
  throw refusal(
    'query_invalid',
    MONGO.Location51091,
    `The pattern ${quote(pattern)} is refused: ${why}. Write it without, or choose among the rows in the handler.`,
  )
}

/** A regular expression that ends on any input, in time linear in its length. Options are of `i m s`. */
export function safeRegExp(source: string | RegExp, options = ''): RegExp {
  const pattern = typeof source === 'string' ? source : source.source
  const flags = typeof source === 'string' ? options : options || source.flags
  if (pattern.length > MAX_PATTERN_CHARS) refuse(pattern, `it has more than ${MAX_PATTERN_CHARS} characters`)
  for (const flag of flags)
    if (!'ims'.includes(flag)) refuse(pattern, `its option ${quote(flag)} is not offered; i, m and s are`)
  const rewritten = new Rewriter(pattern, flags.includes('i')).run()
  try {
    return new RegExp(rewritten, [...new Set(flags)].filter((flag) => flag !== 'i').join(''))
  } catch {
    return refuse(pattern, 'it is not a valid regular expression')
  }
}

class Rewriter {
  readonly #pattern: string
  readonly #ignoreCase: boolean
  #at = 0
  #out = ''

  constructor(pattern: string, ignoreCase: boolean) {
    this.#pattern = pattern
    this.#ignoreCase = ignoreCase
  }

  run(): string {
    this.#alternatives(0)
    if (this.#at < this.#pattern.length) refuse(this.#pattern, 'a parenthesis is not opened')
    return this.#out
  }

  /** Reads up to the end or a closing parenthesis; answers how often the inside may repeat, multiplied. */
  #alternatives(depth: number): number {
    if (depth > 20) refuse(this.#pattern, 'its groups are nested too deeply')
    let replication = 1
    while (this.#at < this.#pattern.length && this.#pattern[this.#at] !== ')') {
      const start = this.#out.length
      const inside = this.#atom(depth)
      replication = Math.max(replication, this.#quantifier(start, inside))
      if (this.#out.length > MAX_REWRITTEN_CHARS) refuse(this.#pattern, 'it repeats too much')
    }
    return replication
  }

  /** Copies one atom; answers 0 for one that cannot hold repeats, else the replication inside of a group. */
  #atom(depth: number): number {
    const char = this.#pattern.charAt(this.#at)
    if (char === '(') {
      const head = /^\((?:\?(?::|<[A-Za-z_]\w*>))?/.exec(this.#pattern.slice(this.#at))?.[0] ?? '('
      this.#copy(head.length)
      if (this.#pattern[this.#at] === '?')
        refuse(this.#pattern, 'lookaround and group options are not offered')
      const inside = this.#alternatives(depth + 1)
      if (this.#pattern[this.#at] !== ')') refuse(this.#pattern, 'a parenthesis is not closed')
      this.#copy(1)
      return inside
    }
    if (char === '[') {
      this.#class()
      return 0
    }
    const start = this.#out.length
    let letter: string | undefined = char
    if (char === '\\') letter = this.#escape()
    else this.#copy(1)
    // Only a letter is written anew: `\x2a` has to stay a plain star.
    const both = this.#ignoreCase && letter !== undefined ? cases(letter) : []
    if (both.length > 1) this.#out = `${this.#out.slice(0, start)}[${both.join('')}]`
    return 0
  }

  #copy(length: number): void {
    this.#out += this.#pattern.slice(this.#at, this.#at + length)
    this.#at += length
  }

  /** Copies an escape; answers the character that it writes, where it writes one by its number. */
  #escape(): string | undefined {
    const rest = this.#pattern.slice(this.#at)
    if (/^\\([1-9]|k)/.test(rest)) refuse(this.#pattern, 'backreferences are not offered')
    const coded = /^\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4}))/.exec(rest)
    if (!coded && /^\\[pPu]/.test(rest)) refuse(this.#pattern, 'unicode escapes in braces are not offered')
    this.#copy(coded ? coded[0].length : 2)
    if (coded) return String.fromCharCode(Number.parseInt(coded[1] ?? coded[2] ?? '', 16))
    return undefined
  }

  #class(): void {
    this.#copy(this.#pattern[this.#at + 1] === '^' ? 2 : 1)
    while (this.#at < this.#pattern.length && this.#pattern[this.#at] !== ']') {
      const from = this.#classItem()
      const isRange =
        this.#pattern[this.#at] === '-' && !/^-?\]?$/.test(this.#pattern.slice(this.#at, this.#at + 2))
      let to = from
      if (isRange) {
        this.#copy(1)
        to = this.#classItem()
      }
      if (!this.#ignoreCase) continue
      if (from !== undefined && to !== undefined) this.#out += this.#otherCases(from, to)
      else for (const one of [from, to]) if (one !== undefined) this.#out += this.#otherCases(one, one)
    }
    if (this.#at >= this.#pattern.length) refuse(this.#pattern, 'a class is not closed')
    this.#copy(1)
  }

  /** Copies one character of a class, answering it; undefined for an escape such as `\d`. */
  #classItem(): string | undefined {
    if (this.#pattern[this.#at] === '\\') return this.#escape()
    this.#copy(1)
    return this.#pattern[this.#at - 1]
  }

  /** The letters to add to a class so that it holds a range in both cases. */
  #otherCases(from: string, to: string): string {
    const first = from.charCodeAt(0)
    const last = to.charCodeAt(0)
    if (last - first > MAX_FOLDED_RANGE) refuse(this.#pattern, 'a range is too wide to ignore case in')
    let others = ''
    for (let code = first; code <= last; code++) {
      const char = String.fromCharCode(code)
      for (const other of cases(char)) if (other !== char) others += other
    }
    return others
  }

  /** Copies a quantifier, split where one character repeats often; answers the replication with it. */
  #quantifier(start: number, inside: number): number {
    const match = /^(?:[*+?]|\{(\d{1,4})(?:(,)(\d{0,4}))?\})\??/.exec(this.#pattern.slice(this.#at))
    if (!match) return Math.max(1, inside)
    this.#at += match[0].length
    if (match[1] === undefined) {
      this.#out += match[0]
      return Math.max(1, inside)
    }
    const least = Number(match[1])
    const most = match[2] === undefined ? least : match[3] ? Number(match[3]) : Number.POSITIVE_INFINITY
    if (most < least || least > 1_000 || (most !== Number.POSITIVE_INFINITY && most > 1_000))
      refuse(this.#pattern, 'its counts are out of order or over 1000')
    const lazy = match[0].endsWith('?') ? '?' : ''
    const copies = Math.max(least, most === Number.POSITIVE_INFINITY ? least : most)
    if (inside > 0) {
      if (copies * inside > MAX_REPEAT)
        refuse(
          this.#pattern,
          `a group repeats more than ${MAX_REPEAT} times; repeat single characters instead`,
        )
      this.#out += match[0]
      return Math.max(1, copies * inside)
    }
    this.#split(start, least, most, lazy)
    return Math.max(1, Math.min(copies, MAX_REPEAT))
  }

  #split(start: number, least: number, most: number, lazy: string): void {
    const atom = this.#out.slice(start)
    let out = ''
    for (let left = least; left > 0; left -= MAX_REPEAT) out += `${atom}{${Math.min(left, MAX_REPEAT)}}`
    if (most === Number.POSITIVE_INFINITY) out += `${atom}*${lazy}`
    else
      for (let left = most - least; left > 0; left -= MAX_REPEAT)
        out += `${atom}{0,${Math.min(left, MAX_REPEAT)}}${lazy}`
    this.#out = this.#out.slice(0, start) + (out || `${atom}{0}`)
  }
}

/** A letter in its cases; any other character, or one whose other case is no single character, alone. */
function cases(char: string): string[] {
  const both = [char.toLowerCase(), char.toUpperCase()]
  return both[0] !== both[1] && both.every((one) => one.length === 1) ? both : [char]
}
