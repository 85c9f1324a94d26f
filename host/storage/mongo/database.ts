import { LyceumError } from '../../errors.ts'
import type { SeqRange } from '../../events/log-protocol.ts'
import { DEFAULT_DOCUMENT_LIMITS as DOCUMENT } from '../documents/limits.ts'
import { MONGO, refusal } from '../documents/refusal.ts'
import type {
  Claim,
  ClaimControl,
  Claimed,
  CollectionDeclaration,
  CollectionSurvey,
  DeadLetter,
  DeadLetterList,
  NewDeadLetter,
  Peeked,
  Survey,
} from '../store-protocol.ts'
import { type ClientSession, type Db, type Document, MongoServerError } from './driver.ts'
import { PluginFiles } from './files.ts'
import { declaredIndexes, declareIndexes } from './indexes.ts'
import { Room } from './room.ts'

/** Collections of ours: a plugin's own have no colon in their names, so it reaches none of these. */
const CURSORS = 'lyceum:cursors'
const DEAD_LETTERS = 'lyceum:dead_letters'
const NUMBERS = 'lyceum:numbers'

interface CursorRow {
  readonly _id: string
  readonly generation: number
  readonly version: number
  readonly epoch: number
  readonly log: string
  readonly seq: number
}

interface DeadLetterRow extends NewDeadLetter {
  readonly _id: number
}

interface NumberRow {
  readonly _id: string
  readonly last: number
}

/** Within a transaction its session, else how a write is made to last. */
export type Within = ClientSession | undefined
const LASTS = { writeConcern: { w: 'majority' } } as const
const within = (session: Within) => (session === undefined ? LASTS : { session })

/** One plugin's database on the server: its documents, and beside them its cursors and dead letters. */
export class PluginDatabase {
  readonly db: Db
  readonly room: Room
  readonly files: PluginFiles
  #collections = new Set<string>()

  constructor(db: Db, hasTransactions: boolean) {
    this.db = db
    this.room = new Room(db, () => this.files.contents.storedBytes())
    this.files = new PluginFiles(db, hasTransactions, this.room)
  }

  /** Makes the collections that every plugin has, and the indexes that its version declares. */
  async open(declared: readonly CollectionDeclaration[]): Promise<void> {
    const listed = await this.db.listCollections({}, { nameOnly: true }).toArray()
    const names = new Set(listed.map(({ name }) => name))
    this.files.open(names)
    // A transaction of an older server makes no collections.
    if (!names.has(DEAD_LETTERS)) await this.db.collection(DEAD_LETTERS).createIndex({ endpoint: 1, seq: 1 })
    for (const name of [CURSORS, NUMBERS]) if (!names.has(name)) await this.db.createCollection(name)
    const own = new Set([...names].filter((name) => !name.includes(':')))
    await declareIndexes(this.db, declared, own)
    this.#collections = new Set([...own, ...declared.map(({ name }) => name)])
  }

