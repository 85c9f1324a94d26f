/** What `JSON.parse` gives for `{…}`: own keys only, `__proto__` among them if it was sent. */
export type JsonObject = Record<string, unknown>

/** True for an object that is neither an array nor null. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** True where objects and arrays are nested more than `levels` deep. Stops at the first that is. */
export function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (levels === 0) return true
  if (Array.isArray(value)) {
    for (const item of value) if (isDeeperThan(item, levels - 1)) return true
    return false
  }
  for (const key in value) if (isDeeperThan((value as JsonObject)[key], levels - 1)) return true
  return false
}

/** A trimmed string with something in it; undefined for everything else. */
export function nonBlank(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined
  const trimmed = value.trim()
  return trimmed === '' ? undefined : trimmed
}
