import { MONGO, quote, refusal } from './refusal.ts'

/**
 * Makes patterns of guests safe to run. The store runs with V8's linear engine as the fallback for patterns that
 * backtrack too much, but that engine knows neither lookaround nor backreferences nor the flags i and u, and
 * repeats only up to 16 times, groups inside groups multiplied. So a pattern is rewritten to what it knows:
 * letters become classes where case is ignored, long repeats of one character are split; the rest is refused.
 */

const MAX_PATTERN_CHARS = 1_000
const MAX_REPEAT = 16
const MAX_REWRITTEN_CHARS = 20_000

function refuse(pattern: string, why: string): never {
  throw refusal('query_invalid', MONGO.Location51091, `The pattern ${quote(pattern)} is refused: ${why}.`)
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
    if (char === '[') this.#class()
    else if (char === '\\') this.#escape(false)
    else {
      this.#at++
      this.#out += this.#ignoreCase ? bothCases(char, false) : char
    }
    return 0
  }

  #copy(length: number): void {
    this.#out += this.#pattern.slice(this.#at, this.#at + length)
    this.#at += length
  }

  #escape(inClass: boolean): void {
    const rest = this.#pattern.slice(this.#at)
    if (/^\\([1-9]|k)/.test(rest)) refuse(this.#pattern, 'backreferences are not offered')
    if (/^\\[pPu]\{?/.test(rest) && !/^\\u[0-9a-fA-F]{4}/.test(rest))
      refuse(this.#pattern, 'unicode escapes in braces are not offered')
    const coded = /^\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4}))/.exec(rest)
    const char = String.fromCharCode(Number.parseInt(coded?.[1] ?? coded?.[2] ?? '0', 16))
    const cases = bothCases(char, inClass)
    // Only a letter may be written out: `\\x2a` has to stay a plain star.
    if (coded && this.#ignoreCase && cases !== char) {
      this.#at += coded[0].length
      this.#out += cases
    } else this.#copy(coded ? coded[0].length : 2)
  }

  #class(): void {
    const begin = this.#at
    this.#copy(this.#pattern[this.#at + 1] === '^' ? 2 : 1)
    while (this.#at < this.#pattern.length && this.#pattern[this.#at] !== ']') {
      const range = /^([A-Za-z])-([A-Za-z])/.exec(this.#pattern.slice(this.#at))
      if (range?.[1] !== undefined && range[2] !== undefined && this.#ignoreCase) {
        this.#out += range[0] + otherCaseOfRange(range[1], range[2])
        this.#at += 3
      } else if (this.#pattern[this.#at] === '\\') this.#escape(true)
      else {
        const char = this.#pattern.charAt(this.#at)
        const isBound = this.#pattern[this.#at + 1] === '-' || this.#pattern[this.#at - 1] === '-'
        this.#out += this.#ignoreCase && !isBound ? bothCases(char, true) : char
        this.#at++
      }
    }
    if (this.#at >= this.#pattern.length) refuse(this.#pattern.slice(begin), 'a class is not closed')
    this.#copy(1)
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

function bothCases(char: string, inClass: boolean): string {
  const lower = char.toLowerCase()
  const upper = char.toUpperCase()
  if (lower === upper || lower.length !== 1 || upper.length !== 1) return char
  return inClass ? lower + upper : `[${lower}${upper}]`
}

function otherCaseOfRange(from: string, to: string): string {
  const isLower = from >= 'a' && to >= 'a'
  const isUpper = from <= 'Z' && to <= 'Z'
  if (isLower) return `${from.toUpperCase()}-${to.toUpperCase()}`
  return isUpper ? `${from.toLowerCase()}-${to.toLowerCase()}` : 'A-Za-z'
}