  /** @throws {LyceumError} collection_limit where writes would make one collection too many */
  allow(collections: Iterable<string>): void {
    for (const name of collections) {
      if (this.#collections.has(name)) continue
      if (this.#collections.size >= DOCUMENT.collections)
        throw refusal(
          'collection_limit',
          MONGO.BadValue,
          `A plugin has at most ${DOCUMENT.collections} collections. Keep what is alike in one, with a field that tells it apart.`,
        )
      this.#collections.add(name)
    }
  }

  /** What there is to export beside documents: the collections with their indexes, and the cursors. */
  async survey(): Promise<Survey> {
    const listed = await this.db.listCollections({}, { nameOnly: true }).toArray()
    const own = listed.map(({ name }) => name).filter((name) => !name.includes(':'))
    const collections: CollectionSurvey[] = []
    for (const name of own.sort()) collections.push({ name, indexes: await declaredIndexes(this.db, name) })
    const rows = await this.db.collection<CursorRow>(CURSORS).find().sort({ _id: 1 }).toArray()
    return { collections, cursors: rows.map(({ _id, ...row }) => ({ id: _id, ...row })) }
  }

  /** Takes a cursor over: whoever held it before can commit no more. */
  async claim({ cursor, generation, version, log, from, passed }: ClaimControl): Promise<Claimed> {
    const cursors = this.db.collection<CursorRow>(CURSORS)
    for (;;) {
      const row = await cursors.findOneAndUpdate(
        { _id: cursor, log },
        { $inc: { epoch: 1 }, $set: { version }, $max: { seq: passed } },
        { ...LASTS, returnDocument: 'after' },
      )
      if (row !== null) return { epoch: row.epoch, seq: row.seq }
      const seq = Math.max(from, passed)
      try {
        await cursors.insertOne({ _id: cursor, generation, version, epoch: 1, log, seq }, LASTS)
        return { epoch: 1, seq }
      } catch (error) {
        if (!isDuplicate(error)) throw error
        if ((await cursors.findOne({ _id: cursor }))?.log !== log)
          throw new LyceumError(
            'cursor_lost',
            `The cursor "${cursor}" belongs to another event log. Put that log back, or rebuild the plugin.`,
          )
        // Somebody else made it just now, and it is taken over from them.
      }
    }
  }

  /** Moves the cursor, or takes the dead letter out. @throws {LyceumError} cursor_lost where that is not ours to do */
  async take(claim: Claim, session: Within): Promise<void> {
    if ('deadLetter' in claim) {
      const { deletedCount } = await this.#deadLetters.deleteOne({ _id: claim.deadLetter }, within(session))
      if (deletedCount !== 1) throw lost(claim)
      return
    }
    const { matchedCount } = await this.#cursors.updateOne(
      cursorOf(claim.move),
      { $set: { seq: claim.move.to } },
      within(session),
    )
    if (matchedCount !== 1) throw lost(claim)
  }

  /** Whether it is ours to do, which without transactions may change the moment after. @throws {LyceumError} cursor_lost */
  async look(claim: Claim): Promise<void> {
    const found =
      'deadLetter' in claim
        ? await this.#deadLetters.findOne({ _id: claim.deadLetter })
        : await this.#cursors.findOne(cursorOf(claim.move))
    if (found === null) throw lost(claim)
  }

  /** Puts an event aside. Without a transaction one that was put aside before takes the place of itself. */
  async addDeadLetter(letter: NewDeadLetter | DeadLetter, session: Within): Promise<void> {
    const { id, ...about } = 'id' in letter ? letter : { ...letter, id: undefined }
    const { endpoint, seq } = about
    const before = id === undefined && !session ? await this.#deadLetters.findOne({ endpoint, seq }) : null
    const _id = id ?? before?._id ?? (await this.#nextNumber(session))
    await this.#deadLetters.replaceOne({ _id }, about, { ...within(session), upsert: true })
  }

  async #nextNumber(session: Within): Promise<number> {
    const row = await this.db
      .collection<NumberRow>(NUMBERS)
      .findOneAndUpdate(
        { _id: DEAD_LETTERS },
        { $inc: { last: 1 } },
        { ...within(session), upsert: true, returnDocument: 'after' },
      )
    if (row === null) throw new Error('an upsert that gives nothing back')
    return row.last
  }

  async deadLetters(
    endpoint: string | undefined,
    limit: number,
    retry?: { readonly ids?: readonly number[] },
  ): Promise<DeadLetterList> {
    const filter = {
      ...(endpoint !== undefined && { endpoint }),
      ...(retry?.ids !== undefined && { _id: { $in: [...retry.ids] } }),
    }
    const total = await this.#deadLetters.countDocuments(filter)
    if (limit === 0) return { total, letters: [] }
    const rows = this.#deadLetters
      .find(filter)
      .sort(retry === undefined ? { _id: 1 } : { attempts: 1, _id: 1 })
      .limit(limit)
    return { total, letters: (await rows.toArray()).map(deadLetterOf) }
  }

  /** The first dead letter of a handler among some events. */
  async deadLettersAt(endpoint: string, ranges: readonly SeqRange[]): Promise<DeadLetter[]> {
    if (ranges.length === 0) return []
    const $or = ranges.map(([from, to]) => ({ seq: { $gte: from, $lte: to } }))
    const row = await this.#deadLetters.findOne({ endpoint, $or })
    return row === null ? [] : [deadLetterOf(row)]
  }

  get #cursors() {
    return this.db.collection<CursorRow>(CURSORS)
  }

  get #deadLetters() {
    return this.db.collection<DeadLetterRow>(DEAD_LETTERS)
  }
}

/** Where a cursor stands, of a database that need not exist. */
export async function peekCursor(db: Db, cursor: string): Promise<Peeked | undefined> {
  const row = await db.collection<CursorRow>(CURSORS).findOne({ _id: cursor })
  return row === null ? undefined : { log: row.log, seq: row.seq }
}

type Move = Extract<Claim, { move: unknown }>['move']

function cursorOf({ cursor, generation, version, epoch, log, from }: Move) {
  return { _id: cursor, generation, version, epoch, log, seq: from }
}

function lost(claim: Claim): LyceumError {
  return new LyceumError(
    'cursor_lost',
    'deadLetter' in claim
      ? 'The dead letter is gone: it was retried already.'
      : 'The cursor has another owner, or stands elsewhere.',
  )
}

function isDuplicate(error: unknown): boolean {
  return error instanceof MongoServerError && error.code === MONGO.DuplicateKey
}

function deadLetterOf({ _id, ...letter }: DeadLetterRow & Document): DeadLetter {
  const { endpoint, version, seq, code, message, stack, attempts, atMs } = letter
  return {
    id: _id,
    endpoint,
    version,
    seq,
    code,
    message,
    ...(typeof stack === 'string' && { stack }),
    attempts,
    atMs,
  }
}
