import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { PluginCode, Supervisor } from '../../sandbox/supervisor.ts'
import { authorisePlugin } from '../auth/dimensions.ts'
import { type Caller, ROLES } from '../auth/tokens.ts'
import { isErrorCode, LyceumError } from '../errors.ts'
import { hintFor } from '../hints.ts'
import { LIMITS, QUOTA_DEFAULTS } from '../limits.ts'
import type { Catalogue, StoredEndpoint, VersionRow } from './catalogue.ts'
import type { Checker } from './checker.ts'
import { checkProperties } from './derived-properties.ts'
import { didYouMean } from './manifest-names.ts'
import { parseOptions } from './options.ts'
import { parsePackage } from './package.ts'
import { areSmall, Samples } from './samples.ts'
import type { SourcePosition } from './source-map.ts'
import { commonNamesOf, needsOf } from './version.ts'

/** The body of a publish, as the author's command line sends it. */
export const PublishBody = z.object({
  /** One ESM file. */
  bundle: z.string().min(1),
  /** Its version 3 source map, as text; '' for none. */
  sourceMap: z.string().default(''),
  /** The author's package.json. */
  package: z.unknown(),
  /** What queries return, by their names, as `lyceum test --update` recorded it. */
  samples: z.record(z.string(), z.unknown()).optional(),
})
export type PublishBody = z.infer<typeof PublishBody>

/** A version that passed all checks. */
export interface CheckedVersion {
  readonly row: VersionRow
  readonly code: { readonly bundle: Buffer; readonly sourceMap: string }
  readonly owner: string
  /** What it wants to reach beyond its own room. */
  readonly needs: readonly string[]
  readonly samples: Samples
  /** Sentences about what will not work in packages that it holds. */
  readonly warnings: readonly string[]
}

const Described = z.array(z.object({ name: z.string(), kind: z.unknown(), options: z.unknown() }))

export interface PublishServices {
  readonly catalogue: Catalogue
  readonly checker: Checker
  readonly supervisor: Supervisor
  /** The names of the replicas that are configured. */
  readonly replicas: readonly string[]
}

/**
 * Checks a version: package.json, manifest, a scratch load without capabilities, options. Nothing is kept.
 * @throws {LyceumError} what the author has to change, and where
 */
export async function checkVersion(
  body: PublishBody,
  id: string,
  caller: Caller,
  services: PublishServices,
): Promise<CheckedVersion> {
  const about = parsePackage(body.package)
  if (about.name !== id)
    throw new LyceumError(
      'package_invalid',
      `package.json says "name": "${about.name}", but this publishes ${id}. Make them the same.`,
    )
  const known = services.catalogue.plugin(id)
  const owner = known?.owner ?? ownerOf(caller)
  authorisePlugin(caller, id)
  if (!mayChange(owner, caller))
    throw new LyceumError(
      'plugin_denied',
      `The plugin ${id} belongs to somebody else. Choose another name in package.json.`,
    )
  if (body.sourceMap.length > LIMITS.sourceMapBytes)
    throw new LyceumError(
      'bundle_too_large',
      `The source map has more than ${LIMITS.sourceMapBytes} bytes. Leave out a large package.`,
    )
  const bundle = Buffer.from(body.bundle)
  const { hash, stored, places, warnings, samples } = await readEndpoints(
    id,
    bundle,
    body.sourceMap,
    services,
  )
  try {
    checkNames(id, stored, services.catalogue)
    checkReplicas(stored, services.replicas)
    checkProperties(stored, services.catalogue)
  } catch (error) {
    throw error instanceof LyceumError ? placed(error, places.get(String(error.details?.endpoint))) : error
  }
  return {
    row: {
      plugin: id,
      version: about.version,
      hash,
      title: about.title ?? id,
      description: about.description ?? '',
      endpoints: stored,
      publishedMs: Date.now(),
      publishedBy: ownerOf(caller),
    },
    code: { bundle, sourceMap: body.sourceMap },
    owner,
    needs: needsOf({ plugin: id, endpoints: stored }),
    samples: allSamples(stored, samples, body.samples),
    warnings,
  }
}

/**
 * The endpoints of a bundle: what its text asks for, and the options that it has when it is loaded, in an isolate
 * of its own. Whether there is what it asks for is not looked at.
 * @throws {LyceumError} what the author has to change, and where
 */
export async function readEndpoints(
  id: string,
  bundle: Buffer,
  sourceMap: string,
  services: Pick<PublishServices, 'checker' | 'supervisor'>,
): Promise<{
  hash: string
  stored: StoredEndpoint[]
  places: ReadonlyMap<string, SourcePosition>
  warnings: readonly string[]
  /** Those of options. */
  samples: Samples
}> {
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

/** Those of options win over what was recorded; one of a query that is gone is left out. */
function allSamples(endpoints: readonly StoredEndpoint[], own: Samples, recorded: unknown): Samples {
  const parsed = Samples.safeParse(recorded ?? {})
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw samplesRefused(`${issue?.path.join('.')}: ${issue?.message}`)
  }
  const queries = endpoints.filter(({ kind }) => kind === 'query')
  const samples = new Map(
    queries.flatMap(({ name }) => {
      const sample = own.get(name) ?? parsed.data.get(name)
      return sample === undefined ? [] : [[name, sample] as const]
    }),
  )
  if (!areSmall(samples)) throw samplesRefused(`all together are larger than ${LIMITS.samplesBytes} bytes`)
  return samples
}

