import { finished } from 'node:stream/promises'
import { damagedDatabase } from '../documents/refusal.ts'
import { onDisk } from '../files/rules.ts'
import { type Db, type Document, GridFSBucket, MongoRuntimeError, ObjectId } from './driver.ts'

/** The bucket of GridFS: its `filename` is the hash of the content. */
const BUCKET = 'lyceum:contents'
const TOUCHED = 'lyceum:touched'
/** Contents that are looked at together when some are collected. */
const TOGETHER = 100
const LASTS = { writeConcern: { w: 'majority' } } as const

/** A content of which it is not known whether a file refers to it: it was stored, needed again or let go. */
interface TouchedRow {
  /** Its hash. */
  readonly _id: string
  readonly bytes: number
  readonly sinceMs: number
  /** As what it was stored in GridFS, or begun to be. */
  readonly upload?: ObjectId
}

/** A content by its name. */
export interface Named {
  readonly hash: string
  readonly bytes: number
}

/**
 * The contents of one plugin's files: immutable, in GridFS, named by their hash. They are stored outside of
 * transactions and before them, so each is noted down first: what no file refers to a day later is deleted, be it
 * that it was replaced, or that its transaction never committed.
 */
export class Contents {
  readonly #db: Db
  readonly #bucket: GridFSBucket
  #isMade = false
  #touchedBytes: number | undefined

  constructor(db: Db) {
    this.#db = db
    this.#bucket = new GridFSBucket(db, { bucketName: BUCKET, ...LASTS })
  }

  /** @param names the collections that there are */
  open(names: ReadonlySet<string>): void {
    this.#isMade = names.has(TOUCHED)
  }

  get isEmpty(): boolean {
    return !this.#isMade
  }

  /** Stores a content, unless it is there. A sweep leaves it alone for a day. */
  async put(hash: string, content: Buffer, nowMs: number): Promise<void> {
    await this.#make()
    const upload = new ObjectId()
    const before = await this.#touched.findOneAndUpdate(
      { _id: hash },
      { $set: { bytes: content.length, sinceMs: nowMs, upload } },
      { ...LASTS, upsert: true, returnDocument: 'before' },
    )
    if (before === null && this.#touchedBytes !== undefined) this.#touchedBytes += onDisk(content.length)
    const [kept] = await this.#bucket.find({ filename: hash }).limit(1).toArray()
    if (kept !== undefined) return
    // What a lost store had begun.
    if (before?.upload !== undefined) await this.#removeChunks([before.upload])
    const stream = this.#bucket.openUploadStreamWithId(upload, hash)
    stream.end(content)
    await finished(stream)
  }

  /** Part of a content. @throws {LyceumError} data_damaged where the server no longer has it */
  async read(hash: string, from: number, to: number): Promise<Buffer> {
    const [file] = await this.#bucket.find({ filename: hash }).limit(1).toArray()
    if (file === undefined || file.length < to) throw damagedDatabase()
    const parts: Buffer[] = []
    try {
      for await (const part of this.#bucket.openDownloadStream(file._id, { start: from, end: to }))
        parts.push(part)
    } catch (error) {
      // Deleted since, be it only some of it.
      throw error instanceof MongoRuntimeError ? damagedDatabase() : error
    }
    return Buffer.concat(parts)
  }

  /** Notes that contents may have lost their last file. */
  async letGo(contents: readonly Named[], nowMs: number): Promise<void> {
    if (contents.length === 0) return
    const writes = contents.map(({ hash, bytes }) => ({
      updateOne: { filter: { _id: hash }, update: { $set: { bytes, sinceMs: nowMs } }, upsert: true },
    }))
    const { upsertedIds } = await this.#touched.bulkWrite(writes, { ...LASTS, ordered: false })
    if (this.#touchedBytes === undefined) return
    for (const at of Object.keys(upsertedIds)) this.#touchedBytes += onDisk(contents[Number(at)]?.bytes ?? 0)
  }

  /** What those come to that may be collected, in bytes. */
  async touchedBytes(): Promise<number> {
    if (this.#touchedBytes === undefined) {
      let bytes = 0
      for await (const row of this.#touched.find({}, { projection: { bytes: 1 } })) bytes += onDisk(row.bytes)
      this.#touchedBytes = bytes
    }
    return this.#touchedBytes
  }

  /**
   * Deletes contents that no file refers to, those first that were touched first, until there is as much room.
   * No transaction of the plugin may be open. Returns how many.
   * @param referred which of some hashes files refer to
   */
  async collect(
    beforeMs: number,
    most: number,
    bytesWanted: number,
    referred: (hashes: readonly string[]) => Promise<ReadonlySet<string>>,
  ): Promise<number> {
    let deleted = 0
    let bytes = 0
    for (let seen = 0; seen < most && bytes < bytesWanted; ) {
      const rows = await this.#touched
        .find({ sinceMs: { $lte: beforeMs } })
        .sort({ sinceMs: 1 })
        .limit(Math.min(TOGETHER, most - seen))
        .toArray()
      if (rows.length === 0) break
      seen += rows.length
      const looked: TouchedRow[] = []
      for (const row of rows) {
        if (bytes >= bytesWanted) break
        looked.push(row)
        bytes += onDisk(row.bytes)
      }
      const kept = await referred(looked.map(({ _id }) => _id))
      const unwanted = looked.filter(({ _id }) => !kept.has(_id))
      await this.#remove(unwanted)
      deleted += unwanted.length
      await this.#forget(looked)
    }
    return deleted
  }

  /** Since when the oldest waits to be collected. */
  async oldestMs(): Promise<number | undefined> {
    const [row] = await this.#touched.find().sort({ sinceMs: 1 }).limit(1).toArray()
    return row?.sinceMs
  }

  /** What all contents take on the server, in bytes. */
  async storedBytes(): Promise<number> {
    if (this.isEmpty) return 0
    let bytes = 0
    for (const part of ['files', 'chunks']) {
      const stats: Document = await this.#db.command({ collStats: `${BUCKET}.${part}` })
      bytes += Number(stats.size ?? 0) + Number(stats.totalIndexSize ?? 0)
    }
    return bytes
  }

  async #make(): Promise<void> {
    if (this.#isMade) return
    await this.#touched.createIndex({ sinceMs: 1 })
    this.#isMade = true
  }

  async #remove(rows: readonly TouchedRow[]): Promise<void> {
    if (rows.length === 0) return
    const files = await this.#bucket.find({ filename: { $in: rows.map(({ _id }) => _id) } }).toArray()
    const uploads = rows.flatMap(({ upload }) => upload ?? [])
    const ids = [...files.map(({ _id }) => _id), ...uploads]
    await this.#db.collection(`${BUCKET}.files`).deleteMany({ _id: { $in: ids } }, LASTS)
    await this.#removeChunks(ids)
  }

  async #removeChunks(ids: readonly ObjectId[]): Promise<void> {
    await this.#db.collection(`${BUCKET}.chunks`).deleteMany({ files_id: { $in: [...ids] } }, LASTS)
  }

  /** One that was touched meanwhile is looked at again. */
  async #forget(rows: readonly TouchedRow[]): Promise<void> {
    await this.#touched.bulkWrite(
      rows.map(({ _id, sinceMs }) => ({ deleteOne: { filter: { _id, sinceMs } } })),
      LASTS,
    )
    if (this.#touchedBytes !== undefined)
      this.#touchedBytes -= rows.reduce((sum, row) => sum + onDisk(row.bytes), 0)
  }

  get #touched() {
    return this.#db.collection<TouchedRow>(TOUCHED)
  }
}
