import { createHmac } from 'node:crypto'
import { LyceumError } from '../../errors.ts'
import type {
  CollectionDeclaration,
  ConnectControl,
  OpenControl,
  Opened,
  ServerFacts,
} from '../store-protocol.ts'
import { PluginDatabase } from './database.ts'
import { clientFor, type Db, type Document, type MongoClient, MongoServerError, namesUser } from './driver.ts'
import { refusalFrom } from './server-error.ts'

/** Clients that are connected; each has connections and timers. Those used last stay. */
const MOST_CLIENTS = 64
/** The name of each plugin's user, in the plugin's own database. */
const USER = 'lyceum'
const COMMAND_NOT_FOUND = 59
const USER_EXISTS = 51_003
const FAILED_TO_PARSE = 9
const NOT_IN_TRANSACTIONS = 263
const ILLEGAL_OPERATION = 20

/** One plugin's database as it is open here. */
export interface OpenDatabase {
  readonly client: MongoClient
  readonly database: PluginDatabase
  /** Batches and cursors that use it; it stays connected for them. */
  uses: number
}

interface Known {
  readonly path: string
  readonly collections: readonly CollectionDeclaration[]
}

/** The server that keeps plugins' documents: its facts, its users, and the databases that are open. */
export class MongoServer {
  readonly facts: ServerFacts
  readonly #control: ConnectControl
  readonly #admin: MongoClient
  readonly #known = new Map<string, Known>()
  /** The one used last is the last. */
  readonly #open = new Map<string, Promise<OpenDatabase>>()

  private constructor(control: ConnectControl, admin: MongoClient, facts: ServerFacts) {
    this.#control = control
    this.#admin = admin
    this.facts = facts
  }

  /** @throws {LyceumError} database_unreachable, config_invalid */
  static async connect(control: ConnectControl): Promise<MongoServer> {
    const admin = clientFor(control.uri)
    try {
      return new MongoServer(control, admin, await factsOf(admin, control.uri))
    } catch (error) {
      await admin.close().catch(() => {})
      throw error
    }
  }

  /** A database for what opens nothing: it is looked into as the host. */
  glance(path: string): Db {
    return this.#admin.db(path)
  }

  /** Opens a database, and brings its indexes up to what is declared. */
  async open({ db, path, collections }: OpenControl): Promise<Opened> {
    const before = this.#open.get(db)
    if (before === undefined) {
      this.#known.set(db, { path, collections })
      return openedAs((await this.get(db)).database)
    }
    const { database } = await before
    await database.open(collections).catch(explain)
    this.#known.set(db, { path, collections })
    return openedAs(database)
  }

