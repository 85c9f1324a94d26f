/** A cursor in the shape of the MongoDB driver. It asks once, when it is first read. */
export class Cursor<Row> {
  readonly #load: () => Promise<Row[]>
  #rows: Promise<Row[]> | undefined
  #at = 0

  constructor(load: () => Promise<Row[]>) {
    this.#load = load
  }

  toArray(): Promise<Row[]> {
    this.#rows ??= this.#load()
    return this.#rows
  }

  async next(): Promise<Row | null> {
    return (await this.toArray())[this.#at++] ?? null
  }

  async hasNext(): Promise<boolean> {
    return this.#at < (await this.toArray()).length
  }

  async forEach(each: (row: Row) => void): Promise<void> {
    for (const row of await this.toArray()) each(row)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Row> {
    yield* await this.toArray()
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

  /** @param options shared with `load`, which reads it when the cursor is first read */
  constructor(options: FindOptions, load: () => Promise<unknown[]>) {
    super(load)
    this.#options = options
  }

  sort(sort: unknown, direction: 1 | -1 = 1): this {
    this.#options.sort = typeof sort === 'string' ? { [sort]: direction } : sort
    return this
  }

  limit(limit: number): this {
    this.#options.limit = limit
    return this
  }

  skip(skip: number): this {
    this.#options.skip = skip
    return this
  }

  project(projection: unknown): this {
    this.#options.projection = projection
    return this
  }
}
