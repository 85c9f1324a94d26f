import { setTimeout as pause } from 'node:timers/promises'
import type { Payload } from '../../../process/frame.ts'
import { LyceumError } from '../../errors.ts'
import { LIMITS } from '../../limits.ts'
import type { WriteOutcome } from '../documents/operations.ts'
import { changeOf } from '../files/requests.ts'
import type {
  Claim,
  DeadLetter,
  FileReadControl,
  FileWriteControl,
  NewDeadLetter,
} from '../store-protocol.ts'
import type { PluginDatabase, Within } from './database.ts'
import type { ClientSession, MongoClient } from './driver.ts'
import type { FileChanges } from './file-changes.ts'
import { sendCounted, sendWrites } from './send-writes.ts'
import { isTransient, isUnknown, refusalFrom } from './server-error.ts'
import { checkWrites, type ServerWrite } from './writes.ts'

/** Writes that wait to be sent with those that follow; what is more is sent before. */
const MOST_WAITING_BYTES = 8 * 1024 * 1024
const MOST_WAITING = 50_000
/** Times that a batch is run when others keep changing the same documents. */
const MOST_ATTEMPTS = 5
const PAUSE_MS = 20
/** How long the outcome of a commit is asked for. */
const OUTCOME_MS = 20_000
const NONE = Number.POSITIVE_INFINITY

/** The server that a batch runs on, and whether that has transactions. */
export interface BatchServer {
  readonly client: MongoClient
  readonly database: PluginDatabase
  readonly hasTransactions: boolean
}

/**
 * The writes of one batch and the move of its cursor: one transaction, whose first statement is the move.
 *
 * Writes wait until something has to be known of them, at the latest until the commit. So most batches are one short
 * transaction, which can be run again where others were faster; and where a server has no transactions, a handler
 * that throws has changed nothing. There the move of the cursor comes last: what is lost between is done again.
 */
export class Batch {
  readonly #server: BatchServer
  readonly #claim: Claim
  #session: ClientSession | undefined
  #openedMs = 0
  /** Whether the claim was looked at, on a server without transactions. */
  #isSeen = false
  #waiting: ServerWrite[] = []
  #waitingBytes = 0
  /** What the open transaction has done, to do it again. */
  #sent: ServerWrite[] = []
  #written = 0
  /** The guest was told what it may act upon: only the guest can run this again. */
  #isTold = false
  #files: FileChanges | undefined
  /** Whether rows of files may have been written, whatever the server has said. */
  #hasSavedFiles = false
  #failed: { readonly error: LyceumError } | undefined

  constructor(server: BatchServer, claim: Claim) {
    this.#server = server
    this.#claim = claim
  }

