import { DatabaseSync } from 'node:sqlite'
import { isDeepStrictEqual } from 'node:util'

/** An event as the log has it. */
export interface Row {
  readonly seq: number
  readonly type: string
  /** Its number in the soak. */
  readonly n: number
  /** What it is about. */
  readonly event: Readonly<Record<string, string | number | undefined>>
  readonly props: Readonly<Record<string, string | undefined>>
  /** The whole of it. */
  readonly text: string
}

export type Doc = Readonly<Record<string, unknown>>

/** The whole log, in order. */
export function fromLog(path: string): Row[] {
  const log = new DatabaseSync(path, { readOnly: true })
  const rows = log.prepare('SELECT seq, text FROM events ORDER BY seq').all()
  log.close()
  return rows.map(({ seq, text }) => {
    const { event, props } = JSON.parse(String(text))
    return { seq: Number(seq), type: props.type, n: event.n, event, props, text: String(text) }
  })
}

/** What one plugin's file holds. */
export class Kept {
  readonly #file: DatabaseSync

  constructor(file: DatabaseSync) {
    this.#file = file
  }

  /** The documents of a collection, by id. */
  documents(collection: string): Map<unknown, Doc> {
    const row = this.#file.prepare('SELECT number FROM collections WHERE name = ?').get(collection)
    if (row === undefined) return new Map()
    const docs = this.#file.prepare(`SELECT doc FROM c${row.number}`).all()
    return new Map(docs.map(({ doc }) => JSON.parse(String(doc))).map((doc: Doc) => [doc._id, doc]))
  }

  /** How a collection differs from what it should hold. */
  differences(collection: string, expected: ReadonlyMap<unknown, Doc>): string[] {
    const found = this.documents(collection)
    const ids = new Set([...found.keys(), ...expected.keys()])
    return [...ids]
      .filter((id) => !isDeepStrictEqual(found.get(id), expected.get(id)))
      .map((id) => `has ${JSON.stringify(found.get(id))}, should have ${JSON.stringify(expected.get(id))}`)
  }

  cursors(): Map<string, number> {
    const rows = this.#file.prepare('SELECT id, seq FROM lyceum_cursors').all()
    return new Map(rows.map(({ id, seq }) => [String(id), Number(seq)]))
  }

  letters(): { handler: string; seq: number; code: string; message: string }[] {
    const rows = this.#file.prepare('SELECT endpoint, seq, code, message FROM lyceum_dead_letters').all()
    return rows.map(({ endpoint, seq, code, message }) => ({
      handler: String(endpoint),
      seq: Number(seq),
      code: String(code),
      message: String(message),
    }))
  }

  /** Unique indexes that do not have one key for each document: those of a soak have a key in every document. */
  crookedIndexes(): string[] {
    const unique = this.#file.prepare('SELECT number, collection FROM indexes WHERE is_unique = 1').all()
    const count = (table: string) => Number(this.#file.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n)
    return unique
      .filter(({ number, collection }) => count(`u${number}`) !== count(`c${collection}`))
      .map(({ number }) => `the unique index ${number} does not have the keys of its documents`)
  }

  close(): void {
    this.#file.close()
  }
}
