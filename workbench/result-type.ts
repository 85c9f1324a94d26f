const DEPTH = 8
/** An object of more keys than a record has, or of other keys than fields have, is a table of something. */
const FIELDS = 25
const LONGEST = 2_000

/** What was seen at one place of the values. */
interface Shape {
  readonly scalars: Set<string>
  /** What the lists here hold, all of them together. */
  items?: Shape
  objects: number
  readonly fields: Map<string, Shape & { seen: number }>
}

/**
 * The type of a query's result, as a sample shows it: fields that some rows lack may be missing.
 *
 * @param dates what a time in the text of a sample is where the result arrives: a program outside gets texts, another
 *   plugin may get the `Date` that it was
 * @returns a type's text; `unknown` where the sample shows none that is worth writing
 */
export function resultType(sample: unknown, dates: 'string' | 'Date | string'): string {
  if (sample === undefined || sample === null) return 'unknown'
  const shape = newShape()
  look(shape, sample, DEPTH)
  const text = textOf(shape, dates)
  return text.length > LONGEST ? 'unknown' : text
}

function newShape(): Shape {
  return { scalars: new Set(), objects: 0, fields: new Map() }
}

function look(shape: Shape, value: unknown, depth: number): void {
  if (typeof value !== 'object') shape.scalars.add(scalarOf(value))
  else if (value === null) shape.scalars.add('null')
  else if (depth === 0) shape.scalars.add('unknown')
  else if (Array.isArray(value)) {
    shape.items ??= newShape()
    for (const item of value) look(shape.items, item, depth - 1)
  } else {
    shape.objects++
    for (const [key, inside] of Object.entries(value)) {
      const field = shape.fields.get(key) ?? { ...newShape(), seen: 0 }
      shape.fields.set(key, field)
      field.seen++
      look(field, inside, depth - 1)
    }
  }
}

function scalarOf(value: unknown): string {
  const isTime = typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(value)
  return isTime ? 'time' : typeof value
}

function textOf(shape: Shape, dates: string): string {
  const { scalars, items, objects } = shape
  if (scalars.has('unknown')) return 'unknown'
  const parts = [...scalars].map((scalar) => (scalar === 'time' ? dates : scalar))
  if (items !== undefined) parts.push(listOf(textOf(items, dates)))
  if (objects > 0) parts.push(objectOf(shape, dates))
  const words = new Set(parts.flatMap((part) => (part === dates ? part.split(' | ') : [part])))
  return words.size === 0 ? 'unknown' : [...words].sort().join(' | ')
}

function listOf(item: string): string {
  return /^(?:\w+|\{[^|]*\})$/.test(item) ? `${item}[]` : `(${item})[]`
}

function objectOf({ fields, objects }: Shape, dates: string): string {
  if (fields.size === 0) return 'object'
  const isRecord = fields.size <= FIELDS && [...fields.keys()].every((key) => /^[A-Za-z_]\w{0,63}$/.test(key))
  if (isRecord) {
    const members = [...fields].map(
      ([key, field]) => `${key}${field.seen < objects ? '?' : ''}: ${textOf(field, dates)}`,
    )
    return `{ ${members.join('; ')} }`
  }
  const values = new Set([...fields.values()].map((field) => textOf(field, dates)))
  return `{ [key: string]: ${values.has('unknown') ? 'unknown' : [...values].sort().join(' | ')} }`
}
