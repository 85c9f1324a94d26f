import { readFileSync } from 'node:fs'
import type { Asset } from '../../host/pages/assets.ts'

/** The style and script of the page of `lyceum dev`, beside those of the host's own pages. */
export const DEV_ASSETS: ReadonlyMap<string, Asset> = new Map([
  ['dev.css', { type: 'text/css; charset=utf-8', body: read('dev.css') }],
  ['dev.js', { type: 'text/javascript; charset=utf-8', body: read('dev.js') }],
])

function read(file: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(new URL(`./assets/${file}`, import.meta.url)))
}
