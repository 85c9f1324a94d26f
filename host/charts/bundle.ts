import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { LIMITS } from '../limits.ts'

/**
 * Vega's packages bring files that need no bundler: each puts one name into the global object. They are read when
 * the first chart is drawn, since most hosts have started long before.
 */
const vega = () => text('vega.min.js', import.meta.resolve('vega'))
const vegaLite = () => text('vega-lite.min.js', import.meta.resolve('vega-lite'))
/** The interpreter of Vega's expressions is a module that imports a part of Vega, which is there by then. */
const interpreter = () =>
  text('vega-interpreter.js', import.meta.resolve('vega-interpreter'))
    .replace(/^import (\{[^}]*\}) from 'vega-util';$/m, 'const $1 = vega;')
    .replace(
      /^export \{ expression as expressionInterpreter \};$/m,
      'const expressionInterpreter = expression;',
    )

const own = (name: string) => text(name, import.meta.url)

/** A file that lies beside another. */
function text(name: string, beside: string): string {
  return readFileSync(new URL(name, beside), 'utf8').replace(/\n\/\/# sourceMappingURL=.*\s*$/, '')
}

/** What draws charts in an isolate: a module, as a plugin's bundle is one, with the export `draw`. */
export interface DrawingBundle {
  readonly text: Buffer
  readonly hash: string
}

let made: DrawingBundle | undefined

/** Reads and puts together what draws charts; once. */
export function drawingBundle(): DrawingBundle {
  if (made !== undefined) return made
  const { chartRows, chartMarks, chartSvgBytes } = LIMITS
  const parts = [
    own('surroundings.js'),
    vega(),
    vegaLite(),
    interpreter(),
    `const LIMITS = ${JSON.stringify({ chartRows, chartMarks, chartSvgBytes })}`,
    own('drawing.js'),
  ]
  const bundle = Buffer.from(parts.join('\n;'))
  made = { text: bundle, hash: createHash('sha256').update(bundle).digest('hex').slice(0, 16) }
  return made
}

/** What draws charts in the frame of a view, behind Vega: a script. Its names are not those of the view's scripts. */
export function chartScript(): string {
  return `${vega()}\n;(() => {${interpreter()}\n;${own('page.js')}})()`
}
