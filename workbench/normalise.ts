const CHANGING: readonly (readonly [name: string, pattern: RegExp])[] = [
  // What is made at random, and what is signed with the key of a host that is gone tomorrow.
  ['file', /\/files\/\w+\/[\w.~%-]+/g],
  ['uuid', /\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g],
  ['id', /\b[0-9a-f]{24}\b/g],
]

/** How an id of the database is written: in a sample it has to be one still. */
const ID_CHARS = 24

/** The same in a form that is still what it was: a sample with its ids. */
export function withStableIds(json: string): string {
  return normalised(json, (name, number) =>
    name === 'id' ? String(number).padStart(ID_CHARS, '0') : `${name}-${number}`,
  )
}

/**
 * A result without what differs from run to run: ids that the database made, random UUIDs and addresses of files are
 * numbered in the order in which they appear, so that the same one stays the same.
 */
export function normalised(
  text: string,
  shown = (name: string, number: number) => `«${name} ${number}»`,
): string {
  let result = text
  for (const [name, pattern] of CHANGING) {
    const numbers = new Map<string, number>()
    result = result.replace(pattern, (found) => {
      const number = numbers.get(found) ?? numbers.size + 1
      numbers.set(found, number)
      return shown(name, number)
    })
  }
  return result
}
