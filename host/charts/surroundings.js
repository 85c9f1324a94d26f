// What Vega expects around it, and an isolate has not.

/** Copies specifications: objects and lists. What else they hold is not changed by anybody, and is shared. */
globalThis.structuredClone ??= (value) => {
  if (Array.isArray(value)) return value.map(structuredClone)
  if (value === null || typeof value !== 'object' || Object.getPrototypeOf(value) !== Object.prototype)
    return value
  return Object.fromEntries(Object.entries(value).map(([key, inside]) => [key, structuredClone(inside)]))
}
/** A picture is drawn once: what would happen later never does. */
for (const name of ['setTimeout', 'setInterval', 'setImmediate']) globalThis[name] ??= () => 0
