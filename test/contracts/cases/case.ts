import { Binary, Decimal128, Long, ObjectId } from '../../../sdk/ejson.ts'

export type Doc = Readonly<Record<string, unknown>>

/** What a case does with its documents, which are in the collection `things`. */
export type Run =
  /** Computes an expression on the one document. */
  | { readonly expression: unknown }
  | { readonly find: Doc; readonly options?: Doc }
  | { readonly aggregate: readonly Doc[] }
  /** Changes the documents; what is looked at is what they then are. */
  | {
      readonly update: readonly [filter: Doc, update: Doc | readonly Doc[], options?: Doc]
      readonly many?: boolean
    }

/** Some behaviour of one operator, from MongoDB's documented behaviour. */
export interface Case {
  readonly operator: string
  readonly name: string
  /** The documents of `things`; those of a case of expressions are {@link DOC}. */
  readonly given?: readonly Doc[]
  /** The documents of other collections. */
  readonly others?: Readonly<Record<string, readonly Doc[]>>
  readonly run: Run
  /** The value, or the documents, or {@link Refused}. */
  readonly expect: unknown
  /** True for what is no everyday use: missing values, other types, bounds. */
  readonly isEdge: boolean
  /** What a server has to have beside the operator itself: a word of `lacks/`. */
  readonly needs?: string
}

/** It is refused, with MongoDB's number where that is documented. */
export class Refused {
  readonly mongoCode: number | undefined
  readonly code: string
  constructor(mongoCode?: number, code = 'query_invalid') {
    this.mongoCode = mongoCode
    this.code = code
  }
}

/** A list whose order is not promised. */
export class AnyOrder {
  readonly items: readonly unknown[]
  constructor(...items: readonly unknown[]) {
    this.items = items
  }
}

export const ID = new ObjectId('65f2c3a4b5c6d7e8f9a0b1c2')
export const DAY = new Date('2026-03-29T10:20:30.456Z')
export const NIGHT = new Date('2026-11-23T02:30:00Z')

/** What expressions are computed on. */
export const DOC = {
  _id: 1,
  n: 7,
  x: -2.5,
  s: 'Text',
  nil: null,
  yes: true,
  a: [3, 1, 2],
  none: [],
  words: ['b', 'a', 'b'],
  docs: [
    { k: 'x', v: 1 },
    { k: 'y', v: 2 },
  ],
  o: { p: 1, q: { r: 2 } },
  d: DAY,
  night: NIGHT,
  big: new Long('9007199254740993'),
  dec: new Decimal128('1.50'),
  bytes: new Binary(Uint8Array.of(1, 2, 3)),
  id: ID,
} satisfies Doc

/** What a case of expressions says: the operator, in words, the expression and its value. */
export type Row = readonly [operator: string, name: string, expression: unknown, expect: unknown]

const caseOf = (isEdge: boolean) => {
  return ([operator, name, expression, expect]: Row): Case => ({
    operator,
    name,
    run: { expression },
    expect,
    isEdge: isEdge || expect instanceof Refused,
  })
}

/** Cases of expressions; the second list holds those that are no everyday use. */
export function expressions(everyday: readonly Row[], edges: readonly Row[]): readonly Case[] {
  return [...everyday.map(caseOf(false)), ...edges.map(caseOf(true))]
}

export function refusal(mongoCode?: number, code?: string): Refused {
  return new Refused(mongoCode, code)
}