function samplesRefused(what: string): LyceumError {
  return new LyceumError(
    'options_refused',
    `The samples of queries: ${what}. Write a smaller one in query({ sample: … }, …), or delete samples.json and run lyceum test --update.`,
  )
}

/** @throws {LyceumError} where it asks for plugins that are not there, or has common names that cannot be */
function checkNames(id: string, endpoints: readonly StoredEndpoint[], catalogue: Catalogue): void {
  const names = commonNamesOf(endpoints)
  catalogue.refuseNames(id, names)
  for (const [index, name] of names.entries()) {
    if (name === id || names.indexOf(name) < index)
      throw new LyceumError(
        'options_refused',
        name === id
          ? `The common name "${name}" is the plugin's own id. Choose another in names: [ … ].`
          : `Two queries have the common name "${name}". Only one can answer to it: choose another in names: [ … ].`,
      )
  }
  for (const { endpoint, name } of endpoints.flatMap(asking('plugins'))) {
    const isThere = catalogue.plugin(name) !== undefined || catalogue.names.get(name) !== undefined
    if (isThere || name === 'self' || name === id || names.includes(name)) continue
    const known = [...catalogue.plugins(), ...catalogue.names.all().map(({ name }) => ({ id: name }))]
    const meant = didYouMean(name, ['self', ...known.map((plugin) => plugin.id)])
    throw new LyceumError(
      'manifest_refused',
      `There is no plugin or common name "${name}" here, which \`${endpoint}\` asks for.${meant} Publish it first, or check the name in plugins: { ${name} }.`,
      { missing: name, endpoint },
    )
  }
}

/** @throws {LyceumError} where an endpoint asks for a replica that is not configured */
function checkReplicas(endpoints: readonly StoredEndpoint[], known: readonly string[]): void {
  const asked = endpoints.flatMap(asking('replicas')).find(({ name }) => !known.includes(name))
  if (asked === undefined) return
  const { name, endpoint } = asked
  const offer =
    known.length === 0
      ? 'No replica is configured here: an admin does that with LYCEUM_REPLICAS.'
      : `There is: ${known.join(', ')}.${didYouMean(name, known)}`
  throw new LyceumError(
    'manifest_refused',
    `There is no replica "${name}" here, which \`${endpoint}\` asks for with replica: { ${name} }. ${offer}`,
    { endpoint },
  )
}

/** What an endpoint names, with its own name. */
function asking(what: 'plugins' | 'replicas') {
  return (endpoint: StoredEndpoint) => endpoint[what].map((name) => ({ endpoint: endpoint.name, name }))
}

function placeOf({ source, line, column }: SourcePosition): SourcePosition {
  return { source, line, column }
}

/** `plugin.ts:3:20` */
function placeText({ source, line, column }: SourcePosition): string {
  return `${source}:${line}:${column}`
}

/** A refusal that says where in the plugin it is about, where that is known. */
function placed(error: LyceumError, place: SourcePosition | undefined): LyceumError {
  if (place === undefined) return error
  const details = { ...error.details, place: placeOf(place) }
  return new LyceumError(error.code, `${placeText(place)}: ${error.message}`, details)
}

/** Whom a plugin belongs to that this caller publishes. */
export function ownerOf(caller: Caller): string {
  return caller.user ?? caller.role
}

/**
 * Whether a plugin of this owner is the caller's to change. A token that names nobody owns as its role, so a
 * person who is called like a role owns nothing: else a user named `admin` would own what admins published.
 */
export function mayChange(owner: string, caller: Caller): boolean {
  if (caller.role === 'admin') return true
  const namedLikeRole = ROLES.some((role) => role === caller.user)
  return owner === ownerOf(caller) && !namedLikeRole
}

const LOOK = 'Look for a loop outside the handlers, at the top level of plugin.ts.'
const TOO_LONG = `Loading the plugin takes more than ${LIMITS.scratchLoadMs} ms of CPU time, or twice that in all. ${LOOK}`
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
  { supervisor, checker }: Pick<PublishServices, 'checker' | 'supervisor'>,
): Promise<Map<string, z.infer<typeof Described>[number]>> {
  const load = {
    memoryMb: QUOTA_DEFAULTS.memoryMb,
    cpuMs: LIMITS.scratchLoadMs,
    wallMs: LIMITS.scratchLoadMs * 2,
  }
  const scratch: PluginCode = { ...code, load }
  const budget = { cpuMs: load.cpuMs, wallMs: load.wallMs, ops: 0, bytes: 0, outputBytes: LIMITS.bundleBytes }
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
