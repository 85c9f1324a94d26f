import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { LIMITS } from '../limits.ts'

/**
 * Vega's packages bring files that need no bundler: each puts one name into the global object. They are read when
 * the first chart is drawn, since most hosts have started long before.
 */
function packaged(module: string, file: string): string {
  return text(new URL(file, import.meta.resolve(module)))
}

/** The interpreter of Vega's expressions is a module that imports a part of Vega, which is there by then. */
function interpreter(): string {
  return packaged('vega-interpreter', 'vega-interpreter.js')
    .replace(/^import (\{[^}]*\}) from 'vega-util';$/m, 'const $1 = vega;')
    .replace(
      /^export \{ expression as expressionInterpreter \};$/m,
      'const expressionInterpreter = expression;',
    )
}

function text(file: URL): string {
  return readFileSync(file, 'utf8').replace(/\n\/\/# sourceMappingURL=.*\s*$/, '')
}

const own = (name: string) => text(new URL(name, import.meta.url))

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
    packaged('vega', 'vega.min.js'),
    packaged('vega-lite', 'vega-lite.min.js'),
    interpreter(),
    `const LIMITS = ${JSON.stringify({ chartRows, chartMarks, chartSvgBytes })}`,
    own('drawing.js'),
  ]
  const bundle = Buffer.from(parts.join('\n;'))
  made = { text: bundle, hash: createHash('sha256').update(bundle).digest('hex').slice(0, 16) }
  return made
}

/** What draws charts in the frame of a view, behind Vega: a script. */
export function chartScript(): string {
  return [packaged('vega', 'vega.min.js'), interpreter(), own('page.js')].join('\n;')
}
