/** How the host draws every chart alike. Another version of Lyceum may do it otherwise, which changes no result. */
const OF_THE_HOST: ReadonlySet<string> = new Set([
  '$schema',
  'autosize',
  'background',
  'config',
  'padding',
  'style',
])

/**
 * Of a view's charts their description, their data and what is drawn of them, and their table: the drawing follows
 * from those.
 */
export function withoutDrawings(markup: string): string {
  return markup
    .replace(/(<lyceum-chart\b[^>]*>)<svg.*?<\/svg>/gs, '$1')
    .replace(/ data-vega='([^']*)'/g, (whole, json: string) => shown(json) ?? whole)
}

/** In JSON that stands in an attribute all of what matters here is as it is: the keys, brackets and quotes. */
function shown(json: string): string | undefined {
  let vega: unknown
  try {
    vega = JSON.parse(json)
  } catch {
    return undefined // no chart of the SDK's: whoever wrote that sees it as it is
  }
  if (typeof vega !== 'object' || vega === null) return undefined
  const parts = Object.entries(vega).filter(([key]) => !OF_THE_HOST.has(key))
  const lines = parts.map(([key, value]) => `  ${JSON.stringify(key)}: ${JSON.stringify(value)}`)
  return ` data-vega='{\n${lines.join(',\n')}\n}'`
}
