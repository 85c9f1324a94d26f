/**
 * Reads what authors send and guests report: manifests, source maps, stack traces. It works on hostile
 * text, so it runs in a process that may be killed.
 */
import { type Frame, splitPayload } from '../../process/frame.ts'
import { serve } from '../../process/serve.ts'
import { failureFrom } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { type Checked, CheckerKind, MAPS_KEPT } from './checker-protocol.ts'
import { describeEndpoints } from './descriptions.ts'
import { readManifest } from './manifest.ts'
import { decodeSourceMap, mapStack, type SourceMap } from './source-map.ts'

/** The maps that were sent last: an author who errs once errs again. */
const maps = new Map<string, SourceMap>()

/** Keeps a map that is sent, as the host expects it. One that cannot be read maps nothing, however often. */
function sourceMapOf(name: string, text: string): SourceMap | undefined {
  if (text === '') return maps.get(name)
  maps.delete(name)
  for (const oldest of maps.keys()) if (maps.size >= MAPS_KEPT) maps.delete(oldest)
  const map = decodeSourceMap(text)
  maps.set(name, map)
  return map
}

function check(bundle: string, sourceMapText: string): Checked {
  const sourceMap = sourceMapText === '' ? undefined : decodeSourceMap(sourceMapText)
  const { endpoints, warnings } = readManifest(bundle, {
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
    warnings,
  }
}

function answer(frame: Frame): string {
  const { control, bytes } = splitPayload(frame.payload)
  const [first = '', second = ''] = JSON.parse(control) as string[]
  switch (frame.kind) {
    case CheckerKind.check:
      return JSON.stringify(check(bytes.toString(), first))
    case CheckerKind.mapStack:
      return mapStack(sourceMapOf(first, bytes.toString()), second)
    default:
      throw new Error(`a frame of kind ${frame.kind}`)
  }
}

serve(LIMITS.frameBytes, answer, (error) => failureFrom(error, (stack) => process.stderr.write(`${stack}\n`)))
