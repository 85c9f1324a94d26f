// What draws a chart. It runs in an isolate, behind Vega and Vega-Lite, and imports nothing: bundle.ts puts the parts
// together. The specification is a plugin's, and hostile; whatever it does here costs that plugin's own isolate.
/* global vega, vegaLite, expressionInterpreter, LIMITS */

/** Where nobody has measured the page: browsers draw it anew in the width that there is. */
const WIDTH_PX = 640

/** One theme for light and dark pages: colours are the page's own. */
const TEXT = 'currentColor'
const COLOURS = [
  'var(--chart-1, #2f6fc4)',
  'var(--chart-2, #c2570c)',
  'var(--chart-3, #2e8540)',
  'var(--chart-4, #8a4fbf)',
  'var(--chart-5, #b8336a)',
  'var(--chart-6, #0e7c86)',
  'var(--chart-7, #7a6a00)',
  'var(--chart-8, #5c6670)',
]
/** More than anybody tells apart; but two are never the same. */
const MORE_COLOURS = COLOURS.map((colour) => `color-mix(in srgb, ${colour} 55%, ${TEXT})`)
const LABELS = {
  labelColor: TEXT,
  titleColor: TEXT,
  titleFontWeight: 'normal',
  labelFontSize: 12,
  titleFontSize: 12,
}
const THEME = {
  background: null,
  padding: 4,
  font: 'system-ui, sans-serif',
  mark: { color: COLOURS[0] },
  // A day among those of years is narrower than anything that is seen.
  bar: { minBandSize: 2 },
  text: { color: TEXT },
  rule: { color: TEXT },
  view: { stroke: null, continuousHeight: 240, discreteHeight: { step: 26 } },
  axis: {
    ...LABELS,
    titlePadding: 8,
    labelSeparation: 8,
    labelLimit: 204,
    gridColor: TEXT,
    gridOpacity: 0.15,
    domainColor: TEXT,
    domainOpacity: 0.4,
    tickColor: TEXT,
    tickOpacity: 0.4,
  },
  axisXQuantitative: { tickCount: 8 },
  legend: { ...LABELS, orient: 'bottom', columns: 3, labelLimit: 180 },
  title: { color: TEXT, subtitleColor: TEXT },
  header: { labelColor: TEXT, titleColor: TEXT },
  range: { category: [...COLOURS, ...MORE_COLOURS] },
}
/** What has a width of its own for each of its parts. */
const COMPOSITE = ['facet', 'hconcat', 'vconcat', 'concat', 'repeat']
/** Channels that make a chart for each value. */
const FACETS = ['facet', 'row', 'column']
/** Of what has parts nothing but its parts has a width: fitted, it would have none, and not be seen. */
const FITTED = {
  autosize: { type: 'fit-x', contains: 'padding' },
  legend: {
    ...THEME.legend,
    layout: { bottom: { anchor: 'start', frame: 'bounds' } },
    columns: { signal: 'clamp(floor((containerSize()[0] || max(width, 640)) / 160), 1, 3)' },
  },
}

export const draw = {
  /** @param {{ spec?: unknown }} chart a Vega-Lite specification as JSON; the SDK puts its title into `usermeta` */
  async handler({ spec: text }) {
    const spec = JSON.parse(String(text))
    if (!isObject(spec)) throw new TypeError('A Vega-Lite specification is an object.')
    try {
      return await drawn(spec)
    } catch (error) {
      const title = isObject(spec.usermeta) ? spec.usermeta.title : undefined
      // A page may have many charts.
      if (typeof title === 'string' && error instanceof Error)
        error.message += ` (In “${title.slice(0, 100)}”.)`
      throw error
    }
  },
}

async function drawn(spec) {
  if (Array.isArray(spec.marks))
    throw new TypeError('This is a specification of Vega. Write one of Vega-Lite.')
  countRows(spec)
  const isComposite =
    COMPOSITE.some((key) => key in spec) ||
    (isObject(spec.encoding) && FACETS.some((channel) => channel in spec.encoding))
  const fills = spec.width === undefined && !isComposite
  const config = {
    ...THEME,
    ...(!isComposite && FITTED),
    ...(fills && { view: { ...THEME.view, continuousWidth: WIDTH_PX } }),
  }
  const sized = fills ? { ...spec, width: 'container' } : spec
  const compiled = vegaLite.compile(sized, { config, logger: loggerTo(() => {}) }).spec
  return { svg: await svgOf(compiled), vega: compiled }
}

async function svgOf(compiled) {
  let problem
  // Vega goes on without what it could not load.
  const refuse = async (address) => {
    problem ??= loadsNothing(address)
    throw problem
  }
  // Expressions are interpreted, as they are in browsers, so that no text becomes code.
  const view = new vega.View(vega.parse(compiled, {}, { ast: true }), {
    renderer: 'none',
    expr: expressionInterpreter,
    loader: { load: refuse, sanitize: refuse, http: refuse, file: refuse },
    logger: loggerTo((error) => {
      problem ??= error
    }),
  })
  await view.runAsync()
  if (problem !== undefined) throw problem
  checkMarks(view.scenegraph().root)
  const svg = await view.toSVG()
  if (problem !== undefined) throw problem
  if (svg.length > LIMITS.chartSvgBytes)
    throw new RangeError(
      `The picture has ${svg.length} characters, and may have ${LIMITS.chartSvgBytes}. Show fewer rows, or sums of them.`,
    )
  return svg
}

function loadsNothing(address) {
  return new TypeError(
    `A chart loads nothing, but this one asks for ${JSON.stringify(String(address).slice(0, 100))}. Give the data as rows, and leave out links and images.`,
  )
}

function countRows({ data, datasets }) {
  const sets = isObject(datasets) ? Object.values(datasets) : []
  for (const values of [isObject(data) ? data.values : undefined, ...sets])
    if (Array.isArray(values) && values.length > LIMITS.chartRows)
      throw new RangeError(
        `It has ${values.length} rows, and may have ${LIMITS.chartRows}. Add them up in the query, for example by day.`,
      )
}

/**
 * Looks at all marks before anything is made of them: a sequence is short to write, and long to print. And whoever
 * draws an image waits for it.
 */
function checkMarks(root) {
  let marks = 0
  const waiting = [root]
  for (let item = waiting.pop(); item !== undefined; item = waiting.pop()) {
    marks += 1
    if (marks > LIMITS.chartMarks)
      throw new RangeError(
        `It draws more than ${LIMITS.chartMarks} marks. Show fewer rows, or sums of them, for example by day.`,
      )
    const address = item.href ?? (item.mark?.marktype === 'image' ? item.url : undefined)
    if (address !== undefined && address !== null) throw loadsNothing(address)
    for (const inside of item.items ?? []) waiting.push(inside)
  }
}

function loggerTo(onError) {
  const logger = {
    level: () => logger,
    error: (...messages) => {
      onError(
        messages.find((message) => message instanceof Error) ?? new Error(messages.map(String).join(' ')),
      )
      return logger
    },
    warn: () => logger,
    info: () => logger,
    debug: () => logger,
  }
  return logger
}

function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
