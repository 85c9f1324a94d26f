import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { PluginCode, Supervisor } from '../../sandbox/supervisor.ts'
import { isErrorCode, LyceumError } from '../errors.ts'
import { hintFor } from '../hints.ts'
import { LIMITS, QUOTA_DEFAULTS } from '../limits.ts'
import type { StoredEndpoint } from './catalogue.ts'
import type { Checker } from './checker.ts'
import { optionsRefused, parseOptions } from './options.ts'
import { defaultProblems } from './params.ts'
import type { Samples } from './samples.ts'
import type { SourcePosition } from './source-map.ts'

/** What reads a bundle: a process that parses it, and sandboxes that load it. */
export interface Reading {
  readonly checker: Checker
  readonly supervisor: Supervisor
}

/** What is known of a bundle when it was read. */
export interface ReadBundle {
  readonly hash: string
  readonly stored: StoredEndpoint[]
  /** Where each endpoint stands in the author's files. */
  readonly places: ReadonlyMap<string, SourcePosition>
  /** Sentences about what will not work in packages that it holds. */
  readonly warnings: readonly string[]
  /** Those of options. */
  readonly samples: Samples
}

const Described = z.array(z.object({ name: z.string(), kind: z.unknown(), options: z.unknown() }))

/**
 * The endpoints of a bundle: what its text asks for, and the options that it has when it is loaded, in an isolate
 * of its own. Whether there is what it asks for is not looked at.
 * @throws {LyceumError} what the author has to change, and where
 */
export async function readBundle(
  id: string,
  bundle: Buffer,
  sourceMap: string,
  services: Reading,
): Promise<ReadBundle> {
  const { endpoints, warnings } = await services.checker.check(id, bundle, sourceMap)
  const hash = createHash('sha256').update(bundle).digest('hex')
  const described = await scratchLoad({ plugin: id, hash, bundle }, sourceMap, services)
  const samples = new Map<string, unknown>()
  const stored = endpoints.map((endpoint): StoredEndpoint => {
    const found = described.get(endpoint.name)
    if (found?.kind !== endpoint.kind)
      throw new LyceumError(
        'manifest_refused',
        `${placeText(endpoint)}: \`${endpoint.name}\` reads like a ${endpoint.kind}, but is something else when it runs. Write \`export const ${endpoint.name} = ${endpoint.kind}(…)\`.`,
        { place: placeOf(endpoint) },
      )
    const parsed = parseOptions(endpoint.kind, endpoint.name, found.options, endpoint)
    const problems = 'params' in parsed ? defaultProblems(parsed.params) : []
    if (problems.length > 0) throw optionsRefused(endpoint.kind, endpoint.name, problems, endpoint)
    if ('sample' in parsed && parsed.sample !== undefined) samples.set(endpoint.name, parsed.sample)
    const { name, kind, facilities, dimensions, plugins, replicas, description, codeHash, at } = endpoint
    return {
      name,
      kind,
      facilities: [...facilities],
      dimensions: [...dimensions],
      plugins: [...plugins],
      replicas: [...replicas],
      description,
      codeHash,
      at,
      options: withoutSample(found.options),
    }
  })
  return {
    hash,
    stored,
    places: new Map(endpoints.map((endpoint) => [endpoint.name, endpoint])),
    warnings,
    samples,
  }
}

/** Samples are kept by themselves: whoever looks at a version has no need of them. */
function withoutSample(options: unknown): unknown {
  if (typeof options !== 'object' || options === null || !('sample' in options)) return options
  const { sample: _, ...rest } = options
  return rest
}

export function placeOf({ source, line, column }: SourcePosition): SourcePosition {
  return { source, line, column }
}

/** `plugin.ts:3:20` */
export function placeText({ source, line, column }: SourcePosition): string {
  return `${source}:${line}:${column}`
}

const LOOK = 'Look for a loop outside the handlers, at the top level of plugin.ts.'
const TOO_LONG = `Loading the plugin takes more than ${LIMITS.scratchLoadMs} ms of CPU time, or ${LIMITS.scratchLoadWallMs} ms in all. ${LOOK}`
/** What a limit means while a plugin loads: the advice for a call would not help. */
const ENDLESS_LOADS: ReadonlyMap<string, string> = new Map([
  ['over_cpu', TOO_LONG],
  ['over_wall', TOO_LONG],
  ['over_memory', `Loading the plugin ran out of memory. ${LOOK}`],
])

/** Runs the top level of the bundle in an isolate of its own that may ask for nothing, and reads all options. */
async function scratchLoad(
  code: Omit<PluginCode, 'load'>,
  sourceMap: string,
  { supervisor, checker }: Reading,
): Promise<Map<string, z.infer<typeof Described>[number]>> {
  const load = {
    memoryMb: QUOTA_DEFAULTS.memoryMb,
    cpuMs: LIMITS.scratchLoadMs,
    wallMs: LIMITS.scratchLoadWallMs,
  }
  const scratch: PluginCode = { ...code, load }
  const budget = {
    cpuMs: load.cpuMs,
    wallMs: load.wallMs,
    ops: 0,
    bytes: 0,
    outputBytes: LIMITS.optionsBytes,
  }
  const { result, failure } = await supervisor.runAlone({
    code: scratch,
    input: '{}',
    request: {
      endpoint: '',
      kind: 'describe',
      budget,
      nowMs: Date.now(),
      eachEvent: false,
      plainJson: true,
      traceWrites: false,
    },
    onOp: (op) => op.refuse({ code: 'op_denied', message: 'Nothing may be asked for while a plugin loads.' }),
  })
  if (failure?.code === 'over_output')
    throw new LyceumError(
      'options_refused',
      `The options of all endpoints together are larger than ${LIMITS.optionsBytes} bytes, and everybody's pages hold them. Shorten samples, lists of values and descriptions.`,
    )
  if (failure !== undefined) {
    const stack =
      failure.stack === undefined
        ? undefined
        : await checker.mapStack(
            code.plugin,
            { name: `${code.plugin} ${code.hash}`, read: () => sourceMap },
            failure.stack,
          )
    const refused =
      isErrorCode(failure.code) && failure.code !== 'plugin_failed' ? failure.code : 'bundle_broken'
    const hint = hintFor(failure.message)
    const message = hint === undefined ? failure.message : `${failure.message}. ${hint}`
    throw new LyceumError(
      refused,
      ENDLESS_LOADS.get(failure.code) ?? message,
      stack === undefined ? undefined : { stack },
    )
  }
  const described = Described.safeParse(jsonOf(result))
  if (!described.success)
    throw new LyceumError(
      'bundle_broken',
      'The options of the endpoints could not be read. Write them as plain values.',
    )
  return new Map(described.data.map((endpoint) => [endpoint.name, endpoint]))
}

function jsonOf(result: Buffer): unknown {
  try {
    return JSON.parse(result.toString())
  } catch {
    return undefined
  }
}