  /** @param counted whether to tell what each of them did; else they may wait */
  write(ops: () => readonly unknown[], counted: boolean, maxBytes: number): Promise<WriteOutcome[]> {
    return this.#guarded(async () => {
      const first = await this.#take(ops(), maxBytes)
      if (counted) {
        const outcomes = await this.#attempt(() => this.#send(first))
        this.#isTold = true
        return outcomes
      }
      if (this.#waitingBytes > MOST_WAITING_BYTES || this.#waiting.length > MOST_WAITING)
        await this.#attempt(() => this.#send(NONE))
      return []
    })
  }

  /** Runs a read that sees what the batch has written. */
  read<Result>(run: (session: Within) => Promise<Result>): Promise<Result> {
    return this.#guarded(async () => {
      const result = await this.#attempt(async () => {
        await this.#send(NONE)
        return run(this.#session)
      })
      this.#isTold = true
      return result
    }, 'query_invalid')
  }

  commit(
    ops: () => readonly unknown[],
    deadLetter: NewDeadLetter | DeadLetter | undefined,
    maxBytes: number,
  ): Promise<void> {
    return this.#guarded(async () => {
      await this.#take(ops(), maxBytes)
      const files = this.#files
      if (files !== undefined) {
        await this.#server.database.room.require(files.rowBytes, maxBytes)
        await files.store()
      }
      await this.#attempt(() => this.#finish(deadLetter))
      if (files !== undefined) await this.#server.database.files.settle(files.maxFileBytes)
    })
  }

  /** Changes a file. Returns what the guest gets. */
  changeFile({ op, ...terms }: FileWriteControl, request: string, content: Buffer): Promise<string> {
    return this.#guarded(async () => {
      this.#files ??= await this.#server.database.files.begin()
      return this.#files.change(changeOf(op, request, content), terms)
    })
  }

  /** Reads files as the batch sees them. Nobody else changes any until it ends. */
  async readFiles(control: FileReadControl, request: string): Promise<Payload> {
    if (this.#failed !== undefined) throw this.#failed.error
    return this.#server.database.files.read(control, request, this.#files)
  }

  /** Undoes what can be undone; what is called later fails. */
  async abort(): Promise<void> {
    this.#failed ??= { error: new LyceumError('store_lost', 'The transaction was given up.') }
    await this.#rollBack()
    // Contents of batches that fail again and again must not fill the disk.
    if (this.#files !== undefined && !this.#hasSavedFiles)
      await this.#server.database.files.settle(this.#files.maxFileBytes)
  }

  /** An error inside the transaction ends all of it, at once and for good. */
  async #guarded<Result>(
    run: () => Promise<Result>,
    otherwise: 'update_invalid' | 'query_invalid' = 'update_invalid',
  ): Promise<Result> {
    if (this.#failed !== undefined) throw this.#failed.error
    try {
      if (this.#session !== undefined && performance.now() - this.#openedMs > LIMITS.transactionMs)
        throw new LyceumError(
          'time_limit',
          `The transaction was open for more than ${LIMITS.transactionMs} ms. Read less between the first read and the end.`,
        )
      return await run()
    } catch (thrown) {
      const error = refusalFrom(thrown, otherwise)
      this.#failed = { error }
      await this.#rollBack()
      throw error
    }
  }

  /** Checks writes and puts them with those that wait. Returns the place of the first. */
  async #take(ops: readonly unknown[], maxBytes: number): Promise<number> {
    const first = this.#written
    if (ops.length === 0) return first
    const { database } = this.#server
    const writes = checkWrites(ops, first)
    database.allow(new Set(writes.map(({ collection }) => collection)))
    await database.room.require(
      writes.reduce((sum, { bytes }) => sum + bytes, 0),
      maxBytes,
    )
    this.#written += writes.length
    for (const write of writes) {
      this.#waiting.push(write)
      this.#waitingBytes += write.bytes
    }
    return first
  }

  /** Runs a part of the transaction; where others were faster and the guest does not know, all of it again. */
  async #attempt<Result>(run: () => Promise<Result>): Promise<Result> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await run()
      } catch (error) {
        if (!isTransient(error) || this.#isTold || attempt === MOST_ATTEMPTS) throw error
        await this.#rollBack()
        this.#waiting = [...this.#sent, ...this.#waiting]
        this.#sent = []
        await pause(PAUSE_MS * attempt * (1 + Math.random()))
      }
    }
  }

  /** Sends what waits, and tells of those from a place on what they did. */
  async #send(countedFrom: number): Promise<WriteOutcome[]> {
    const { db } = this.#server.database
    await this.#enter()
    const writes = this.#waiting
    this.#waiting = []
    this.#waitingBytes = 0
    if (this.#session !== undefined) for (const write of writes) this.#sent.push(write)
    await sendWrites(
      db,
      writes.filter(({ index }) => index < countedFrom),
      this.#session,
    )
    const outcomes: WriteOutcome[] = []
    for (const write of writes)
      if (write.index >= countedFrom) outcomes.push(await sendCounted(db, write, this.#session))
    return outcomes
  }

  async #enter(): Promise<void> {
    const { client, database, hasTransactions } = this.#server
    if (!hasTransactions) {
      if (!this.#isSeen) await database.look(this.#claim)
      this.#isSeen = true
    } else if (this.#session === undefined) {
      this.#session = client.startSession()
      this.#openedMs = performance.now()
      this.#session.startTransaction({
        readConcern: { level: 'snapshot' },
        writeConcern: { w: 'majority' },
      })
      await database.take(this.#claim, this.#session)
    }
  }

  async #finish(deadLetter: NewDeadLetter | DeadLetter | undefined): Promise<void> {
    const { database, hasTransactions } = this.#server
    const isAlone =
      this.#session === undefined &&
      this.#waiting.length === 0 &&
      this.#files === undefined &&
      deadLetter === undefined
    // One statement is a transaction by itself.
    if (isAlone) return database.take(this.#claim, undefined)
    await this.#send(NONE)
    if (this.#files !== undefined) {
      this.#hasSavedFiles = true
      await this.#files.save(this.#session)
    }
    if (deadLetter !== undefined) await database.addDeadLetter(deadLetter, this.#session)
    if (hasTransactions) await this.#commitSession()
    // Tried in vain: it was put in its own place again.
    else if (!('deadLetter' in this.#claim) || deadLetter === undefined)
      await database.take(this.#claim, undefined)
  }

  /** Commits; where the answer is lost, the commit alone is asked for again until its outcome is known. */
  async #commitSession(): Promise<void> {
    const session = this.#session
    if (session === undefined) throw new Error('a commit of no transaction')
    const sinceMs = performance.now()
    for (;;) {
      try {
        await session.commitTransaction()
        break
      } catch (error) {
        if (!isUnknown(error)) throw error
        if (performance.now() - sinceMs > OUTCOME_MS)
          throw new LyceumError(
            'store_lost',
            'MongoDB did not say whether a batch was committed. Its cursor is read again, which tells.',
          )
        await pause(PAUSE_MS)
      }
    }
    this.#session = undefined
    await session.endSession()
  }

  async #rollBack(): Promise<void> {
    const session = this.#session
    this.#session = undefined
    if (session === undefined) return
    // A server that is gone rolls back by itself.
    if (session.inTransaction()) await session.abortTransaction().catch(() => {})
    await session.endSession().catch(() => {})
  }
}
