import type { Options } from 'mingo/types'
import { type Compute, compileExpression } from './expression-compiler.ts'
import { checkExpression } from './expressions.ts'
import { meter } from './meter.ts'
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
function indexBy(docs: Iterable<Doc>, field: string): Map<string, Doc[]> {
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

/** Prepares `$lookup`: by `localField` and `foreignField`, by a pipeline with `let`, or by both. */
export function compileLookup(spec: unknown, context: PipelineContext): Stage {
  if (!isDoc(spec))
    throw invalid('$lookup takes {from, localField, foreignField, as} or {from, let, pipeline, as}.')
  const { from, localField, foreignField, pipeline } = spec
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
      if (!/^[a-z]\w*$/.test(name)) throw invalid('A variable starts with a small letter.')
      return [name, compileExpression(checkExpression(spec[name]), scope)]
    }),
  )
}

/** The inner pipeline is prepared once where it uses no variables, else for each document with its own. */
function pipelineRunner(
  pipeline: unknown,
  variables: ReadonlyMap<string, Compute>,
  context: PipelineContext,
): (doc: Doc) => Stage {
  if (variables.size === 0) {
    const run = compilePipeline(pipeline, context)
    return () => run
  }
  const outer = context.scope.variables ?? {}
  const names = Object.fromEntries([...variables.keys()].map((name) => [name, null]))
  compilePipeline(pipeline, { ...context, scope: newScope({ ...outer, ...names }) })
  return (doc) => {
    const values: Record<string, unknown> = { ...outer }
    for (const [name, compute] of variables) values[name] = compute(doc) ?? null
    return compilePipeline(pipeline, { ...context, scope: newScope(values), count: { stages: 0 } })
  }
}
