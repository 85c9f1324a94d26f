import type { EndpointSchema, HostSchema, PluginSchema } from './host-schema.ts'
import { resultType } from './result-type.ts'

const HEAD = [
  '// Written by `lyceum types`, and by dev, test and publish, from what there is. Changes here are overwritten.',
  '// Is something missing, or of before? Run: npx lyceum types --help',
]

/** The folder's own part: `self`, and the properties that the plugin derives. */
export function ownTypesText(schema: HostSchema, own: PluginSchema): string {
  const known = byName([...own.queries, ...own.views]).map(
    (endpoint) => `      readonly ${endpoint.name}: ${ownCall(endpoint, own)}`,
  )
  const properties = propertiesOf(schema, (name, description, providers) =>
    providers.includes(own.id)
      ? [...comment(description), `readonly '${name}': DerivedBy<Own['${exportOf(name)}']>`]
      : [],
  )
  return file(
    ['/// <reference path="./host.d.ts" />', ''],
    ['DerivedBy', 'OwnQueryCall', 'ResultOf', 'SelfOf', 'ViewCall'],
    [
      "type Own = typeof import('../plugin.js')",
      '',
      "declare module '@lyceum/sdk' {",
      '  interface Self extends SelfOf<',
      '    Own,',
      '    {',
      ...known,
      '    }',
      '  > {}',
      ...interfaceOf('KnownProps', properties),
      '}',
    ],
  )
}

/** The part of a host: its other plugins, common names, and derived properties. */
export function hostTypesText(schema: HostSchema, own: string): string {
  const plugins = byId(schema.plugins).flatMap((plugin) =>
    plugin.id === own
      ? [`readonly ${own}: Self`]
      : [
          `readonly ${plugin.id}: {`,
          '  readonly collection: CollectionCall',
          ...byName([...plugin.queries, ...plugin.views]).flatMap((endpoint) => [
            ...comment(endpoint.description).map(indented),
            `  readonly ${endpoint.name}: ${call(endpoint, plugin)}`,
          ]),
          '}',
        ],
  )
  const names = commonNames(schema).flatMap(({ name, endpoint, about }) => [
    ...comment(about),
    `readonly ${name}: QueryCall<${argumentsOf(endpoint)}${fromSample(endpoint)}>`,
  ])
  const properties = propertiesOf(schema, (name, description, providers) =>
    providers.includes(own) ? [] : [...comment(description), `readonly '${name}': Json`],
  )
  return file(
    [],
    ['CollectionCall', 'Json', 'QueryCall', 'Self', 'ViewCall'],
    [
      "declare module '@lyceum/sdk' {",
      ...interfaceOf('KnownPlugins', [...plugins, ...names]),
      ...interfaceOf('KnownProps', properties),
      '}',
    ],
  )
}

/** A host for programs outside, as `@lyceum/sdk/client` is typed by it. */
export function clientTypesText(schema: HostSchema): string {
  const ask = (endpoint: EndpointSchema) => `Ask<${argumentsOf(endpoint)}${fromSample(endpoint, 'string')}>`
  const plugins = byId(schema.plugins).flatMap(({ id, queries }) => [
    `readonly ${id}: {`,
    ...byName(queries).flatMap((query) => [
      ...comment(query.description).map(indented),
      `  readonly ${query.name}: ${ask(query)}`,
    ]),
    '}',
  ])
  const names = commonNames(schema).flatMap(({ name, endpoint, about }) => [
    ...comment(about),
    `readonly ${name}: ${ask(endpoint)}`,
  ])
  return file(
    [],
    [],
    [
      "import type { Ask } from '@lyceum/sdk/client'",
      '',
      '/** Of several hosts, say which: `connect<Plugins>(url, …)`. */',
      'export interface Plugins {',
      ...[...plugins, ...names].map(indented),
      '}',
      '',
      "declare module '@lyceum/sdk/client' {",
      '  interface HostPlugins extends Plugins {}',
      '}',
    ],
  )
}

