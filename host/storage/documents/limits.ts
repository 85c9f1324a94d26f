/** What one database may hold and one operation may use. Each bound names the attack that it stops. */
export interface DocumentLimits {
  /** A document as text: one huge document stalls every scan of its collection. */
  documentBytes: number
  /** The answer of one read: a `find` without a filter would fill the bridge and the guest's heap. */
  resultBytes: number
  /** One string, array or document that an expression makes: `$concat`, `$range` and `$replaceAll` multiply. */
  intermediateBytes: number
  /** All that one operation makes or holds: a `$map` of many strings, a `$sort`, `$group` or `$lookup` of everything. */
  operationBytes: number
  /** Nesting of documents, filters and expressions: deep values overflow the stack of whoever walks them. */
  depth: number
  /** How far past its end an update may extend an array: one index of 4294967290 hangs every reader. */
  arrayGap: number
  /** Stages of one pipeline, those of `$lookup` and `$facet` counted in: work multiplies with each. */
  stages: number
  /** Pipelines inside pipelines: a `$lookup` in a `$lookup` multiplies whole collections. */
  pipelineDepth: number
  /** Keys and items of one filter, update or pipeline: checking and compiling them takes time. */
  nodes: number
  /** Collections of one database: each is a table, with statements that are kept. */
  collections: number
  /** Indexes of one collection: each makes every write slower. */
  indexesPerCollection: number
  /** Time of one read or one list of writes, in milliseconds of wall time, checked while iterating. */
  opMs: number
  /** Parsed documents kept between operations, counted as text: the memory of an idle store. */
  cacheBytes: number
}

export const DEFAULT_DOCUMENT_LIMITS: Readonly<DocumentLimits> = Object.freeze({
  documentBytes: 1024 * 1024,
  resultBytes: 16 * 1024 * 1024,
  intermediateBytes: 16 * 1024 * 1024,
  operationBytes: 256 * 1024 * 1024,
  depth: 100,
  arrayGap: 1_000,
  stages: 50,
  pipelineDepth: 3,
  nodes: 20_000,
  collections: 200,
  indexesPerCollection: 16,
  opMs: 30_000,
  cacheBytes: 16 * 1024 * 1024,
})
