import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach } from 'vitest'
import { LyceumError } from '../../../host/errors.ts'
import { DocumentDatabase } from '../../../host/storage/documents/database.ts'
import { DEFAULT_DOCUMENT_LIMITS, type DocumentLimits } from '../../../host/storage/documents/limits.ts'

const cleanups: (() => void)[] = []

afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup()
})

/** A directory that is gone after the test. */
export function tempDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'lyceum-documents-'))
  cleanups.push(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

/** A database that is closed after the test. */
export function openDatabase(
  limits: Partial<DocumentLimits> = {},
  path = join(tempDir(), 'plugin.db'),
): DocumentDatabase {
  const db = new DocumentDatabase(path, { ...DEFAULT_DOCUMENT_LIMITS, ...limits })
  cleanups.push(() => {
    if (db.sqlite.isOpen) db.close()
  })
  return db
}

export function soon(): number {
  return performance.now() + 10_000
}

type Doc = Record<string, unknown>

/** A collection with the driver's words, for short tests. */
export function collectionOf(db: DocumentDatabase, name = 'things') {
  const write = (...op: unknown[]) => db.write([op])[0]
  const read = (op: Doc) => db.read({ collection: name, ...op }, soon())
  return {
    insert: (...docs: Doc[]) => db.write(docs.map((doc) => ['insertOne', name, doc])),
    updateOne: (filter: Doc, update: unknown, options?: Doc) =>
      write('updateOne', name, filter, update, options),
    updateMany: (filter: Doc, update: unknown, options?: Doc) =>
      write('updateMany', name, filter, update, options),
    replaceOne: (filter: Doc, doc: unknown, options?: Doc) => write('replaceOne', name, filter, doc, options),
    deleteOne: (filter: Doc) => write('deleteOne', name, filter),
    deleteMany: (filter: Doc) => write('deleteMany', name, filter),
    find: (filter: Doc = {}, options: Doc = {}) => read({ op: 'find', filter, ...options }),
    one: (filter: Doc = {}) => read({ op: 'find', filter, limit: 1 })[0],
    ids: (filter: Doc = {}, options: Doc = {}) =>
      read({ op: 'find', filter, ...options }).map((doc) => Reflect.get(Object(doc), '_id')),
    aggregate: (pipeline: unknown[]) => read({ op: 'aggregate', pipeline }),
    count: (filter: Doc = {}) => read({ op: 'countDocuments', filter })[0],
    distinct: (field: string, filter: Doc = {}) => read({ op: 'distinct', field, filter }),
  }
}

/** The refusal of some work: its code and MongoDB's number. Fails the test where the work succeeds. */
export function refusalOf(work: () => unknown): {
  code: string
  mongoCode: unknown
  message: string
  index: unknown
} {
  try {
    work()
  } catch (error) {
    if (!(error instanceof LyceumError)) throw error
    return {
      code: error.code,
      message: error.message,
      mongoCode: error.details?.mongoCode,
      index: error.details?.index,
    }
  }
  throw new Error('the work was not refused')
}
