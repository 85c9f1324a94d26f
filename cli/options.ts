import { InvalidArgumentError } from 'commander'
import { UsageError } from './exit-codes.ts'

/** Reads an option that may be given several times. */
export function collected(value: string, before: readonly string[] = []): string[] {
  return [...before, value]
}

/** Reads a whole number of an option. */
export function wholeNumber(most = Number.MAX_SAFE_INTEGER): (value: string) => number {
  return (value) => {
    const number = Number(value)
    if (/^\d{1,16}$/.test(value) && number >= 1 && number <= most) return number
    throw new InvalidArgumentError(
      most === Number.MAX_SAFE_INTEGER
        ? 'It must be a whole number from 1.'
        : `It must be a whole number from 1 to ${most}.`,
    )
  }
}

/** Reads words of the form `name=value`. @throws UsageError also where a name is there twice: which is meant? */
export function assignments(words: readonly string[]): Map<string, string> {
  const read = new Map<string, string>()
  for (const word of words) {
    const [, name, value] = /^([^=]+)=(.*)$/s.exec(word) ?? []
    if (name === undefined || value === undefined)
      throw new UsageError(`"${word}" is not a parameter. Write it as name=value, such as limit=10.`)
    if (read.has(name)) throw new UsageError(`${name} is there twice. Give it once.`)
    read.set(name, value)
  }
  return read
}
