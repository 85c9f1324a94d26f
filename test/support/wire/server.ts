import { createServer, type Server, type Socket } from 'node:net'
import { aggregate, Query, update } from 'mingo'
import { BSON } from 'mongodb'
import { type Doc, onRequests } from './messages.ts'
import { Documents, Refusal } from './transactions.ts'

/** What becomes of a command instead of its answer. */
export type Fate =
  /** It is carried out, and the connection breaks before the answer. */
  | 'carried out, answer lost'
  /** It is not carried out, and the connection breaks. */
  | 'lost'
  | Refusal

/**
 * A server of our own for what no server has that the registries of packages offer: transactions over MongoDB's wire.
 * It knows just the commands that the store sends, and is no proof of how MongoDB behaves; what it proves is what
 * the store sends, and what it makes of conflicts and lost answers.
 */
export class TransactionServer {
  /** Every command that came, oldest first. */
  readonly commands: Doc[] = []
  /** What becomes of a command; undefined for its answer. */
  fateOf: (command: Doc, name: string) => Fate | undefined = () => undefined
  /** What a command waits for before it is carried out. */
  delay: (command: Doc, name: string) => Promise<void> | undefined = () => undefined
  readonly #databases = new Map<string, Documents>()
  readonly #sockets = new Set<Socket>()
  readonly #server: Server
  readonly #hello: Doc

  /** @param hasTransactions else it is no replica set */
  constructor(hasTransactions = true) {
    this.#hello = hasTransactions ? HELLO : { ...HELLO, setName: undefined }
    this.#server = createServer((socket) => {
      this.#sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => this.#sockets.delete(socket))
      onRequests(socket, ({ command, answer }) => {
        this.commands.push(command)
        const delay = this.delay(command, Object.keys(command)[0] ?? '')
        if (delay === undefined) this.#meet(command, socket, answer)
        else void delay.then(() => this.#meet(command, socket, answer))
      })
    })
  }

  #meet(command: Doc, socket: Socket, answer: (reply: Doc) => void): void {
    const name = Object.keys(command)[0] ?? ''
    const fate = this.fateOf(command, name)
    if (fate === 'lost') {
      socket.destroy()
    } else if (fate instanceof Refusal) {
      // A server that refuses a part of a transaction has given up all of it.
      const transaction = transactionOf(command)
      for (const database of this.#databases.values())
        if (transaction !== undefined) database.rollBack(transaction)
      answer(fate.reply)
    } else {
      const isHello = name.toLowerCase() === 'ismaster' || name === 'hello'
      const reply = isHello ? { ok: 1, ...this.#hello } : this.#carryOut(name, command)
      if (fate === undefined) answer(reply)
      else socket.destroy()
    }
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    const address = this.#server.address()
    if (typeof address !== 'object' || address === null) throw new Error('no port')
    return `mongodb://127.0.0.1:${address.port}/?directConnection=true`
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  database(name: string): Documents {
    const known = this.#databases.get(name)
    if (known !== undefined) return known
    const made = new Documents()
    this.#databases.set(name, made)
    return made
  }

  /** Names of commands since some time, of one database. */
  named(since: number, database: string): string[] {
    return this.commands
      .slice(since)
      .filter((command) => command.$db === database || 'commitTransaction' in command)
      .map((command) => Object.keys(command)[0] ?? '')
  }

  #carryOut(name: string, command: Doc): Doc {
    try {
      const database = this.database(String(command.$db))
      if (name === 'commitTransaction' || name === 'abortTransaction') return this.#end(name, command)
      const transaction = transactionOf(command)
      if (transaction !== undefined) {
        if (command.startTransaction === true) database.begin(transaction)
        else database.require(transaction)
      }
      return { ok: 1, ...run(name, command, database, transaction) }
    } catch (error) {
      if (error instanceof Refusal) return error.reply
      throw error
    }
  }

  /** The end of a transaction is told to the server, not to the database that it was in. */
  #end(name: string, command: Doc): Doc {
    const transaction = transactionOf(command) ?? ''
    const found = [...this.#databases.values()].find((database) => database.knows(transaction))
    if (found === undefined) throw new Refusal(251, 'NoSuchTransaction', ['TransientTransactionError'])
    if (name === 'commitTransaction') found.commit(transaction)
    else found.rollBack(transaction)
    return { ok: 1 }
  }
}

/** A transaction by its session and its number in that; undefined where a command is of none. */
function transactionOf(command: Doc): string | undefined {
  if (command.autocommit !== false) return undefined
  return BSON.EJSON.stringify({ lsid: command.lsid, number: command.txnNumber })
}

