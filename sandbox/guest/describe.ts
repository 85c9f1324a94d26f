/** What the host reads from the scratch load of a version: each export's kind and options, as plain data. */
export interface Described {
  readonly name: string
  readonly kind: unknown
  readonly options: unknown
}

/** Lists the endpoints of a plugin's module. The host checks every part of it again. */
export function describeEndpoints(plugin: Readonly<Record<string, unknown>>): Described[] {
  return Object.keys(plugin).map((name) => {
    const endpoint = plugin[name]
    return typeof endpoint === 'object' && endpoint !== null
      ? { name, kind: Reflect.get(endpoint, 'kind'), options: Reflect.get(endpoint, 'options') ?? {} }
      : { name, kind: undefined, options: {} }
  })
}
