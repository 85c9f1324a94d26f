import { z } from 'zod'
import { authorisePlugin } from '../auth/dimensions.ts'
import { type Caller, ROLES } from '../auth/tokens.ts'
import { LyceumError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import type { Catalogue, StoredEndpoint, VersionRow } from './catalogue.ts'
import { checkProperties } from './derived-properties.ts'
import { didYouMean } from './manifest-names.ts'
import { parsePackage } from './package.ts'
import { placeOf, placeText, type Reading, readBundle } from './read-bundle.ts'
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

export interface PublishServices extends Reading {
  readonly catalogue: Catalogue
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
      `The plugin ${id} belongs to somebody else. Choose another name in package.json, or let its owner or an admin publish this.`,
    )
  const alike = known === undefined && services.catalogue.plugins().find((row) => isAlike(row.id, id))
  if (alike)
    throw new LyceumError(
      'package_invalid',
      `There is a plugin "${alike.id}" here, and "${id}" differs from it in capitals only. Choose another "name" in package.json.`,
    )
  if (body.sourceMap.length > LIMITS.sourceMapBytes)
    throw new LyceumError(
      'bundle_too_large',
      `The source map has more than ${LIMITS.sourceMapBytes} bytes. Leave out a large package.`,
    )
  const bundle = Buffer.from(body.bundle)
  const { hash, stored, places, warnings, samples } = await readBundle(id, bundle, body.sourceMap, services)
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

/** Some file systems tell no capitals from small letters: the data of both would lie in the same files. */
function isAlike(id: string, other: string): boolean {
  return id.toLowerCase() === other.toLowerCase()
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
