import { type ExpressionOperator, isNil, mismatch, onList, onOne, toNumber } from './operator-kit.ts'
import { MONGO, refusal } from './refusal.ts'
import { compareValues } from './values.ts'

function unary(name: string, compute: (n: number) => number): ExpressionOperator {
  return onOne((value) => (isNil(value) ? null : compute(toNumber(name, value))))
}

function binary(name: string, compute: (a: number, b: number) => number): ExpressionOperator {
  return onList((values) => {
    if (values.length !== 2) throw mismatch(name, 'two operands')
    const [a, b] = values
    return isNil(a) || isNil(b) ? null : compute(toNumber(name, a), toNumber(name, b))
  })
}

function divisible(name: string, compute: (a: number, b: number) => number): ExpressionOperator {
  return binary(name, (a, b) => {
    if (b === 0) throw refusal('query_invalid', MONGO.BadValue, `${name} cannot divide by zero.`)
    return compute(a, b)
  })
}

const $add = onList((values) => {
  let sum = 0
  let isDate = false
  for (const value of values) {
    if (isNil(value)) return null
    if (value instanceof Date && isDate) throw mismatch('$add', 'at most one date')
    isDate ||= value instanceof Date
    sum += value instanceof Date ? value.getTime() : toNumber('$add', value)
  }
  return isDate ? new Date(sum) : sum
})

const $subtract = onList((values) => {
  if (values.length !== 2) throw mismatch('$subtract', 'two operands')
  const [a, b] = values
  if (isNil(a) || isNil(b)) return null
  if (a instanceof Date)
    return b instanceof Date ? a.getTime() - b.getTime() : new Date(a.getTime() - toNumber('$subtract', b))
  return toNumber('$subtract', a) - toNumber('$subtract', b)
})

const $multiply = onList((values) => {
  let product = 1
  for (const value of values) {
    if (isNil(value)) return null
    product *= toNumber('$multiply', value)
  }
  return product
})

/** Half goes to the even neighbour, as MongoDB rounds; negative places round left of the point. */
function rounded(value: number, places: number): number {
  const scaled = shifted(value, places)
  if (!Number.isFinite(scaled)) return value
  const floor = Math.floor(scaled)
  const rest = scaled - floor
  const up = rest > 0.5 || (rest === 0.5 && floor % 2 !== 0)
  return shifted(up ? floor + 1 : floor, -places)
}

function shifted(value: number, places: number): number {
  const [digits, exponent] = String(value).split('e')
  return Number(`${digits}e${Number(exponent ?? 0) + places}`)
}

function toPlaces(name: string, compute: (value: number, places: number) => number): ExpressionOperator {
  return onList(([value, places]) => {
    if (isNil(value)) return null
    const count = isNil(places) ? 0 : toNumber(name, places)
    if (!Number.isInteger(count) || count < -20 || count > 100)
      throw mismatch(name, 'a number and whole places from -20 to 100')
    return compute(toNumber(name, value), count)
  })
}

/** The numbers of a list, or of the one array in it; what is no number is left out. */
function numbersOf(name: string, values: unknown[]): number[] {
  const [first] = values
  const items: unknown[] = values.length === 1 && Array.isArray(first) ? first : values
  return items
    .filter((item) => typeof item === 'object' || typeof item === 'number')
    .flatMap((item) => {
      return isNil(item) || item instanceof Date || Array.isArray(item) ? [] : [toNumber(name, item)]
    })
}

/** Variance over n (population) or n - 1 (sample), by Welford's method; null where there is none. */
export function standardDeviation(numbers: readonly number[], isSample: boolean): number | null {
  let mean = 0
  let squares = 0
  numbers.forEach((value, i) => {
    const delta = value - mean
    mean += delta / (i + 1)
    squares += delta * (value - mean)
  })
  const divisor = isSample ? numbers.length - 1 : numbers.length
  return divisor > 0 ? Math.sqrt(squares / divisor) : null
}

function extreme(sign: 1 | -1): ExpressionOperator {
  return onList((values) => {
    const [first] = values
    const items: unknown[] = values.length === 1 && Array.isArray(first) ? first : values
    let best: unknown = null
    for (const item of items)
      if (!isNil(item) && (best === null || compareValues(item, best) * sign > 0)) best = item
    return best
  })
}

function total(numbers: readonly number[]): number {
  let sum = 0
  for (const value of numbers) sum += value
  return sum
}

export const NUMBER_OPERATORS: Record<string, ExpressionOperator> = {
  $add,
  $subtract,
  $multiply,
  $divide: divisible('$divide', (a, b) => a / b),
  $mod: divisible('$mod', (a, b) => a % b),
  $pow: binary('$pow', (a, b) => a ** b),
  $log: binary('$log', (a, b) => Math.log(a) / Math.log(b)),
  $abs: unary('$abs', Math.abs),
  $ceil: unary('$ceil', Math.ceil),
  $floor: unary('$floor', Math.floor),
  $exp: unary('$exp', Math.exp),
  $ln: unary('$ln', Math.log),
  $log10: unary('$log10', Math.log10),
  $sqrt: unary('$sqrt', Math.sqrt),
  $round: toPlaces('$round', rounded),
  $trunc: toPlaces('$trunc', (value, places) => shifted(Math.trunc(shifted(value, places)), -places)),
  $sum: onList((values) => total(numbersOf('$sum', values))),
  $avg: onList((values) => {
    const numbers = numbersOf('$avg', values)
    return numbers.length === 0 ? null : total(numbers) / numbers.length
  }),
  $min: extreme(-1),
  $max: extreme(1),
  $stdDevPop: onList((values) => standardDeviation(numbersOf('$stdDevPop', values), false)),
  $stdDevSamp: onList((values) => standardDeviation(numbersOf('$stdDevSamp', values), true)),
}
