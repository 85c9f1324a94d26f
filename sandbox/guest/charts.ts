import type { Bridge } from './bridge.ts'

/** How the SDK writes a chart that is not drawn yet, up to the end of its element. */
const UNDRAWN = / data-spec='([^']*)'><\/lyceum-chart>/

const CHARACTERS = new Map([
  ['&amp;', '&'],
  ['&#39;', "'"],
  ['&lt;', '<'],
  ['&gt;', '>'],
])

/** What the host draws. */
interface Drawing {
  readonly svg: string
  /** The specification as Vega takes it, for the page to draw it again where it can be pointed at. */
  readonly vega: unknown
}

const { parse, stringify } = JSON

/** The markup of a view with its charts drawn, one after the other: they share what is left of the view's budget. */
export async function withCharts(markup: string, bridge: Bridge): Promise<string> {
  if (!markup.includes('</lyceum-chart>')) return markup
  // Whatever stands between charts, with the specifications at every other place.
  const parts = markup.split(UNDRAWN)
  for (let index = 1; index < parts.length; index += 2) {
    const spec = (parts[index] ?? '').replace(
      /&(?:amp|#39|lt|gt);/g,
      (entity) => CHARACTERS.get(entity) ?? entity,
    )
    // As the call that draws it takes it, so that the host need not look inside.
    const { svg, vega }: Drawing = parse(
      await bridge.call('chartDraw', stringify({ named: stringify({ spec }) })),
    )
    parts[index] = ` data-vega='${quoted(stringify(vega))}'>${svg}</lyceum-chart>`
  }
  return parts.join('')
}

/** JSON is full of double quotes, so it stands between single ones. */
function quoted(json: string): string {
  return json
    .replaceAll('&', '&amp;')
    .replaceAll("'", '&#39;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
}
