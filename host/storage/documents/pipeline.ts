import { Query } from 'mingo/query'
import type { Options } from 'mingo/types'
import { compileDensify, fillStages } from './densify.ts'
import { type Compute, compileExpression } from './expression-compiler.ts'
import { checkExpression } from './expressions.ts'
import { checkFilter } from './filter.ts'
import { compileGraphLookup } from './graph-lookup.ts'
import { bucketAuto, bucketKey, checkBoundaries, compileFields, groupDocs } from './group.ts'
import { compileLookup, compileUnionWith } from './lookup.ts'
import { meter } from './meter.ts'
import { unknownOperator } from './nearest.ts'
import { STAGES } from './operators.ts'
import { compileProjection, compileSet } from './projection.ts'
import { compileRedact } from './redact.ts'
import { MONGO, refusal } from './refusal.ts'
import { sortDocs, sortKeys } from './sort.ts'
import { compileUnwind } from './unwind.ts'
import { type Doc, isDoc, weigh } from './values.ts'
import { compileWindows } from './windows.ts'

export type Stage = (docs: Iterable<Doc>) => Iterable<Doc>

/** What a pipeline may reach, and how much of its allowance is used. Shared by the pipelines inside it. */
export interface PipelineContext {
  readonly scope: Options
  /** All documents of another collection of the same database. */
  readonly collection: (name: string) => Iterable<Doc>
  /** Stages so far, those of inner pipelines counted in. */
  readonly count: { stages: number }
  readonly depth: number
  /** The stages that are offered; fewer inside updates and facets. */
  readonly stages: ReadonlySet<string>
}

function invalid(message: string, mongoCode: number = MONGO.BadValue): Error {
  return refusal('query_invalid', mongoCode, message)
}

/** Prepares an admitted pipeline. Throws `operator_unknown` and `query_invalid`. */
export function compilePipeline(pipeline: unknown, context: PipelineContext): Stage {
  if (!Array.isArray(pipeline)) throw invalid('A pipeline is a list of stages.', MONGO.TypeMismatch)
  if (context.depth >= meter.limits.pipelineDepth)
    throw invalid(`Pipelines are at most ${meter.limits.pipelineDepth} deep inside each other.`)
  const stages = pipeline.map((stage: unknown) => compileStage(stage, context))
  return (docs) => stages.reduce((input: Iterable<Doc>, stage) => stage(input), docs)
}

function compileStage(spec: unknown, context: PipelineContext): Stage {
  const keys = isDoc(spec) ? Object.keys(spec) : []
  const [name = ''] = keys
  if (!isDoc(spec) || keys.length !== 1) throw invalid('A stage is an object with one key, its name.', 40323)
  if (!STAGES.has(name) || !context.stages.has(name))
    throw unknownOperator(name, 'as a stage here', context.stages, MONGO.Location40324)
  if (++context.count.stages > meter.limits.stages)
    throw invalid(`A pipeline has at most ${meter.limits.stages} stages, those inside it counted in.`)
  const make = MAKERS.get(name)
  if (!make) throw new Error(`${name} is on the list but has no code`)
  return make(spec[name], context)
}

/** Refuses a document that has grown too large: parts that are shared look small and unfold to anything. */
function checkWeight(doc: Doc): Doc {
  const limit = meter.limits.intermediateBytes
  if (weigh(doc, limit) > limit)
    throw refusal(
      'query_invalid',
      MONGO.BSONObjectTooLarge,
      `A stage makes a document of more than ${limit} bytes.`,
    )
  return doc
}

function* mapDocs(docs: Iterable<Doc>, compute: (doc: Doc) => Doc): Generator<Doc> {
  for (const doc of docs) {
    meter.tick()
    yield checkWeight(compute(doc))
  }
}

function* filterDocs(docs: Iterable<Doc>, test: (doc: Doc) => boolean): Generator<Doc> {
  for (const doc of docs) if (test(doc)) yield doc
}

/** The first so many documents; what comes after is never asked for. */
export function* takeDocs(docs: Iterable<Doc>, count: number): Generator<Doc> {
  if (count <= 0) return
  let left = count
  for (const doc of docs) {
    yield doc
    if (--left === 0) return
  }
}

export function* skipDocs(docs: Iterable<Doc>, count: number): Generator<Doc> {
  let left = count
  for (const doc of docs) if (left-- <= 0) yield doc
}

