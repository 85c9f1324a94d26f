import { LyceumError } from '../errors.ts'
import type { Catalogue, StoredEndpoint } from './catalogue.ts'
import { didYouMean } from './manifest-names.ts'
import { parseOptions } from './options.ts'
import { derivedName, HOST_PROPS, keyOf } from './property-names.ts'

/** The need of a plugin that provides what stands under a key of `event.props`. */
export function providingNeed(name: string): string {
  return `property.${keyOf(name)}`
}

/** What endpoints need for derived properties: to provide them, `property.tincan`, and to see them, `props.tincan.actor`. */
export function propertyNeeds(endpoints: readonly StoredEndpoint[]): string[] {
  return [
    ...providedBy(endpoints).map(providingNeed),
    ...askedBy(endpoints).map(({ name }) => `props.${name}`),
  ]
}

/**
 * Checks what no endpoint's options can tell alone: that nothing provides the place of a property of the host, and
 * that somebody provides what handlers ask for.
 * @throws {LyceumError} options_refused
 */
export function checkProperties(endpoints: readonly StoredEndpoint[], catalogue: Catalogue): void {
  const own = providedBy(endpoints)
  const taken = own.find((name) => HOST_PROPS.includes(name))
  if (taken !== undefined)
    throw new LyceumError(
      'options_refused',
      `\`${taken}\` would take the place of the host's own \`event.props.${taken}\`. Choose another name, or put it into a namespace: property({ namespace: '…' }, …).`,
      { endpoint: taken },
    )
  const asked = askedBy(endpoints).filter(({ name }) => !own.includes(name))
  if (asked.length === 0) return
  const known = approvedProperties(catalogue)
  const unknown = asked.find(({ name }) => !known.includes(name))
  if (unknown !== undefined)
    throw new LyceumError(
      'options_refused',
      `No plugin here provides the property "${unknown.name}".${didYouMean(unknown.name, known)} Publish the one that does first, and have it approved.`,
      { endpoint: unknown.endpoint },
    )
}

/** All properties that approved plugins provide. Asked at a publish: only these few versions are read. */
function approvedProperties(catalogue: Catalogue): string[] {
  return catalogue.plugins().flatMap(({ id, activeVersion, granted }) => {
    const provides = activeVersion !== undefined && granted.some((need) => need.startsWith('property.'))
    return provides ? providedBy(catalogue.version(id, activeVersion)?.endpoints ?? []) : []
  })
}

function providedBy(endpoints: readonly StoredEndpoint[]): string[] {
  return endpoints
    .filter(({ kind }) => kind === 'property')
    .map(({ name, options }) => derivedName(parseOptions('property', name, options).namespace, name))
}

function askedBy(endpoints: readonly StoredEndpoint[]): { endpoint: string; name: string }[] {
  return endpoints
    .filter(({ kind }) => kind === 'onEvent')
    .flatMap((endpoint) =>
      parseOptions('onEvent', endpoint.name, endpoint.options).props.map((name) => ({
        endpoint: endpoint.name,
        name,
      })),
    )
}
