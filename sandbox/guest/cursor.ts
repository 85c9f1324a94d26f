import { decode } from '@lyceum/sdk/ejson'
import { OpError } from './bridge.ts'

/**
 * How a cursor reaches documents, be they the plugin's own or another's that it may read. Requests and rows are
 * EJSON; a page is the cursor's number, or 0 after the last, and behind a newline its rows.
 */
export interface Source {
  /** All rows at once. */
  read(request: string): Promise<string>
  /** The first page. */
  open(request: string): Promise<string>
  /** The next page of an open cursor. */
  more(cursor: string): Promise<string>
  /** Lets go of a cursor that was not read to its end. */
  close(cursor: string): void
}

const EXHAUSTED = '0'

/** A cursor in the shape of the MongoDB driver. It asks when it is first read, and then page by page. */
export class Cursor<Row> {
  readonly #source: Source
  readonly #request: () => string
  #rows: readonly Row[] = []
  #at = 0
  /** Undefined until the first page; {@link EXHAUSTED} once nothing more is to be asked for. */
  #cursor: string | undefined
  /** Those that ask at the same time get their rows one after the other. */
  #turn: Promise<unknown> | undefined

  /** @param request makes the read op; called when the cursor is first read */
  constructor(source: Source, request: () => string) {
    this.#source = source
    this.#request = request
  }

  /** True until the cursor is first read: it can still be shaped. */
  protected get isFresh(): boolean {
    return this.#cursor === undefined
  }

  /** All rows, or those that are left: in one round trip where nothing was read before. */
  toArray(): Promise<Row[]> {
    return this.#inTurn(async () => {
      if (this.#cursor === undefined) {
        this.#cursor = EXHAUSTED
        return decode(await this.#source.read(this.#request())) as Row[]
      }
      const all: Row[] = []
      while (await this.#fill()) while (this.#at < this.#rows.length) all[all.length] = this.#take()
      return all
    })
  }

  next(): Promise<Row | null> {
    return this.#inTurn(async () => ((await this.#fill()) ? this.#take() : null))
  }

  tryNext(): Promise<Row | null> {
    return this.next()
  }

  hasNext(): Promise<boolean> {
    return this.#inTurn(() => this.#fill())
  }

  async forEach(visit: (row: Row) => unknown): Promise<void> {
    for await (const row of this) if (visit(row) === false) return
  }

  /** Ends the cursor; what is read after that is nothing. */
  async close(): Promise<void> {
    const cursor = this.#cursor
    this.#cursor = EXHAUSTED
    this.#rows = []
    this.#at = 0
    if (cursor !== undefined && cursor !== EXHAUSTED) this.#source.close(cursor)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Row> {
    try {
      while (this.#at < this.#rows.length || (await this.hasNext())) yield this.#take()
    } finally {
      await this.close()
    }
  }

  /** Where a cursor is made into text, or leaves in an answer, it was not read. */
  toString(): string {
    throw new TypeError('A cursor was put into a text: await its .toArray(), and put in what that gives.')
  }

  toJSON(): unknown {
    throw new TypeError('A cursor is inside of what is returned or kept: await its .toArray() first.')
  }

  #take(): Row {
    return this.#rows[this.#at++] as Row
  }

  /** Asks for pages until there is a row to take; false where none is left. */
  async #fill(): Promise<boolean> {
    while (this.#at >= this.#rows.length) {
      if (this.#cursor === EXHAUSTED) return false
      const asked = this.#cursor
      // A failure ends it: the store keeps nothing after one.
      this.#cursor = EXHAUSTED
      const page = await (asked === undefined ? this.#source.open(this.#request()) : this.#source.more(asked))
      const end = page.indexOf('\n')
      this.#cursor = page.slice(0, end)
      this.#rows = decode(page.slice(end + 1)) as Row[]
      this.#at = 0
    }
    return true
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    // At once where nothing is under way: what the host refuses is then refused where it was called.
    const result = this.#turn === undefined ? work() : this.#turn.then(work)
    const ended = () => {
      if (this.#turn === turn) this.#turn = undefined
    }
    const turn: Promise<unknown> = result.then(ended, ended)
    this.#turn = turn
    return result
  }
}

/** How a find is shaped before it is read. */
export interface FindOptions {
  projection?: unknown
  sort?: unknown
  skip?: number
  limit?: number
}

/** The cursor of a find, which can still be shaped until it is read. */
export class FindCursor extends Cursor<unknown> {
  readonly #options: FindOptions

  /** @param options shared with `request`, which reads it when the cursor is first read */
  constructor(source: Source, options: FindOptions, request: () => string) {
    super(source, request)
    this.#options = options
  }

  sort(sort: unknown, direction: 1 | -1 = 1): this {
    if (typeof sort !== 'string') return this.#shape({ sort })
    if (/^[-+]|\s/.test(sort))
      throw new TypeError(
        `sort('${sort}') would sort by a field of that name. Write sort({ ${orderOf(sort)} }).`,
      )
    return this.#shape({ sort: { [sort]: direction } })
  }

  limit(limit: number): this {
    return this.#shape({ limit })
  }

  skip(skip: number): this {
    return this.#shape({ skip })
  }

  project(projection: unknown): this {
    return this.#shape({ projection })
  }

  #shape(change: FindOptions): this {
    if (!this.isFresh)
      throw new OpError({ code: 'query_invalid', message: 'A cursor is shaped before it is first read.' })
    Object.assign(this.#options, change)
    return this
  }
}

/** What Mongoose writes as `-n name`, as an object has it: `n: -1, name: 1`. */
function orderOf(words: string): string {
  return words
    .trim()
    .split(/\s+/)
    .map((word) => [word.replace(/^[-+]/, ''), word.startsWith('-') ? -1 : 1] as const)
    .map(([field, direction]) => `${/^\w+$/.test(field) ? field : `'${field}'`}: ${direction}`)
    .join(', ')
}