/** The common names that somebody answers to. */
function commonNames({ names, plugins }: HostSchema) {
  return byName(names).flatMap(({ name, plugin: id, query }) => {
    const endpoint = plugins.find((known) => known.id === id)?.queries.find((known) => known.name === query)
    if (endpoint === undefined) return []
    return [{ name, endpoint, about: `The common name of \`${query}\` of ${id}. ${endpoint.description}` }]
  })
}

/** What stands for a host that nobody was asked about: whatever a handler names may be there. */
export const NO_HOST_TEXT = file([], [], ['export {}'])

function file(before: readonly string[], imports: readonly string[], lines: readonly string[]): string {
  const text = lines.join('\n')
  const used = imports.filter((name) => new RegExp(`\\b${name}\\b`).test(text))
  const importLine = used.length === 0 ? [] : [`import type { ${used.join(', ')} } from '@lyceum/sdk'`, '']
  return [...HEAD, ...before, ...importLine, ...lines, ''].join('\n')
}

function interfaceOf(name: string, members: readonly string[]): string[] {
  if (members.length === 0) return []
  return [`  interface ${name} {`, ...members.map((line) => `    ${line}`), '  }']
}

function ownCall(endpoint: EndpointSchema, own: PluginSchema): string {
  if (own.views.includes(endpoint)) return call(endpoint, own)
  // What follows from another query's type, or its own, could follow from itself.
  const result = endpoint.asksSelf ? fromSample(endpoint) : `, ResultOf<Own['${endpoint.name}']>`
  return `OwnQueryCall<${argumentsOf(endpoint)}${result}>`
}

function call(endpoint: EndpointSchema, { views }: PluginSchema): string {
  return views.includes(endpoint)
    ? `ViewCall<${argumentsOf(endpoint)}>`
    : `QueryCall<${argumentsOf(endpoint)}${fromSample(endpoint)}>`
}

/** What a query resolves with, as the last argument of a type. */
function fromSample({ sample }: EndpointSchema, dates: 'string' | 'Date | string' = 'Date | string'): string {
  const type = resultType(sample, dates)
  return type === 'unknown' ? '' : `, ${type}`
}

function argumentsOf({ dimensions, params }: EndpointSchema): string {
  const members = [
    ...dimensions.map((name) => `readonly ${name}${name === 'user' ? '?' : ''}: string`),
    ...Object.entries(params).map(
      ([name, param]) => `readonly ${name}${param.required ? '' : '?'}: ${typeOf(param)}`,
    ),
  ]
  return members.length === 0 ? 'Record<string, never>' : `{ ${members.join('; ')} }`
}

function typeOf({ type, values = [] }: EndpointSchema['params'][string]): string {
  if (type === 'date') return 'Date | string'
  return type === 'enum' ? values.map(quoted).join(' | ') : type
}

/** A text of somebody else's as a literal, with nothing in it that an editor would obey. */
function quoted(text: string): string {
  return JSON.stringify(text).replace(
    /[\p{C}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
  )
}

function comment(description: string): string[] {
  const text = description
    .replace(/[\p{C}\s]+/gu, ' ')
    .replaceAll('*/', '*\\/')
    .trim()
  return text === '' ? [] : [`/** ${text} */`]
}

function propertiesOf(
  { properties }: HostSchema,
  lines: (name: string, description: string, providers: readonly string[]) => string[],
): string[] {
  return byName(properties).flatMap(({ name, providers }) =>
    lines(
      name,
      providers[0]?.description ?? '',
      providers.map(({ plugin }) => plugin),
    ),
  )
}

/** `tincan.actor` → `actor` */
function exportOf(property: string): string {
  return property.slice(property.indexOf('.') + 1)
}

function byName<Named extends { readonly name: string }>(list: readonly Named[]): Named[] {
  return list.toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

function byId<Identified extends { readonly id: string }>(list: readonly Identified[]): Identified[] {
  return list.toSorted((a, b) => (a.id < b.id ? -1 : 1))
}

function indented(line: string): string {
  return `  ${line}`
}
