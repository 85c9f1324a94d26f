import type { PGNode } from 'pgsql-ast-parser'
import { LyceumError } from '../../errors.ts'

/** Refuses a statement for what stands at one place of it: the end of a sentence that begins with "The statement". */
export type Refuse = (what: string) => never

export function refused(message: string): LyceumError {
  return new LyceumError('statement_refused', message)
}

/** How a statement is refused for a node: the message says where it stands. */
export function refuseAt(text: string, node: PGNode | undefined): Refuse {
  return (what) => {
    const start = node?._location?.start
    const place = start === undefined ? '' : `, at ${placeOf(text, start)}`
    throw refused(`The statement ${what}${place}.`)
  }
}

function placeOf(text: string, offset: number): string {
  const before = text.slice(0, offset).split('\n')
  return `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`
}

/** Refuses a node that holds more than what is printed of it: nothing an author wrote may be dropped in silence. */
export function checkKeys(node: object, refuse: Refuse, ...known: readonly string[]): void {
  for (const [key, value] of Object.entries(node)) {
    if (value === undefined || value === null || key === 'type' || key === '_location') continue
    if (!known.includes(key)) refuse(`has something that is not offered (${key})`)
  }
}