function* heldDocs(docs: Iterable<Doc>): Generator<Doc> {
  for (const doc of docs) {
    meter.hold(weigh(doc, meter.limits.intermediateBytes))
    yield doc
  }
}

/** Sorts documents that are charged to the operation while they are held. */
export function* sorted(docs: Iterable<Doc>, sort: unknown, keep?: number): Generator<Doc> {
  const keys = sortKeys(sort)
  for (const doc of sortDocs(keep === undefined ? heldDocs(docs) : docs, keys, keep))
    if (isDoc(doc)) yield doc
}

function wholeNumber(stage: string, value: unknown, least: number): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least)
    throw invalid(`${stage} takes a whole number of at least ${least}.`, 15958)
  return value
}

function match(filter: unknown, { scope }: PipelineContext): Stage {
  const query = new Query(checkFilter(filter), scope)
  return (docs) => filterDocs(docs, (doc) => query.test(doc))
}

function project(spec: unknown, { scope }: PipelineContext): Stage {
  const compute = compileProjection(spec, scope, true)
  return (docs) => mapDocs(docs, compute)
}

function set(spec: unknown, { scope }: PipelineContext): Stage {
  const compute = compileSet(spec, scope)
  return (docs) => mapDocs(docs, compute)
}

function unset(spec: unknown, { scope }: PipelineContext): Stage {
  const paths: unknown[] = Array.isArray(spec) ? spec : [spec]
  const drops: Doc = {}
  for (const path of paths) {
    if (typeof path !== 'string' || path === '') throw invalid('$unset takes the names of fields.', 31002)
    drops[path] = 0
  }
  const compute = compileProjection(drops, scope, true)
  return (docs) => mapDocs(docs, compute)
}

function replaceRoot(expression: unknown, { scope }: PipelineContext): Stage {
  const compute = compileExpression(checkExpression(expression), scope)
  return (docs) =>
    mapDocs(docs, (doc) => {
      const root = compute(doc)
      if (!isDoc(root)) throw invalid('The new root is not a document.', 40228)
      return root
    })
}

function group(spec: unknown, { scope }: PipelineContext): Stage {
  if (!isDoc(spec) || !Object.hasOwn(spec, '_id')) throw invalid('$group takes an object with an _id.', 15955)
  const { _id: id, ...rest } = spec
  const keyOf = compileExpression(checkExpression(id), scope)
  const fields = compileFields(rest, scope)
  return (docs) => mapDocs(groupDocs(docs, keyOf, fields), (doc) => doc)
}

function sortByCount(expression: unknown, { scope }: PipelineContext): Stage {
  const keyOf = compileExpression(checkExpression(expression), scope)
  const fields = compileFields({ count: { $sum: 1 } }, scope)
  return (docs) => sorted(groupDocs(docs, keyOf, fields), { count: -1 })
}

function bucket(spec: unknown, { scope }: PipelineContext): Stage {
  if (!isDoc(spec)) throw invalid('$bucket takes {groupBy, boundaries, default, output}.', 40201)
  if (!Object.hasOwn(spec, 'groupBy') || !Object.hasOwn(spec, 'boundaries'))
    throw invalid('$bucket takes a groupBy and boundaries.', 40198)
  const boundaries = checkBoundaries(spec.boundaries, spec.default)
  const compute: Compute = compileExpression(checkExpression(spec.groupBy), scope)
  const fields = compileFields(outputOf('$bucket', spec.output), scope)
  return (docs) => sorted(groupDocs(docs, bucketKey(compute, boundaries, spec.default), fields), { _id: 1 })
}

function outputOf(stage: string, output: unknown): Doc {
  if (output === undefined) return { count: { $sum: 1 } }
  if (!isDoc(output)) throw invalid(`The output of ${stage} is an object of accumulators.`, 40196)
  return output
}

