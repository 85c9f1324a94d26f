import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { chartScript } from '../charts/bundle.ts'

/** A file that pages use: the same for everybody, so it is public and kept by browsers for good. */
export interface Asset {
  readonly type: string
  readonly body: Uint8Array<ArrayBuffer>
}

export interface ServedAsset extends Asset {
  /** The body packed, once. */
  readonly gzipped: () => Promise<Uint8Array<ArrayBuffer>>
}

const TYPES = { css: 'text/css; charset=utf-8', js: 'text/javascript; charset=utf-8' } as const

const served = new Map<string, ServedAsset>()
const pack = promisify(gzip)

/** An asset by the name in its address, which holds a hash of its content. */
export function assetOf(file: string): ServedAsset | undefined {
  // A page that was opened before this host started may ask for it.
  if (file.startsWith('charts.')) chartScriptPath()
  return served.get(file)
}

export const STYLE_PATH = serve('lyceum', 'css', read('lyceum.css'))
export const VIEW_SCRIPT_PATH = serve('view', 'js', read('view.js'))
export const PLUGIN_SCRIPT_PATH = serve('plugin', 'js', read('plugin.js'))

let chartScriptServed: string | undefined

/** The script that makes charts answer. Half a megabyte, so it is read when the first view is shown. */
export function chartScriptPath(): string {
  chartScriptServed ??= serve('charts', 'js', Buffer.from(chartScript()))
  return chartScriptServed
}

/** The text of a file that goes into the frames of views, which cannot load anything. */
export const FRAME_STYLE = read('frame.css').toString()
export const FRAME_PAPER_STYLE = read('frame-paper.css').toString()
export const FRAME_SCRIPT = `${read('frame.js')}${read('frame-results.js')}`

function serve(name: string, extension: keyof typeof TYPES, body: Buffer): string {
  const file = `${name}.${createHash('sha256').update(body).digest('hex').slice(0, 16)}.${extension}`
  let packed: Promise<Uint8Array<ArrayBuffer>> | undefined
  served.set(file, {
    type: TYPES[extension],
    body: new Uint8Array(body),
    gzipped: () => (packed ??= pack(body).then((bytes) => new Uint8Array(bytes))),
  })
  return `/assets/${file}`
}

function read(file: string): Buffer {
  return readFileSync(new URL(`./assets/${file}`, import.meta.url))
}
