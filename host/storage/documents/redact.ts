import { compileExpression } from './expression-compiler.ts'
import { checkExpression } from './expressions.ts'
import { meter } from './meter.ts'
import type { PipelineContext, Stage } from './pipeline.ts'
import { refusal } from './refusal.ts'
import { bindScope } from './scope.ts'
import { type Doc, isDoc } from './values.ts'

const DESCEND = 'descend'
const PRUNE = 'prune'
const KEEP = 'keep'

/** Prepares `$redact`: an expression decides of each embedded document whether it is kept, dropped or looked into. */
export function compileRedact(expression: unknown, context: PipelineContext): Stage {
  const scope = bindScope(context.scope, { DESCEND, PRUNE, KEEP })
  const decide = compileExpression(checkExpression(expression), scope)
  const redact = (doc: Doc): Doc | undefined => {
    meter.tick()
    switch (decide(doc)) {
      case KEEP:
        return doc
      case PRUNE:
        return undefined
      case DESCEND:
        return descend(doc)
      default:
        throw refusal(
          'query_invalid',
          17053,
          '$redact takes an expression that gives $$DESCEND, $$PRUNE or $$KEEP.',
        )
    }
  }
  const descend = (doc: Doc): Doc => {
    const made: Doc = {}
    for (const key of Object.keys(doc)) {
      const value = inner(doc[key])
      if (value !== undefined) made[key] = value
    }
    return made
  }
  const inner = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(inner).filter((item) => item !== undefined)
    return isDoc(value) ? redact(value) : value
  }
  return function* (docs) {
    for (const doc of docs) {
      const kept = redact(doc)
      if (kept !== undefined) yield kept
    }
  }
}