const HELLO = {
  isWritablePrimary: true,
  ismaster: true,
  helloOk: true,
  setName: 'ours',
  hosts: [],
  maxBsonObjectSize: 16_777_216,
  maxMessageSizeBytes: 48_000_000,
  maxWriteBatchSize: 100_000,
  logicalSessionTimeoutMinutes: 30,
  minWireVersion: 0,
  maxWireVersion: 21,
  readOnly: false,
}

function run(name: string, command: Doc, db: Documents, transaction: string | undefined): Doc {
  const collection = String(command[name])
  const rows = (filter: unknown) => {
    const query = new Query(Object(filter ?? {}))
    return db.all(collection, transaction).filter((doc) => query.test(doc))
  }
  switch (name) {
    case 'buildInfo':
      return { version: '7.0.0' }
    case 'dbStats':
      return { dataSize: 0, indexSize: 0 }
    case 'create':
      db.create(collection)
      return {}
    case 'listCollections':
      return cursor(db.names.map((each) => ({ name: each, type: 'collection' })))
    case 'listIndexes':
      return cursor([])
    case 'find': {
      const query = new Query(Object(command.filter ?? {})).find<Doc>(db.all(collection, transaction))
      if (isDoc(command.sort)) query.sort(command.sort as Record<string, 1 | -1>)
      const found = query.all()
      return cursor(Number(command.limit ?? 0) > 0 ? found.slice(0, Number(command.limit)) : found)
    }
    case 'aggregate':
      return cursor(aggregate(rows({}), command.pipeline as Doc[], {}) as Doc[])
    case 'insert':
      return write(command.documents, (doc) => {
        if (rows({ _id: doc._id }).length > 0) return duplicate(doc._id)
        db.put(collection, doc._id, doc, transaction)
        return { n: 1 }
      })
    case 'delete':
      return write(command.deletes, ({ q, limit }) => {
        const found = limit === 1 ? rows(q).slice(0, 1) : rows(q)
        for (const doc of found) db.put(collection, doc._id, undefined, transaction)
        return { n: found.length }
      })
    case 'update':
      return write(command.updates, ({ q, u, multi, upsert }) => {
        const found = multi === true ? rows(q) : rows(q).slice(0, 1)
        for (const doc of found) db.put(collection, doc._id, changed(doc, u, false), transaction)
        if (found.length > 0 || upsert !== true) return { n: found.length, nModified: found.length }
        const made = changed(seedOf(q), u, true)
        db.put(collection, made._id, made, transaction)
        return { n: 1, upserted: made._id }
      })
    case 'findAndModify': {
      const [found] = rows(command.query)
      if (found === undefined && command.upsert !== true) return { value: null }
      const made = changed(found ?? seedOf(command.query), command.update, found === undefined)
      db.put(collection, made._id, made, transaction)
      return { value: command.new === true ? made : (found ?? null) }
    }
    default:
      return {}
  }
}

function cursor(firstBatch: readonly Doc[]): Doc {
  return { cursor: { id: BSON.Long.ZERO, ns: 'ours.rows', firstBatch } }
}

interface Written {
  readonly n: number
  readonly nModified?: number
  readonly upserted?: unknown
  readonly refused?: Doc
}

function write(statements: unknown, one: (statement: Doc) => Written): Doc {
  const reply = { n: 0, nModified: 0 }
  const upserted: Doc[] = []
  for (const [index, statement] of (statements as Doc[]).entries()) {
    const { n, nModified = 0, refused, upserted: _id } = one(statement)
    if (refused !== undefined) return { ...reply, writeErrors: [{ index, ...refused }] }
    reply.n += n
    reply.nModified += nModified
    if (_id !== undefined) upserted.push({ index, _id })
  }
  return { ...reply, ...(upserted.length > 0 && { upserted }) }
}

function duplicate(id: unknown): Written {
  return {
    n: 0,
    refused: { code: 11_000, errmsg: `E11000 duplicate key ${String(id)}`, keyPattern: { _id: 1 } },
  }
}

/** What an upsert begins with: the fields of its filter that are to be equal to something. */
function seedOf(filter: unknown): Doc {
  const equal = (value: unknown) => (isDoc(value) && '$eq' in value ? value.$eq : value)
  return Object.fromEntries(Object.entries(Object(filter)).map(([key, value]) => [key, equal(value)]))
}

function changed(doc: Doc, change: unknown, isInsert: boolean): Doc {
  const copy = { ...doc }
  const { $setOnInsert, ...operators } = Object(change) as { $setOnInsert?: Doc }
  if (!Object.keys(Object(change)).some((key) => key.startsWith('$')))
    return { _id: doc._id, ...Object(change) }
  if (Object.keys(operators).length > 0) update(copy, operators)
  return isInsert ? { ...copy, ...$setOnInsert } : copy
}

function isDoc(value: unknown): value is Doc {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}