  /** @throws {LyceumError} store_lost where the database was not opened here, or why it could not be */
  get(db: string): Promise<OpenDatabase> {
    const known = this.#known.get(db)
    if (known === undefined)
      return Promise.reject(new LyceumError('store_lost', 'The database is not open in this store.'))
    const open = this.#open.get(db) ?? this.#connect(known)
    this.#open.delete(db)
    this.#open.set(db, open)
    // What could not be opened is tried again by whoever comes next.
    open.catch(() => {
      if (this.#open.get(db) === open) this.#open.delete(db)
    })
    void this.#closeSome(db)
    return open
  }

  /** Deletes a database and its user. */
  async drop(path: string): Promise<void> {
    const db = this.#admin.db(path)
    if (this.facts.users) await db.command({ dropUser: USER }).catch(unlessUnknown)
    await db.dropDatabase().catch(explain)
  }

  async close(db: string): Promise<void> {
    const open = this.#open.get(db)
    this.#known.delete(db)
    this.#open.delete(db)
    await open?.then(({ client }) => this.#letGo(client))
  }

  async #connect({ path, collections }: Known): Promise<OpenDatabase> {
    const client = await this.#clientOf(path)
    try {
      const database = new PluginDatabase(client.db(path), this.facts.transactions)
      await database.open(collections)
      return { client, database, uses: 0 }
    } catch (error) {
      await this.#letGo(client)
      return explain(error)
    }
  }

  /** A client of the plugin's own user, who may do nothing outside of the plugin's database. */
  async #clientOf(path: string): Promise<MongoClient> {
    if (!this.facts.users) return this.#admin
    const password = createHmac('sha256', Buffer.from(this.#control.secret, 'base64url'))
      .update(path)
      .digest('base64url')
    const about = { pwd: password, roles: this.facts.isFerretDb ? [] : [{ role: 'readWrite', db: path }] }
    const admin = this.#admin.db(path)
    try {
      await admin.command({ createUser: USER, ...about })
    } catch (error) {
      if (codeOf(error) !== USER_EXISTS) throw refusalFrom(error, 'store_lost')
      // The host's secret may be another one than when the user was made.
      await admin.command({ updateUser: USER, ...about }).catch((failed: unknown) => {
        throw refusalFrom(failed, 'store_lost')
      })
    }
    return clientFor(this.#control.uri, { user: USER, password, database: path })
  }

  async #letGo(client: MongoClient): Promise<void> {
    if (client !== this.#admin) await client.close().catch(() => {})
  }

  async #closeSome(used: string): Promise<void> {
    if (!this.facts.users || this.#open.size <= MOST_CLIENTS) return
    for (const [db, opening] of this.#open) {
      if (db === used) continue
      const open = await opening.catch(() => undefined)
      if (open === undefined || open.uses > 0 || this.#open.get(db) !== opening) continue
      this.#open.delete(db)
      await this.#letGo(open.client)
      return
    }
  }
}

function openedAs({ files }: PluginDatabase): Opened {
  return { keepsFiles: files.rows.isMade }
}

async function factsOf(admin: MongoClient, uri: string): Promise<ServerFacts> {
  const db = admin.db('admin')
  const ask = (command: Document) =>
    db.command(command).catch((error: unknown) => {
      throw unreachable(error)
    })
  const hello = await ask({ isMaster: 1 })
  const build = await ask({ buildInfo: 1 })
  const isSet = hello.setName !== undefined || hello.msg === 'isdbgrid'
  const users = namesUser(uri) && (await knowsUsers(admin))
  return {
    version: String(build.version),
    transactions: isSet && (await runsTransactions(admin)),
    users,
    isFerretDb: build.ferretdbVersion !== undefined,
  }
}

async function knowsUsers(admin: MongoClient): Promise<boolean> {
  try {
    await admin.db('admin').command({ usersInfo: USER })
    return true
  } catch (error) {
    if (codeOf(error) === COMMAND_NOT_FOUND) return false
    throw new LyceumError(
      'config_invalid',
      'The MongoDB account of LYCEUM_MONGODB_URI may not make users. Give it the roles userAdminAnyDatabase and readWriteAnyDatabase.',
      { setting: 'LYCEUM_MONGODB_URI' },
    )
  }
}

/** Tries one: what a server says of itself is not always so. */
async function runsTransactions(admin: MongoClient): Promise<boolean> {
  const session = admin.startSession()
  try {
    session.startTransaction({ readConcern: { level: 'snapshot' }, writeConcern: { w: 'majority' } })
    await admin.db('lyceum').collection<{ _id: number }>('lyceum:probe').findOne({ _id: 0 }, { session })
    await session.commitTransaction()
    return true
  } catch (error) {
    const code = codeOf(error)
    if (
      code === ILLEGAL_OPERATION ||
      code === NOT_IN_TRANSACTIONS ||
      code === FAILED_TO_PARSE ||
      code === COMMAND_NOT_FOUND
    )
      return false
    throw unreachable(error)
  } finally {
    await session.endSession()
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof MongoServerError ? error.code : undefined
}

/** Why a server of documents cannot be used. */
export function unreachable(error: unknown): LyceumError {
  const code = codeOf(error)
  if (code === 18 || code === 13)
    return new LyceumError(
      'config_invalid',
      'MongoDB refuses the user or the password of LYCEUM_MONGODB_URI.',
      { setting: 'LYCEUM_MONGODB_URI' },
    )
  const reason = error instanceof Error ? error.name : 'unknown'
  if (reason === 'MongoCompatibilityError')
    return new LyceumError(
      'database_unreachable',
      'This MongoDB is too old: 4.4 is the oldest that can be used.',
    )
  return new LyceumError(
    'database_unreachable',
    `MongoDB cannot be reached (${reason}). Look at LYCEUM_MONGODB_URI, and whether the server runs.`,
  )
}

const USER_NOT_FOUND = 11

function unlessUnknown(error: unknown): void {
  if (codeOf(error) !== USER_NOT_FOUND) explain(error)
}

function explain(error: unknown): never {
  throw refusalFrom(error, 'query_invalid')
}
