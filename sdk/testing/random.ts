/**
 * A small seeded generator of pseudo-random numbers (a chaotic counter of four 32-bit words).
 * The same seed gives the same sequence on every machine, which is why nothing in this folder
 * uses `Math.random`. Not for secrets.
 */
export class Random {
  #a: number
  #b: number
  #c: number
  #count = 1

  constructor(seed: string) {
    let hash = 0x811c9dc5
    for (let i = 0; i < seed.length; i++) hash = Math.imul(hash ^ seed.charCodeAt(i), 0x01000193)
    this.#a = hash
    this.#b = Math.imul(hash ^ 0x9e3779b9, 0x85ebca6b)
    this.#c = Math.imul(hash ^ 0x7f4a7c15, 0xc2b2ae35)
    // Seeds that differ in one character start close to each other; a few rounds drive them apart.
    for (let i = 0; i < 12; i++) this.word()
  }

  /** An integer from 0 to 2^32 - 1. */
  word(): number {
    const sum = (this.#a + this.#b + this.#count) | 0
    this.#count = (this.#count + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum >>> 0
  }

  /** A number from 0 up to, not including, 1. */
  float(): number {
    return this.word() / 0x1_0000_0000
  }

  between(low: number, high: number): number {
    return low + (high - low) * this.float()
  }

  /** An integer from 0 up to, not including, `count`. */
  below(count: number): number {
    return Math.floor(this.float() * count)
  }

  chance(probability: number): boolean {
    return this.float() < probability
  }

  /** One of the items; the list must not be empty. */
  pick<T>(items: readonly [T, ...T[]] | readonly T[]): T {
    const item = items[this.below(items.length)]
    if (item === undefined) throw new RangeError('There is nothing to pick from.')
    return item
  }

  /** An index into `weights`, each as likely as its weight. */
  weighted(weights: readonly number[]): number {
    let rest = this.float() * weights.reduce((sum, weight) => sum + weight, 0)
    for (let i = 0; i < weights.length; i++) {
      rest -= weights[i] ?? 0
      if (rest < 0) return i
    }
    return weights.length - 1
  }

  /** Normally distributed, mean 0 and standard deviation 1. */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.float())) * Math.cos(2 * Math.PI * this.float())
  }

  /** Seconds of thinking, reading, idling: mostly near the median, sometimes several times as long. */
  pause(medianSeconds: number): number {
    return medianSeconds * Math.exp(0.6 * this.normal())
  }

  /** Lower-case hexadecimal digits; `length` is a multiple of 8. */
  hex(length: number): string {
    let digits = ''
    while (digits.length < length) digits += this.word().toString(16).padStart(8, '0')
    return digits
  }
}

/** The probability that goes with log-odds. */
export function logistic(logit: number): number {
  return 1 / (1 + Math.exp(-logit))
}