function autoBucket(spec: unknown, { scope }: PipelineContext): Stage {
  if (!isDoc(spec)) throw invalid('$bucketAuto takes {groupBy, buckets, output}.', 40240)
  const { groupBy, buckets } = spec
  for (const key of Object.keys(spec))
    if (key !== 'groupBy' && key !== 'buckets' && key !== 'output')
      throw invalid(`$bucketAuto has no '${key.slice(0, 60)}'.`, 40245)
  if (groupBy === undefined || buckets === undefined)
    throw invalid('$bucketAuto takes a groupBy and a number of buckets.', 40246)
  if (!Number.isInteger(buckets)) throw invalid('$bucketAuto takes a whole number of buckets.', 40242)
  if (Number(buckets) < 1) throw invalid('$bucketAuto takes at least one bucket.', 40243)
  const keyOf = compileExpression(checkExpression(groupBy), scope)
  const fields = compileFields(outputOf('$bucketAuto', spec.output), scope)
  return (docs) => mapDocs(bucketAuto(docs, keyOf, Number(buckets), fields), (doc) => doc)
}

/** A stage that means others. */
function rewritten(stages: readonly Doc[], context: PipelineContext): Stage {
  return compilePipeline(stages, { ...context, stages: STAGES })
}

function count(name: unknown): Stage {
  if (typeof name !== 'string') throw invalid('$count takes the name of a field.', 40156)
  if (name === '') throw invalid('$count takes a name that is not empty.', 40157)
  if (name.startsWith('$')) throw invalid("$count takes a name that does not start with '$'.", 40158)
  if (name.includes('.')) throw invalid("$count takes a name without a '.'.", 40160)
  return function* (docs) {
    let total = 0
    for (const _ of docs) total++
    if (total > 0) yield { [name]: total }
  }
}

function sample(spec: unknown): Stage {
  const size = wholeNumber('$sample', isDoc(spec) ? spec.size : undefined, 1)
  return function* (docs) {
    const kept: Doc[] = []
    let seen = 0
    for (const doc of docs) {
      const at = seen++ < size ? kept.length : Math.floor(Math.random() * seen)
      if (at >= size) continue
      meter.hold(weigh(doc, meter.limits.intermediateBytes))
      kept[at] = doc
    }
    yield* kept
  }
}

function facet(spec: unknown, context: PipelineContext): Stage {
  if (!isDoc(spec) || Object.keys(spec).length === 0)
    throw invalid('$facet takes an object of pipelines.', 40169)
  const inner = { ...context, depth: context.depth + 1, stages: withoutFacet(context.stages) }
  const pipelines = Object.keys(spec).map((name) => ({ name, run: compilePipeline(spec[name], inner) }))
  return function* (docs) {
    const held = [...heldDocs(docs)]
    const doc: Doc = {}
    for (const { name, run } of pipelines) doc[name] = [...run(held)]
    yield checkWeight(doc)
  }
}

function withoutFacet(stages: ReadonlySet<string>): ReadonlySet<string> {
  return new Set([...stages].filter((name) => name !== '$facet'))
}

const MAKERS = new Map<string, (spec: unknown, context: PipelineContext) => Stage>([
  ['$match', match],
  ['$project', project],
  ['$set', set],
  ['$addFields', set],
  ['$unset', unset],
  ['$replaceRoot', (spec, context) => replaceRoot(isDoc(spec) ? spec.newRoot : undefined, context)],
  ['$replaceWith', replaceRoot],
  ['$group', group],
  ['$sortByCount', sortByCount],
  ['$bucket', bucket],
  ['$bucketAuto', autoBucket],
  ['$setWindowFields', (spec, { scope }) => compileWindows(spec, scope)],
  ['$densify', (spec, { scope }) => compileDensify(spec, scope)],
  ['$fill', (spec, context) => rewritten(fillStages(spec), context)],
  ['$redact', compileRedact],
  ['$unionWith', compileUnionWith],
  ['$graphLookup', compileGraphLookup],
  ['$sort', sortStage],
  ['$limit', (spec) => limited(wholeNumber('$limit', spec, 1))],
  ['$skip', (spec) => skipped(wholeNumber('$skip', spec, 0))],
  ['$count', count],
  ['$sample', sample],
  ['$unwind', compileUnwind],
  ['$facet', facet],
  ['$lookup', compileLookup],
])

function sortStage(spec: unknown): Stage {
  if (sortKeys(spec).length === 0) throw invalid('$sort names at least one field.', 15976)
  return (docs) => sorted(docs, spec)
}

function limited(most: number): Stage {
  return (docs) => takeDocs(docs, most)
}

function skipped(first: number): Stage {
  return (docs) => skipDocs(docs, first)
}
