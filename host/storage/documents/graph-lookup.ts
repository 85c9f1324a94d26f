import { Query } from 'mingo/query'
import { compileExpression } from './expression-compiler.ts'
import { checkExpression } from './expressions.ts'
import { checkFilter } from './filter.ts'
import { indexBy } from './lookup.ts'
import { meter } from './meter.ts'
import { valuesAtPath } from './paths.ts'
import type { PipelineContext, Stage } from './pipeline.ts'
import { quote, refusal } from './refusal.ts'
import { fieldPath, withField } from './unwind.ts'
import { canonicalKey, type Doc, isDoc, weigh } from './values.ts'

function invalid(message: string, mongoCode = 40100): Error {
  return refusal('query_invalid', mongoCode, message)
}

const NAMES = new Set([
  'from',
  'startWith',
  'connectFromField',
  'connectToField',
  'as',
  'maxDepth',
  'depthField',
  'restrictSearchWithMatch',
])

/** Prepares `$graphLookup`: what can be reached from a document over links between those of a collection. */
export function compileGraphLookup(spec: unknown, context: PipelineContext): Stage {
  if (!isDoc(spec)) throw invalid('$graphLookup takes an object.', 40327)
  for (const key of Object.keys(spec))
    if (!NAMES.has(key)) throw invalid(`$graphLookup has no ${quote(key)}.`, 40104)
  const { from, maxDepth, depthField } = spec
  if (typeof from !== 'string') throw invalid('$graphLookup takes the name of a collection as from.', 40103)
  for (const key of ['startWith', 'connectFromField', 'connectToField', 'as'])
    if (!Object.hasOwn(spec, key)) throw invalid(`$graphLookup lacks ${quote(key)}.`, 40105)
  if (maxDepth !== undefined && !(Number.isInteger(maxDepth) && Number(maxDepth) >= 0))
    throw invalid('$graphLookup takes a whole maxDepth that is not negative.', 40101)
  const as = fieldPath('$graphLookup', spec.as)
  const depthPath = depthField === undefined ? undefined : fieldPath('$graphLookup', depthField)
  const links = fieldPath('$graphLookup', spec.connectFromField).join('.')
  const target = fieldPath('$graphLookup', spec.connectToField).join('.')
  const startWith = compileExpression(checkExpression(spec.startWith), context.scope)
  const query = new Query(checkFilter(spec.restrictSearchWithMatch ?? {}), context.scope)
  const most = maxDepth === undefined ? Number.POSITIVE_INFINITY : Number(maxDepth)
  return function* (docs) {
    const byTarget = indexBy(context.collection(from), target)
    const reach = (start: unknown): Doc[] => {
      const found = new Map<string, Doc>()
      let front: unknown[] = Array.isArray(start) ? start : [start ?? null]
      const asked = new Set<string>()
      for (let depth = 0; depth <= most && front.length > 0; depth++) {
        const next: unknown[] = []
        for (const value of front) {
          const key = canonicalKey(value ?? null)
          if (asked.has(key)) continue
          asked.add(key)
          for (const doc of byTarget.get(key) ?? []) {
            meter.tick()
            const id = canonicalKey(doc._id)
            if (found.has(id) || !query.test(doc)) continue
            meter.charge(64 + weigh(doc, 1_024))
            found.set(id, depthPath ? withField(doc, depthPath, depth) : doc)
            next.push(...valuesAtPath(doc, links).filter((link) => link !== undefined))
          }
        }
        front = next
      }
      return [...found.values()]
    }
    for (const doc of docs) {
      meter.tick()
      yield withField(doc, as, reach(startWith(doc)))
    }
  }
}
