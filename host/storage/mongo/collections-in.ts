import { isDoc } from '../documents/values.ts'

/** The stages that name collections or hold pipelines. */
export const OUTWARD: ReadonlyMap<string, (spec: unknown) => unknown[]> = new Map([
  ['$lookup', (spec) => (isDoc(spec) ? [spec.from, ...collectionsIn(spec.pipeline)] : [])],
  ['$facet', (spec) => (isDoc(spec) ? Object.values(spec).flatMap(collectionsIn) : [])],
  ['$graphLookup', (spec) => (isDoc(spec) ? [spec.from] : [])],
  ['$unionWith', (spec) => (isDoc(spec) ? [spec.coll, ...collectionsIn(spec.pipeline)] : [spec])],
])

/** Everything that the stages of a pipeline name as a collection, whatever it is. */
export function collectionsIn(pipeline: unknown): unknown[] {
  if (!Array.isArray(pipeline)) return []
  return pipeline.flatMap((stage: unknown) =>
    isDoc(stage) ? Object.keys(stage).flatMap((name) => OUTWARD.get(name)?.(stage[name]) ?? []) : [],
  )
}
