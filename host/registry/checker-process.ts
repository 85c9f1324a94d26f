/**
 * Reads what authors send and guests report: manifests, source maps, stack traces. It works on hostile
 * text, so it runs in a process that may be killed.
 */
import { type Frame, splitPayload } from '../../process/frame.ts'
import { serve } from '../../process/serve.ts'
import { failureFrom } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { type Checked, CheckerKind } from './checker-protocol.ts'
import { describeEndpoints } from './descriptions.ts'
import { readManifest } from './manifest.ts'
import { decodeSourceMap, mapStack, type SourceMap } from './source-map.ts'

/** The map that was used last: an author who errs once errs again. */
let last: { readonly text: string; readonly map: SourceMap } | undefined

function sourceMapOf(text: string): SourceMap | undefined {
  if (text === '') return undefined
  if (last?.text !== text) last = { text, map: decodeSourceMap(text) }
  return last.map
}

function check(bundle: string, sourceMapText: string): Checked {
  const sourceMap = sourceMapOf(sourceMapText)
  const { endpoints } = readManifest(bundle, {
    ...(sourceMap && { sourceMap }),
    bundleBytes: LIMITS.bundleBytes,
  })
  const descriptions =
    sourceMap === undefined ? new Map<string, string>() : describeEndpoints(sourceMap, endpoints)
  return {
    endpoints: endpoints.map((endpoint) => ({
      ...endpoint,
      description: descriptions.get(endpoint.name) ?? '',
    })),
  }
}

function answer(frame: Frame): string {
  const { control, bytes } = splitPayload(frame.payload)
  const [first = '', second = ''] = JSON.parse(control) as string[]
  switch (frame.kind) {
    case CheckerKind.check:
      return JSON.stringify(check(bytes.toString(), first))
    case CheckerKind.mapStack:
      return mapStack(sourceMapOf(first), second)
    default:
      throw new Error(`a frame of kind ${frame.kind}`)
  }
}

serve(LIMITS.frameBytes, answer, (error) => failureFrom(error, (stack) => process.stderr.write(`${stack}\n`)))
