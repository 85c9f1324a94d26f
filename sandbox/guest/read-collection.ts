import { decode, encode, encodeFilter } from '@lyceum/sdk/ejson'
import { Cursor, FindCursor, type FindOptions, type Source } from './cursor.ts'

const { stringify } = JSON

const FIND_OPTIONS = ['projection', 'sort', 'skip', 'limit']

/** What is left out without a word comes back as a wrong result. */
function checkOptions(options: FindOptions): void {
  for (const name in options)
    if (!FIND_OPTIONS.includes(name))
      throw new TypeError(
        `find has no option "${name}": it has ${FIND_OPTIONS.join(', ')}. Which fields are wanted is written find(filter, { projection: { ${name}: 1 } }).`,
      )
}

/** A collection as whoever only reads has it, in the shape of the MongoDB driver. */
export class ReadCollection {
  readonly #source: Source
  /** As JSON text. */
  protected readonly name: string

  constructor(source: Source, name: string) {
    this.#source = source
    this.name = stringify(name)
  }

  find(filter: unknown = {}, options: FindOptions = {}): FindCursor {
    checkOptions(options)
    const shape = { ...options }
    return new FindCursor(this.#source, shape, () => this.#find(filter, shape))
  }

  async findOne(filter: unknown = {}, options: FindOptions = {}): Promise<unknown> {
    checkOptions(options)
    return (await this.#read(this.#find(filter, { ...options, limit: 1 })))[0] ?? null
  }

  aggregate(pipeline: unknown = []): Cursor<unknown> {
    return new Cursor(this.#source, () => this.#request('aggregate', { pipeline: encodeFilter(pipeline) }))
  }

  async countDocuments(filter: unknown = {}, options: FindOptions = {}): Promise<unknown> {
    const request = this.#request('countDocuments', {
      filter: encodeFilter(filter),
      skip: options.skip && encode(options.skip),
      limit: options.limit && encode(options.limit),
    })
    return (await this.#read(request))[0]
  }

  async estimatedDocumentCount(): Promise<unknown> {
    return (await this.#read(this.#request('estimatedDocumentCount', {})))[0]
  }

  async distinct(field: unknown, filter: unknown = {}): Promise<unknown[]> {
    return this.#read(this.#request('distinct', { field: encode(field), filter: encodeFilter(filter) }))
  }

  #find(filter: unknown, shape: FindOptions): string {
    return this.#request('find', {
      filter: encodeFilter(filter),
      projection: shape.projection && encode(shape.projection),
      sort: shape.sort && encode(shape.sort),
      skip: shape.skip && encode(shape.skip),
      limit: shape.limit && encode(shape.limit),
    })
  }

  #request(op: string, fields: Readonly<Record<string, unknown>>): string {
    let request = `{"op":"${op}","collection":${this.name}`
    for (const field of Object.keys(fields)) if (fields[field]) request += `,"${field}":${fields[field]}`
    return `${request}}`
  }

  async #read(request: string): Promise<unknown[]> {
    return decode(await this.#source.read(request)) as unknown[]
  }
}
