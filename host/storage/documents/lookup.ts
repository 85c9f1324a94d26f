import type { Options } from 'mingo/types'
import { type Compute, compileExpression, varsOf } from './expression-compiler.ts'
import { checkExpression } from './expressions.ts'
import { meter } from './meter.ts'
import { checkVariable } from './operators-logic.ts'
import { valuesAtPath } from './paths.ts'
import { compilePipeline, type PipelineContext, type Stage } from './pipeline.ts'
import { MONGO, refusal } from './refusal.ts'
import { newScope } from './scope.ts'
import { fieldPath, withField } from './unwind.ts'
import { canonicalKey, type Doc, isDoc, weigh } from './values.ts'

function invalid(message: string): Error {
  return refusal('query_invalid', MONGO.FailedToParse, message)
}

/** Documents by the values of one field; each is charged to the operation while it is held. */
export function indexBy(docs: Iterable<Doc>, field: string): Map<string, Doc[]> {
  const index = new Map<string, Doc[]>()
  for (const doc of docs) {
    meter.tick()
    meter.hold(weigh(doc, meter.limits.intermediateBytes))
    for (const key of new Set(valuesAtPath(doc, field).map((value) => canonicalKey(value ?? null)))) {
      const found = index.get(key)
      if (found) found.push(doc)
      else index.set(key, [doc])
    }
  }
  return index
}

const NAMES = new Set(['from', 'localField', 'foreignField', 'let', 'pipeline', 'as'])

/** Prepares `$lookup`: by `localField` and `foreignField`, by a pipeline with `let`, or by both. */
export function compileLookup(spec: unknown, context: PipelineContext): Stage {
  if (!isDoc(spec))
    throw invalid('$lookup takes {from, localField, foreignField, as} or {from, let, pipeline, as}.')
  const { from, localField, foreignField, pipeline } = spec
  for (const key of Object.keys(spec))
    if (!NAMES.has(key)) throw invalid(`$lookup has no '${key.slice(0, 60)}'.`)
  if (typeof from !== 'string') throw invalid('$lookup takes the name of a collection as from.')
  const as = fieldPath('$lookup', spec.as)
  const hasFields = localField !== undefined || foreignField !== undefined
  if (!hasFields && pipeline === undefined) throw invalid('$lookup takes fields or a pipeline.')
  const local = hasFields ? fieldPath('$lookup', localField).join('.') : undefined
  const foreign = hasFields ? fieldPath('$lookup', foreignField).join('.') : ''
  const variables = compileVariables(spec.let, context.scope)
  const inner = { ...context, depth: context.depth + 1 }
  const runFor = pipeline === undefined ? undefined : pipelineRunner(pipeline, variables, inner)
  return function* (docs) {
    const index = local === undefined ? undefined : indexBy(context.collection(from), foreign)
    const all = index ? [] : [...indexBy(context.collection(from), '_id').values()].flat()
    for (const doc of docs) {
      meter.tick()
      const candidates = index && local !== undefined ? joined(index, doc, local) : all
      const found = runFor ? [...runFor(doc)(candidates)] : candidates
      meter.charge(found.length * 8)
      yield withField(doc, as, found)
    }
  }
}

function joined(index: Map<string, Doc[]>, doc: Doc, field: string): Doc[] {
  const found = new Set<Doc>()
  for (const value of valuesAtPath(doc, field))
    for (const match of index.get(canonicalKey(value ?? null)) ?? []) found.add(match)
  return [...found]
}

function compileVariables(spec: unknown, scope: Options): Map<string, Compute> {
  if (spec === undefined) return new Map()
  if (!isDoc(spec)) throw invalid('The let of $lookup is an object of expressions.')
  return new Map(
    Object.keys(spec).map((name) => {
      checkVariable(name)
      return [name, compileExpression(checkExpression(spec[name]), scope)]
    }),
  )
}

/** The inner pipeline is prepared once; its variables are set anew for each document. */
function pipelineRunner(
  pipeline: unknown,
  variables: ReadonlyMap<string, Compute>,
  context: PipelineContext,
): (doc: Doc) => Stage {
  if (variables.size === 0) {
    const run = compilePipeline(pipeline, context)
    return () => run
  }
  const inner: Record<string, unknown> = Object.assign(Object.create(null), varsOf(context.scope))
  for (const name of variables.keys()) inner[name] = null
  const run = compilePipeline(pipeline, { ...context, scope: newScope(inner) })
  return (doc) => {
    for (const [name, compute] of variables) inner[name] = compute(doc)
    return run
  }
}

/** Prepares `$unionWith`: behind the documents those of another collection. */
export function compileUnionWith(spec: unknown, context: PipelineContext): Stage {
  const named: Doc = typeof spec === 'string' ? { coll: spec } : isDoc(spec) ? spec : {}
  const { coll, pipeline = [] } = named
  for (const key of Object.keys(named))
    if (key !== 'coll' && key !== 'pipeline')
      throw refusal('query_invalid', 40415, `$unionWith has no '${key.slice(0, 60)}'.`)
  if (typeof coll !== 'string')
    throw invalid('$unionWith takes the name of a collection, or {coll, pipeline}.')
  const run = compilePipeline(pipeline, { ...context, depth: context.depth + 1 })
  return function* (docs) {
    yield* docs
    yield* run(context.collection(coll))
  }
}
