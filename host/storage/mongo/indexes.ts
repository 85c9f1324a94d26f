import { createHash } from 'node:crypto'
import { checkIndexKeys } from '../documents/indexes.ts'
import { DEFAULT_DOCUMENT_LIMITS as DOCUMENT } from '../documents/limits.ts'
import { checkCollectionName } from '../documents/operations.ts'
import { MONGO, refusal } from '../documents/refusal.ts'
import type { CollectionDeclaration, CollectionSurvey } from '../store-protocol.ts'
import type { Db, Document } from './driver.ts'

/** Indexes with other names are an admin's own, and stay. */
const OURS = 'lyceum_'
const HASH_CHARS = 16

interface Wanted {
  readonly name: string
  readonly key: ReadonlyMap<string, 1 | -1>
  readonly unique: boolean
}

/**
 * Makes the indexes of a database those that are declared, all or none of the new ones.
 * @param existing the plugin's collections that there are
 * @throws {LyceumError} op_malformed; what the server says where documents break a new unique index
 */
export async function declareIndexes(
  db: Db,
  declared: readonly CollectionDeclaration[],
  existing: ReadonlySet<string>,
): Promise<void> {
  const wanted = new Map(declared.map(({ name, indexes }) => [name, wantedOf(name, indexes)]))
  const made: (() => Promise<unknown>)[] = []
  const unwanted: (() => Promise<unknown>)[] = []
  try {
    for (const [name, indexes] of wanted) {
      if (!existing.has(name)) await db.createCollection(name).catch(unlessThere)
      const there = existing.has(name) ? await indexesOf(db, name) : new Set<string>()
      for (const index of indexes) {
        if (there.delete(index.name)) continue
        await db.command({
          createIndexes: name,
          indexes: [{ name: index.name, key: index.key, ...(index.unique && { unique: true }) }],
        })
        made.push(() => db.collection(name).dropIndex(index.name))
      }
      for (const old of there) unwanted.push(() => db.collection(name).dropIndex(old))
    }
  } catch (error) {
    for (const undo of made) await undo().catch(() => {})
    throw error
  }
  for (const name of existing)
    if (!wanted.has(name))
      for (const old of await indexesOf(db, name)) unwanted.push(() => db.collection(name).dropIndex(old))
  for (const drop of unwanted) await drop()
}

function wantedOf(collection: string, indexes: CollectionDeclaration['indexes']): Wanted[] {
  checkCollectionName(collection)
  if (indexes.length > DOCUMENT.indexesPerCollection)
    throw refusal(
      'op_malformed',
      MONGO.BadValue,
      `A collection has at most ${DOCUMENT.indexesPerCollection} indexes.`,
    )
  return indexes.map(({ keys, unique = false }) => {
    checkIndexKeys(collection, keys)
    const key = new Map(Object.entries(keys))
    const hash = createHash('sha256')
      .update(JSON.stringify([...key, unique]))
      .digest('hex')
    return { name: OURS + hash.slice(0, HASH_CHARS), key, unique }
  })
}

/** The names of our indexes of a collection. */
async function indexesOf(db: Db, collection: string): Promise<Set<string>> {
  const indexes: Document[] = await db.collection(collection).listIndexes().toArray()
  return new Set(indexes.map(({ name }) => String(name)).filter((name) => name.startsWith(OURS)))
}

/** The indexes of a collection that a version declared. */
export async function declaredIndexes(db: Db, collection: string): Promise<CollectionSurvey['indexes']> {
  const indexes: Document[] = await db.collection(collection).listIndexes().toArray()
  return indexes
    .filter(({ name }) => String(name).startsWith(OURS))
    .map(({ key, unique }) => ({
      keys: Object.entries(key).map(([field, direction]) => [field, direction === -1 ? -1 : 1] as const),
      unique: unique === true,
    }))
}

const NAMESPACE_EXISTS = 48

function unlessThere(error: unknown): void {
  if (!(error instanceof Error) || !('code' in error) || error.code !== NAMESPACE_EXISTS) throw error
}
